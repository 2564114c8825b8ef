package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/audit"
)

// Options say what the page shows.
type Options struct {
	Name string // of the dataset, for the title
	Date string // empty: the page does not say when it was made
	Top  int    // rows of a list that is not whole
}

// How large the page may get. Rows of samples are bounded by their number, the samples' own
// parts by their bytes: at the worst 1 KB for each row, and 3 MB.
const (
	maxRows      = 2000 // a dataset of at most so many samples is shown whole
	cutRows      = 1000 // of a larger one
	maxPartBytes = 2_800_000
)

//go:embed page.tmpl
var pageText string

//go:embed style.css
var style string

//go:embed script.js
var script string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"count": count, "count32": func(n int32) string { return count(int64(n)) }, "txt": audit.Printable, "line": line, "strip": strip,
	"states": stateBar, "percent": percent, "badge": badge, "spark": spark, "visits": visitsLine, "short": shortID, "or": orNot, "words": words,
}).Parse(pageText))

// A Page is what the template draws.
type Page struct {
	Options
	Facts    *audit.Facts
	Style    template.CSS
	Script   template.JS
	Policy   string
	Title    string
	Runs     string
	Figures  Figures
	Bins     []audit.Step // of the table by step
	BinSteps int64
	Groups   []Grouping
	Lists    []List
	All      List
	Parts    template.HTML
	NumParts int64
	shown    map[int32]bool // samples with a part of their own
	Ledger   []LedgerRow
}

// Figures are the pictures; nil where there is nothing to draw.
type Figures struct {
	Reward, Signal, Nulls, Length, Again *Figure
	Phases                               []*Figure
}

// A Grouping is the table of one kind of sets.
type Grouping struct {
	By, Title, Name string
	Sets            []audit.Set
	Left            int64
}

// Caption is the title within a sentence.
func (g Grouping) Caption() string { return strings.ToLower(g.Title) }

// A LedgerRow is one stage's account.
type LedgerRow struct {
	Stage    dataset.Stage
	In, Kept int64
	Drops    string
}

// Write draws the facts as one HTML file.
func Write(w io.Writer, f *audit.Facts, o Options) error {
	if o.Top <= 0 {
		o.Top = 50
	}
	p := &Page{Options: o, Facts: f, Style: template.CSS(style), Script: template.JS(script), Policy: policy()}
	p.Title = "Audit of " + line(o.Name)
	var runs []string
	for _, r := range f.History.Runs {
		if r.Chosen {
			runs = append(runs, line(r.Name))
		}
	}
	p.Runs = strings.Join(runs, ", ")
	if err := p.draw(); err != nil {
		return err
	}
	p.Bins, p.BinSteps = audit.Bin(f.Steps, maxBins)
	p.group()
	for _, l := range f.Dataset.Ledger {
		var drops []string
		for _, reason := range l.Reasons() {
			drops = append(drops, fmt.Sprintf("%s %s", count(l.Drops[reason]), reason))
		}
		p.Ledger = append(p.Ledger, LedgerRow{l.Stage, l.In, l.Kept, strings.Join(drops, ", ")})
	}
	if err := p.writeParts(); err != nil {
		return err
	}
	p.list()
	return page.ExecuteTemplate(w, "page", p)
}

func (p *Page) draw() error {
	f := p.Facts
	var err error
	keep := func(fig *Figure, e error) *Figure {
		if err == nil {
			err = e
		}
		return fig
	}
	p.Figures = Figures{
		Reward: keep(rewardFigure(f)), Signal: keep(signalFigure(f)), Nulls: keep(nullFigure(f)),
		Length: keep(lengthFigure(f.SetsBy(audit.ByLength))), Again: keep(againFigure(f)),
	}
	sets := f.SetsBy(audit.ByPhase)
	for i := range sets {
		var phase int32
		if _, e := fmt.Sscan(sets[i].Name, &phase); e != nil {
			return e
		}
		if fig := keep(histogramFigure(&sets[i], phase)); fig != nil {
			p.Figures.Phases = append(p.Figures.Phases, fig)
		}
	}
	return err
}

// maxSets bounds the rows of a table of sets: a source for each sample is possible.
const maxSets = 60

func (p *Page) group() {
	for _, g := range []Grouping{
		{By: audit.ByPhase, Title: "By phase", Name: "phase"},
		{By: audit.ByDataSource, Title: "By task", Name: "data_source"},
		{By: audit.BySource, Title: "By source", Name: "source"},
		{By: audit.ByLength, Title: "By prompt length", Name: "tokens"},
	} {
		g.Sets = p.Facts.SetsBy(g.By)
		if n := len(g.Sets); n > maxSets {
			g.Sets, g.Left = g.Sets[:maxSets], int64(n-maxSets)
		}
		p.Groups = append(p.Groups, g)
	}
}

// writeParts draws the samples' own parts while there is room, the most telling samples first.
func (p *Page) writeParts() error {
	var b bytes.Buffer
	p.shown = map[int32]bool{}
	for _, n := range rounds(p.Facts) {
		d := p.Facts.Details[n]
		if d == nil || p.shown[n] {
			continue
		}
		if len(p.shown) >= cutRows && len(p.Facts.Samples) > maxRows {
			break
		}
		before := b.Len()
		part := Part{&p.Facts.Samples[n], d}
		if err := page.ExecuteTemplate(&b, "part", part); err != nil {
			return err
		}
		if b.Len() > maxPartBytes {
			b.Truncate(before)
			break
		}
		p.shown[n] = true
	}
	p.Parts, p.NumParts = template.HTML(b.String()), int64(len(p.shown))
	return nil
}

// A Part is one sample with its texts.
type Part struct {
	*audit.Sample
	*audit.Detail
}

// rounds goes through the lists in turn, then through all samples.
func rounds(f *audit.Facts) (order []int32) {
	lists := [][]int32{f.Unlearnable, f.Hardest, f.Moved, f.Again, f.Disagreed, f.Solved, f.NeverVisited}
	longest := 0
	for _, l := range lists {
		longest = max(longest, len(l))
	}
	for rank := range min(longest, maxRows) {
		for _, l := range lists {
			if rank < len(l) {
				order = append(order, l[rank])
			}
		}
	}
	if len(f.Samples) <= maxRows {
		for i := range f.Samples {
			order = append(order, int32(i))
		}
	}
	return order
}

// policy lets the page use its own style and script and nothing else.
func policy() string {
	return fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'", hashOf(style), hashOf(script))
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
