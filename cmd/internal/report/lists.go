package report

import (
	"fmt"
	"html/template"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/longctx/pipeline/sample/audit"
	"github.com/longctx/pipeline/sample/history"
)

// A List is a table of samples.
type List struct {
	ID, Title, Intro, Kind string
	Rows                   []Row
	Total                  int64
	Left                   int64 // samples that are not shown
}

// Shown returns the number of rows.
func (l List) Shown() int64 { return int64(len(l.Rows)) }

// A Row is a sample in a list. Linked: it has a part of its own.
type Row struct {
	*audit.Sample
	Linked bool
}

// list makes the tables of samples.
func (p *Page) list(shown map[int32]bool) {
	f := p.Facts
	rows := func(of []int32, n int) (out []Row) {
		for _, i := range of[:min(len(of), n)] {
			out = append(out, Row{&f.Samples[i], shown[i]})
		}
		return out
	}
	add := func(id, title, kind, intro string, of []int32) {
		l := List{ID: id, Title: title, Intro: intro, Kind: kind, Rows: rows(of, p.Top), Total: int64(len(of))}
		l.Left = l.Total - int64(len(l.Rows))
		p.Lists = append(p.Lists, l)
	}
	t := f.Thresholds
	add("unlearnable", "Unlearnable so far", "estimate",
		fmt.Sprintf("%d visits or more with a known reward, and no success. Mislabelled, wrongly judged and too hard look the same: open a sample and read. The most rollouts first.", t.QuarantineVisits), f.Unlearnable)
	add("hardest", "Hardest that may still be learned", "estimate",
		"Not unlearnable, not solved. The least upper bound first: these are hard with most certainty.", f.Hardest)
	add("moved", "Moved most", "moved",
		"First half of a sample's visits against the second. Only changes whose 95 % interval leaves out 0, the clearest first. With many samples one in forty passes each side by chance.", f.Moved)
	add("solved", "Solved", "estimate", fmt.Sprintf("Mean over %.2f. The highest lower bound first.", t.SolvedAbove), f.Solved)
	add("never", "Never visited", "plain", "No outcome in the chosen run. In the order of the dataset.", f.NeverVisited)

	all := make([]int32, 0, min(len(f.Samples), maxRows))
	if len(f.Samples) <= maxRows {
		for i := range f.Samples {
			all = append(all, int32(i))
		}
	} else {
		seen := map[int32]bool{}
		for _, n := range rounds(f) {
			if !seen[n] && shown[n] && len(all) < maxRows {
				seen[n] = true
				all = append(all, n)
			}
		}
	}
	p.All = List{ID: "all", Title: "All samples", Kind: "estimate", Rows: rows(all, maxRows), Total: int64(len(f.Samples))}
	p.All.Left = p.All.Total - int64(len(p.All.Rows))
}

// Again and Disagreed are the rows of the tables in their own sections.
func (p *Page) Again() List {
	return p.short("again", "Retrospective samples", p.Facts.Again)
}

// Disagreed are the samples whose rule and judge differ most often.
func (p *Page) Disagreed() List {
	return p.short("disagreed", "Rule and judge differ most often", p.Facts.Disagreed)
}

func (p *Page) short(id, title string, of []int32) List {
	l := List{ID: id, Title: title, Kind: id, Total: int64(len(of))}
	for _, n := range of[:min(len(of), p.Top)] {
		linked := strings.Contains(string(p.Parts), partID(&p.Facts.Samples[n]))
		l.Rows = append(l.Rows, Row{&p.Facts.Samples[n], linked})
	}
	l.Left = l.Total - int64(len(l.Rows))
	return l
}

// PartID is the anchor of the sample's own part.
func (r Row) PartID() string { return "s-" + shortID(r.ID) }

// PartID is the part's anchor.
func (p Part) PartID() string { return "s-" + shortID(p.ID) }

func partID(s *audit.Sample) string { return `id="s-` + shortID(s.ID) + `"` }

func shortID(id history.SampleID) string { return id.String()[:12] }

func count(n int64) string { return humanize.Comma(n) }

// maxName bounds names in tables.
const maxName = 48

// line makes a name safe and short.
func line(text string) string {
	text = audit.PrintableLine(text)
	n := 0
	for i := range text {
		if n++; n > maxName {
			return text[:i] + "…"
		}
	}
	return text
}

func orNot(text, instead string) string {
	if text == "" {
		return instead
	}
	return text
}

func percent(n, of int64) string {
	if of == 0 {
		return "unknown"
	}
	return audit.Value(float64(n) / float64(of)).Percent()
}

func words(name any) string { return strings.ReplaceAll(fmt.Sprint(name), "_", " ") }

// strip draws an estimate with its interval on a line from 0 to 1. The numbers stand beside it.
func strip(e audit.Estimate) template.HTML {
	if e.N == 0 {
		return ""
	}
	x := func(v audit.Value) float64 { return 3 + 54*float64(v) }
	return template.HTML(fmt.Sprintf(`<svg class="iv" viewBox="0 0 60 10" aria-hidden="true"><path class="s01" d="M3 5H57"/><path class="s06 w" d="M%.1f 5H%.1f"/><circle class="f06" cx="%.1f" cy="5" r="2.6"/></svg>`,
		x(e.Lower), x(e.Upper), x(e.Mean)))
}

// badge names a state.
func badge(s audit.State) template.HTML {
	return template.HTML(fmt.Sprintf(`<span class="st st%d">%s</span>`, int(s), words(s)))
}

// stateBar draws the states of a set of samples as parts of a bar.
func stateBar(s audit.States) template.HTML {
	var total int64
	order := []audit.State{audit.Unlearnable, audit.NoSuccess, audit.Learning, audit.Solved, audit.NoReward, audit.NeverVisited}
	for _, state := range order {
		total += s.Of(state)
	}
	var b, text strings.Builder
	x := 0.0
	for _, state := range order {
		n := s.Of(state)
		if n == 0 {
			continue
		}
		w := 160 * float64(n) / float64(total)
		fmt.Fprintf(&b, `<rect class="b%d" x="%.2f" width="%.2f" height="12"/>`, int(state), x, w)
		fmt.Fprintf(&text, "%s %s, ", count(n), words(state))
		x += w
	}
	name := strings.TrimSuffix(text.String(), ", ")
	return template.HTML(`<svg class="bar" role="img" viewBox="0 0 160 12" preserveAspectRatio="none"><title>` + name + `</title>` + b.String() + `</svg>`)
}

// spark draws a sample's visits as bars of their means; a visit without a known reward is a dot.
func spark(visits []audit.Visit) template.HTML {
	if len(visits) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="spark" viewBox="0 0 %d 20" aria-hidden="true">`, 6*len(visits))
	for i, v := range visits {
		class := "f06"
		if v.Retrospective {
			class = "f07"
		}
		switch {
		case !v.Mean.Known():
			fmt.Fprintf(&b, `<circle class="f03" cx="%d" cy="18" r="1.5"/>`, 6*i+2)
		default:
			h := max(17*float64(v.Mean), 1.2)
			fmt.Fprintf(&b, `<path class="%s" d="M%d 19h5v-%.1fh-5z"/>`, class, 6*i, h)
		}
	}
	return template.HTML(b.String() + `</svg>`)
}
