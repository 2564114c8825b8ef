package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/longctx/pipeline/sample/audit"
	"github.com/longctx/pipeline/train/eval"
)

// An EvalRun is one evaluation under a name.
type EvalRun struct {
	Name string
	*eval.Report
}

// An EvalComparison is one run against the first.
type EvalComparison struct {
	Name string
	By   []eval.Difference
}

// Eval is what the page of evaluations shows.
type Eval struct {
	Runs        []EvalRun
	Comparisons []EvalComparison
	Paper       bool
}

//go:embed eval.tmpl
var evalText string

var evalTemplate = template.Must(template.Must(page.Clone()).New("eval").Funcs(template.FuncMap{
	"points": points, "interval": interval, "signed": signedPoints, "p": probability, "share": share, "whole": whole, "two": two, "ref": func(b eval.Benchmark) *eval.Benchmark { return &b }, "int": func(n int) string { return count(int64(n)) },
}).Parse(evalText))

// An evalPage is what the template draws.
type evalPage struct {
	Eval
	Title   string
	Style   template.CSS
	Script  template.JS
	Policy  string
	Names   []string // benchmarks of all runs
	Ks      []int
	Figure  *Figure
	Steps   *Figure // Pass@1 by step
	Pattern *Figure
	Rows    []eval.Published // of the paper
	Source  string
}

// WriteEval draws evaluations as one HTML file, with the rule of the audit's page.
func WriteEval(w io.Writer, e Eval) error {
	p := &evalPage{Eval: e, Style: template.CSS(style), Script: template.JS(script), Policy: policy(), Source: eval.PaperSource}
	var names []string
	for _, r := range e.Runs {
		names = append(names, line(r.Name))
		for i := range r.Benchmarks {
			if !slices.Contains(p.Names, r.Benchmarks[i].Name) {
				p.Names = append(p.Names, r.Benchmarks[i].Name)
			}
		}
		for _, k := range eval.Ks(r.N) {
			if !slices.Contains(p.Ks, k) {
				p.Ks = append(p.Ks, k)
			}
		}
	}
	slices.Sort(p.Names)
	slices.Sort(p.Ks)
	p.Title = "Evaluation of " + strings.Join(names, ", ")
	if e.Paper {
		p.Rows = eval.Paper
	}
	var err error
	if p.Figure, err = p.forest(); err != nil {
		return err
	}
	if p.Steps, err = p.stepsFigure(); err != nil {
		return err
	}
	if p.Pattern, err = p.patternFigure(); err != nil {
		return err
	}
	return evalTemplate.ExecuteTemplate(w, "eval", p)
}

// Of returns a benchmark of a run, or its average; an empty one where it has none.
func (r EvalRun) Of(name string) *eval.Benchmark {
	if name == eval.Average {
		return &r.Average
	}
	for i := range r.Benchmarks {
		if r.Benchmarks[i].Name == name {
			return &r.Benchmarks[i]
		}
	}
	return new(eval.Benchmark)
}

// maxForest bounds the rows of the picture.
const maxForest = 40

// forest draws Pass@1 of every benchmark with its interval, a colour for each run.
func (p *evalPage) forest() (*Figure, error) {
	names := append(slices.Clone(p.Names[:min(len(p.Names), maxForest)]), eval.Average)
	slices.Reverse(names) // the first stands on top
	q := newPlot("Pass@1, %", "")
	var ticks []plot.Tick
	for i, name := range names {
		ticks = append(ticks, plot.Tick{Value: float64(i), Label: shorten(line(name))})
	}
	q.Y.Tick.Marker = plot.ConstantTicks(ticks)
	q.Y.Min, q.Y.Max = -0.6, float64(len(names))-0.4
	q.X.Tick.Marker = tens{}
	q.X.Min, q.X.Max = 0, 100
	g := plotter.NewGrid()
	g.Horizontal.Color, g.Vertical.Color, g.Vertical.Width = nil, inkGrid, 0.5
	q.Add(g)
	fig := &Figure{Note: "Each dot: the mean over the samples, with its 95 % interval (bootstrap over samples)."}
	for r, run := range p.Runs {
		ink := phaseInk(int32(r + 1))
		offset := 0.0
		if n := len(p.Runs); n > 1 {
			offset = 0.5 * (float64(n-1)/2 - float64(r)) / float64(n)
		}
		for i, name := range names {
			e := run.Of(name).PassAt(1)
			if !e.Mean.Known() {
				continue
			}
			if err := mark(q, ink, 100*float64(e.Mean), 100*float64(e.Lower), 100*float64(e.Upper), float64(i)+offset); err != nil {
				return nil, err
			}
		}
		fig.Legend = append(fig.Legend, key(ink, line(run.Name)))
	}
	height := vg.Length(60 + 26*len(names)*max(1, (len(p.Runs)+1)/2))
	var err error
	fig.SVG, err = drawSVG(q, plotWidth, height, "plot-forest", "Pass@1 by benchmark", "A dot with its interval for each benchmark and run; the numbers are in the table below.")
	return fig, err
}

func mark(q *plot.Plot, ink inkColor, mean, lower, upper, y float64) error {
	bar, err := plotter.NewLine(plotter.XYs{{X: lower, Y: y}, {X: upper, Y: y}})
	if err != nil {
		return err
	}
	bar.Color, bar.Width = ink, 1.6
	dot, err := plotter.NewScatter(plotter.XYs{{X: mean, Y: y}})
	if err != nil {
		return err
	}
	dot.GlyphStyle = draw.GlyphStyle{Color: ink, Radius: 3.2, Shape: draw.CircleGlyph{}}
	q.Add(bar, dot)
	return nil
}

// tens marks every tenth of a hundred.
type tens struct{}

func (tens) Ticks(_, _ float64) (ticks []plot.Tick) {
	for v := 0; v <= 100; v += 10 {
		ticks = append(ticks, plot.Tick{Value: float64(v), Label: fmt.Sprint(v)})
	}
	return ticks
}

// shorten keeps labels of an axis short.
func shorten(name string) string {
	if r := []rune(name); len(r) > 22 {
		return string(r[:21]) + "…"
	}
	return name
}

// stepsFigure draws Pass@1 by step, where responses of several checkpoints were given.
func (p *evalPage) stepsFigure() (*Figure, error) {
	q := newPlot("step", "average Pass@1")
	unit(&q.Y)
	q.X.Tick.Marker = stepTicks{}
	grid(q)
	fig := &Figure{Note: "Each point: the average of the benchmarks at one step, with its 95 % interval."}
	for r, run := range p.Runs {
		var points []point
		for i := range run.Steps {
			if e := run.Steps[i].Average.PassAt(1); e.Mean.Known() {
				points = append(points, point{float64(run.Steps[i].Step), ofAudit(e)})
			}
		}
		if len(points) > 1 {
			if err := band(q, phaseInk(int32(r+1)), false, points); err != nil {
				return nil, err
			}
			fig.Legend = append(fig.Legend, key(phaseInk(int32(r+1)), line(run.Name)))
		}
	}
	if len(fig.Legend) == 0 {
		return nil, nil
	}
	var err error
	fig.SVG, err = drawSVG(q, plotWidth, plotHeight, "plot-steps", "Average Pass@1 by step", "A point for each step; the numbers are in results.csv.")
	return fig, err
}

func ofAudit(e eval.Estimate) audit.Estimate {
	return audit.Estimate{Mean: audit.Value(e.Mean), Lower: audit.Value(e.Lower), Upper: audit.Value(e.Upper), N: e.Samples}
}

// patternFigure draws how often responses show each pattern by step, for the first run that has
// several.
func (p *evalPage) patternFigure() (*Figure, error) {
	for _, run := range p.Runs {
		if run.Patterns == nil || len(run.Patterns.Steps) < 2 {
			continue
		}
		q := newPlot("step", "per response")
		q.X.Tick.Marker = stepTicks{}
		grid(q)
		fig := &Figure{Note: "Each point: the mean count per response, with its 95 % interval; counted by " + run.Patterns.By + "."}
		for i, name := range eval.PatternNames {
			var points []point
			for _, s := range run.Patterns.Steps {
				if e := s.Counts[i]; e.Mean.Known() {
					points = append(points, point{float64(s.Step), ofAudit(e)})
				}
			}
			if err := band(q, phaseInk(int32(i+1)), false, points); err != nil {
				return nil, err
			}
			fig.Legend = append(fig.Legend, key(phaseInk(int32(i+1)), strings.ReplaceAll(name, "_", " ")))
		}
		q.Y.Min = 0
		var err error
		fig.SVG, err = drawSVG(q, plotWidth, plotHeight, "plot-patterns", "Reasoning patterns by step", "A curve for each pattern; the numbers are in the table below.")
		return fig, err
	}
	return nil, nil
}

func points(v eval.Value) string {
	if !v.Known() {
		return "–"
	}
	return fmt.Sprintf("%.1f", 100*float64(v))
}

func signedPoints(v eval.Value) string {
	if !v.Known() {
		return "–"
	}
	return strings.Replace(fmt.Sprintf("%+.1f", 100*float64(v)), "-", "−", 1)
}

func interval(e eval.Estimate) string {
	if !e.Mean.Known() || !e.Lower.Known() {
		return ""
	}
	return fmt.Sprintf("%.1f to %.1f", 100*float64(e.Lower), 100*float64(e.Upper))
}

func probability(v eval.Value) string {
	switch {
	case !v.Known():
		return "–"
	case v < 0.001:
		return "< 0.001"
	}
	return fmt.Sprintf("%.3f", float64(v))
}

func share(b *eval.Benchmark, n int64) string {
	if b.Responses == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(b.Share(n)))
}

func whole(v eval.Value) string {
	if !v.Known() {
		return "–"
	}
	return count(int64(math.Round(float64(v))))
}

func two(v eval.Value) string {
	if !v.Known() {
		return "–"
	}
	return fmt.Sprintf("%.2f", float64(v))
}

// HasPatterns reports whether a run counted reasoning patterns.
func (p *evalPage) HasPatterns() bool {
	return slices.ContainsFunc(p.Runs, func(r EvalRun) bool { return r.Patterns != nil })
}
