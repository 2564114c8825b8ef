package report

import (
	"fmt"
	"html/template"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/longctx/pipeline/sample/audit"
)

// A Figure is a picture with what it shows in words, and its legend.
type Figure struct {
	SVG    template.HTML
	Legend []Key
	Note   string // what each mark counts
}

// A Key is one entry of a legend. Class is the colour's; Dash tells a dashed line.
type Key struct {
	Class, Name string
	Dash        bool
}

func key(c inkColor, name string) Key { return Key{fmt.Sprintf("f%02x", uint8(c)), name, false} }

const (
	plotWidth  = vg.Length(760)
	plotHeight = vg.Length(250)
	maxBins    = 48
)

var dashes = []vg.Length{4, 3}

// unit makes an axis of rewards or shares.
func unit(a *plot.Axis) {
	a.Min, a.Max = 0, 1
	a.Tick.Marker = plot.ConstantTicks([]plot.Tick{{Value: 0, Label: "0"}, {Value: 0.25, Label: "0.25"}, {Value: 0.5, Label: "0.5"}, {Value: 0.75, Label: "0.75"}, {Value: 1, Label: "1"}})
}

// stepTicks marks whole steps.
type stepTicks struct{}

func (stepTicks) Ticks(low, high float64) []plot.Tick {
	per := math.Pow(10, math.Floor(math.Log10(max(high-low, 1))))
	for _, m := range []float64{0.1, 0.2, 0.5, 1} {
		if (high-low)/(per*m) <= 10 {
			per *= m
			break
		}
	}
	per = max(per, 1)
	var ticks []plot.Tick
	for v := math.Ceil(low/per) * per; v <= high; v += per {
		ticks = append(ticks, plot.Tick{Value: v, Label: count(int64(v))})
	}
	return ticks
}

// shareTicks marks shares in percent.
type shareTicks struct{}

func (shareTicks) Ticks(_, high float64) (ticks []plot.Tick) {
	per := 0.2
	for _, p := range []float64{0.01, 0.02, 0.05, 0.1} {
		if high/p <= 6 {
			per = p
			break
		}
	}
	for i := 0; float64(i)*per <= high; i++ {
		ticks = append(ticks, plot.Tick{Value: float64(i) * per, Label: fmt.Sprintf("%.0f %%", 100*float64(i)*per)})
	}
	return ticks
}

func grid(p *plot.Plot) {
	g := plotter.NewGrid()
	g.Vertical.Color = nil
	g.Horizontal.Color = inkGrid
	g.Horizontal.Width = 0.5
	p.Add(g)
}

// band is the line of a series with its interval behind it.
func band(p *plot.Plot, c inkColor, dashed bool, points []point) error {
	if len(points) == 0 {
		return nil
	}
	var line, edge plotter.XYs
	for _, q := range points {
		line = append(line, plotter.XY{X: q.x, Y: float64(q.Mean)})
		edge = append(edge, plotter.XY{X: q.x, Y: float64(q.Upper)})
	}
	for i := len(points) - 1; i >= 0; i-- {
		edge = append(edge, plotter.XY{X: points[i].x, Y: float64(points[i].Lower)})
	}
	if !dashed { // two bands on each other cannot be told apart
		area, err := plotter.NewPolygon(edge)
		if err != nil {
			return err
		}
		area.Color = faint{c, 46}
		area.LineStyle.Width = 0
		p.Add(area)
	}
	l, err := plotter.NewLine(line)
	if err != nil {
		return err
	}
	l.Color, l.Width = c, 1.8
	if dashed {
		l.Dashes = dashes
	}
	p.Add(l)
	if len(points) <= maxBins {
		dots, err := plotter.NewScatter(line)
		if err != nil {
			return err
		}
		dots.GlyphStyle = draw.GlyphStyle{Color: c, Radius: 1.8, Shape: draw.CircleGlyph{}}
		p.Add(dots)
	}
	return nil
}

type point struct {
	x float64
	audit.Estimate
}

// middle is where a bin stands: the middle of its steps.
func middle(s *audit.Step) float64 { return float64(s.Order+s.Last()) / 2 }

// trained leaves measurements before training out, and joins steps into bins.
func trained(f *audit.Facts) (bins []audit.Step, per int64, start *audit.Step) {
	var steps []audit.Step
	for i := range f.Steps {
		if s := f.Steps[i]; s.Phase > 0 {
			steps = append(steps, s)
		} else if start == nil {
			start = &s
		} else {
			joined, _ := audit.Bin([]audit.Step{*start, s}, 1)
			start = &joined[0]
		}
	}
	bins, per = audit.Bin(steps, maxBins)
	return bins, per, start
}

// rewardFigure draws the mean reward over steps: a phase's own samples, and the retrospective
// ones as their own curve.
func rewardFigure(f *audit.Facts) (*Figure, error) {
	bins, per, start := trained(f)
	if len(bins) == 0 {
		return nil, nil
	}
	p := newPlot("step", "mean reward")
	unit(&p.Y)
	p.X.Tick.Marker = stepTicks{}
	grid(p)
	fig := &Figure{Note: fmt.Sprintf("Each point: the mean of the group means of %s, with its 95 %% Wilson interval (n: groups).", stepsOf(per))}
	if start != nil {
		if e := start.Own.Estimate(); e.N > 0 {
			level := plotter.NewFunction(func(float64) float64 { return float64(e.Mean) })
			level.Color, level.Width, level.Dashes = inkText, 1, []vg.Length{1.5, 3}
			p.Add(level)
			fig.Legend = append(fig.Legend, Key{"f00", fmt.Sprintf("before training: %s, %s groups", e, count(e.N)), true})
		}
	}
	for _, phase := range f.Dataset.Phases {
		var own, again []point
		for i := range bins {
			if s := &bins[i]; s.Phase == phase.Phase {
				if e := s.Own.Estimate(); e.N > 0 {
					own = append(own, point{middle(s), e})
				}
				if e := s.Retrospective.Estimate(); e.N > 0 {
					again = append(again, point{middle(s), e})
				}
			}
		}
		c := phaseInk(phase.Phase)
		if err := band(p, c, false, own); err != nil {
			return nil, err
		}
		if err := band(p, c, true, again); err != nil {
			return nil, err
		}
		k := key(c, fmt.Sprintf("phase %d, own samples", phase.Phase))
		if len(own) > 0 {
			fig.Legend = append(fig.Legend, k)
		}
		if len(again) > 0 {
			k.Name, k.Dash = fmt.Sprintf("phase %d, retrospective samples", phase.Phase), true
			fig.Legend = append(fig.Legend, k)
		}
	}
	spanSteps(p, bins)
	var err error
	fig.SVG, err = drawSVG(p, plotWidth, plotHeight, "plot-reward", "Mean reward over steps",
		"One curve for each phase's own samples, a dashed one for retrospective samples; the numbers are in the table below.")
	return fig, err
}

func stepsOf(per int64) string {
	if per == 1 {
		return "one step"
	}
	return count(per) + " steps"
}

func spanSteps(p *plot.Plot, bins []audit.Step) {
	p.X.Min = float64(bins[0].Order) - 0.5
	p.X.Max = float64(bins[len(bins)-1].Last()) + 0.5
}

// stack draws bars of shares upon each other.
func stack(p *plot.Plot, bins []audit.Step, colors []inkColor, shares func(*audit.Step) []float64) error {
	for i := range bins {
		s := &bins[i]
		low := 0.0
		x := middle(s)
		half := float64(s.Last()-s.Order+1) / 2 * 0.94
		for k, v := range shares(s) {
			if v <= 0 {
				continue
			}
			bar, err := plotter.NewPolygon(plotter.XYs{{X: x - half, Y: low}, {X: x + half, Y: low}, {X: x + half, Y: low + v}, {X: x - half, Y: low + v}})
			if err != nil {
				return err
			}
			bar.Color, bar.LineStyle.Width = colors[k], 0
			p.Add(bar)
			low += v
		}
	}
	return nil
}

// signalFigure draws which share of the groups taught something.
func signalFigure(f *audit.Facts) (*Figure, error) {
	bins, per, _ := trained(f)
	if len(bins) == 0 {
		return nil, nil
	}
	p := newPlot("step", "share of groups")
	unit(&p.Y)
	p.X.Tick.Marker = stepTicks{}
	colors := []inkColor{inkWrong, inkEqual, inkMixed, inkRight}
	err := stack(p, bins, colors, func(s *audit.Step) []float64 {
		n := float64(s.Zero.Groups())
		if n == 0 {
			return nil
		}
		return []float64{float64(s.Zero.AllWrong) / n, float64(s.Zero.AllEqual) / n, float64(s.Zero.Mixed) / n, float64(s.Zero.AllRight) / n}
	})
	if err != nil {
		return nil, err
	}
	spanSteps(p, bins)
	fig := &Figure{
		Note:   fmt.Sprintf("Each bar: the groups of %s with two known rewards or more.", stepsOf(per)),
		Legend: []Key{key(inkWrong, "all wrong"), key(inkEqual, "all equal, between"), key(inkMixed, "rewards differ: the group teaches"), key(inkRight, "all right")},
	}
	fig.SVG, err = drawSVG(p, plotWidth, plotHeight, "plot-signal", "Zero-variance groups by step",
		"Bars of shares: all wrong at the bottom, all right at the top; the numbers are in the table below.")
	return fig, err
}

// nullFigure draws the share of rollouts without a reward, and how often the judge overrules.
func nullFigure(f *audit.Facts) (*Figure, error) {
	bins, per, _ := trained(f)
	if len(bins) == 0 || f.Totals.RolloutsUnknown == 0 && f.Judge.Compared == 0 {
		return nil, nil
	}
	p := newPlot("step", "share of rollouts")
	largest := 0.0
	for i := range bins {
		s := &bins[i]
		largest = max(largest, float64(s.Null)/float64(max(s.Rollouts, 1)), float64(s.Rescued+s.Contradicted)/float64(max(s.Compared, 1)))
	}
	p.Y.Tick.Marker = shareTicks{}
	p.X.Tick.Marker = stepTicks{}
	grid(p)
	err := stack(p, bins, []inkColor{inkWrong, inkEqual}, func(s *audit.Step) []float64 {
		if s.Rollouts == 0 {
			return nil
		}
		n := float64(s.Rollouts)
		return []float64{float64(s.Outages) / n, float64(s.Null-s.Outages) / n}
	})
	if err != nil {
		return nil, err
	}
	var differ []point
	for i := range bins {
		if s := &bins[i]; s.Compared > 0 {
			differ = append(differ, point{middle(s), audit.Estimate{Mean: audit.Value(float64(s.Rescued+s.Contradicted) / float64(s.Compared))}})
		}
	}
	if err := band(p, inkPhase1, true, differ); err != nil {
		return nil, err
	}
	spanSteps(p, bins)
	p.Y.Min, p.Y.Max = 0, min(max(1.1*largest, 0.05), 1)
	fig := &Figure{
		Note:   fmt.Sprintf("Bars: rollouts of %s without a reward. Line: of the rollouts that rule and judge both rewarded, those on which they differ.", stepsOf(per)),
		Legend: []Key{key(inkWrong, "no reward: the judge failed"), key(inkEqual, "no reward: nothing says why"), {key(inkPhase1, "").Class, "rule and judge differ", true}},
	}
	fig.SVG, err = drawSVG(p, plotWidth, plotHeight*4/5, "plot-judge", "Missing rewards and disagreement by step",
		"Bars for rollouts without a reward, a line for disagreement; the numbers are in the table below.")
	return fig, err
}
