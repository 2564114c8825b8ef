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
	Reasons                bool  // plans say why samples were drawn
}

// Shown returns the number of rows.
func (l List) Shown() int64 { return int64(len(l.Rows)) }

// MixedStates reports whether its rows can be chosen by state.
func (l List) MixedStates() bool {
	for i := range l.Rows {
		if l.Rows[i].State != l.Rows[0].State {
			return true
		}
	}
	return false
}

// A Row is a sample in a list. Linked: it has a part of its own.
type Row struct {
	*audit.Sample
	Linked bool
}

// list makes the tables of samples.
func (p *Page) list() {
	f := p.Facts
	rows := func(of []int32, n int) (out []Row) {
		for _, i := range of[:min(len(of), n)] {
			out = append(out, Row{&f.Samples[i], p.shown[i]})
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
			if !seen[n] && p.shown[n] && len(all) < maxRows {
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
	l := List{ID: id, Title: title, Kind: id, Total: int64(len(of)), Reasons: len(p.Facts.Plans) > 0}
	for _, n := range of[:min(len(of), p.Top)] {
		l.Rows = append(l.Rows, Row{&p.Facts.Samples[n], p.shown[n]})
	}
	l.Left = l.Total - int64(len(l.Rows))
	return l
}

// PartID is the anchor of the sample's own part.
func (r Row) PartID() string { return "s-" + shortID(r.ID) }

// PartID is the part's anchor.
func (p Part) PartID() string { return "s-" + shortID(p.ID) }

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
	return template.HTML(fmt.Sprintf(`<svg class="iv" viewBox="0 0 60 10" aria-hidden="true"><path class="f06" d="M%.1f 4H%.1fv2H%.1fzM%.1f 1h4v8h-4z"/></svg>`,
		x(e.Lower), x(e.Upper), x(e.Lower), x(e.Mean)-2))
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
	var own, again, unknown strings.Builder
	for i, v := range visits {
		bars := &own
		if v.Retrospective {
			bars = &again
		}
		if !v.Mean.Known() {
			fmt.Fprintf(&unknown, "M%d 17h2v2h-2z", 6*i+1)
			continue
		}
		fmt.Fprintf(bars, "M%d 19h5v-%.1fh-5z", 6*i, max(17*float64(v.Mean), 1.2))
	}
	out := fmt.Sprintf(`<svg class="spark" viewBox="0 0 %d 20" aria-hidden="true">`, 6*len(visits))
	for _, bars := range []struct {
		class string
		path  *strings.Builder
	}{{"f06", &own}, {"f07", &again}, {"f03", &unknown}} {
		if bars.path.Len() > 0 {
			out += fmt.Sprintf(`<path class="%s" d="%s"/>`, bars.class, bars.path)
		}
	}
	return template.HTML(out + `</svg>`)
}

// visitsLine says in words what the bars show.
func visitsLine(d *audit.Detail) string {
	var parts []string
	if d.Earlier > 0 {
		parts = append(parts, fmt.Sprintf("%s before", count(int64(d.Earlier))))
	}
	phase := int32(-1)
	for _, v := range d.Visits {
		text := ""
		if v.Phase != phase {
			phase = v.Phase
			switch {
			case phase == 0:
				text = "before training, "
			case v.Retrospective:
				text = fmt.Sprintf("again in phase %d, ", phase)
			default:
				text = fmt.Sprintf("phase %d, ", phase)
			}
		}
		text += fmt.Sprintf("step\u00a0%d:\u00a0", v.Step)
		if v.Known == 0 {
			text += "unknown"
		} else {
			text += fmt.Sprintf("%d/%d", v.Successes, v.Known)
		}
		if v.Unknown > 0 {
			text += fmt.Sprintf(" (%d missing)", v.Unknown)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " · ")
}
