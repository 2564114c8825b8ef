package report

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/longctx/pipeline/sample/audit"
)

// histogramFigure draws how the mean rewards of one phase's samples are spread.
func histogramFigure(set *audit.Set, phase int32) (*Figure, error) {
	if set.States.Known() == 0 {
		return nil, nil
	}
	p := newPlot("mean reward of a sample", "samples")
	grid(p)
	var largest int64
	for i, n := range set.Histogram {
		largest = max(largest, n)
		if n == 0 {
			continue
		}
		x := float64(i)
		bar, err := plotter.NewPolygon(plotter.XYs{{X: x - 0.45, Y: 0}, {X: x + 0.45, Y: 0}, {X: x + 0.45, Y: float64(n)}, {X: x - 0.45, Y: float64(n)}})
		if err != nil {
			return nil, err
		}
		bar.LineStyle.Width = 0
		switch i {
		case 0:
			bar.Color = inkWrong
		case audit.Bins - 1:
			bar.Color = inkRight
		default:
			bar.Color = inkMixed
		}
		p.Add(bar)
	}
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = -0.6, audit.Bins-0.4, 0, float64(largest)*1.05
	p.X.Tick.Marker = plot.ConstantTicks([]plot.Tick{{Value: 0, Label: "0"}, {Value: 3, Label: "≤ 0.3"}, {Value: 6, Label: "≤ 0.6"}, {Value: 9, Label: "≤ 0.9"}, {Value: 11, Label: "1"}})
	p.Y.Tick.Marker = stepTicks{}
	title := fmt.Sprintf("Difficulty of the samples of phase %d", phase)
	svg, err := drawSVG(p, 320, 185, fmt.Sprintf("plot-phase-%d", phase), title,
		fmt.Sprintf("Histogram of mean rewards: %s samples at 0, %s at 1, the others in tenths.", count(set.Histogram[0]), count(set.Histogram[audit.Bins-1])))
	return &Figure{SVG: svg, Note: fmt.Sprintf("Phase %d: %s of %s samples have a known reward.", phase, count(set.States.Known()), count(set.Samples))}, err
}

// lengthFigure draws the mean reward by prompt length.
func lengthFigure(sets []audit.Set) (*Figure, error) {
	var points plotter.XYs
	var errs plotter.YErrors
	for i := range sets {
		if e := sets[i].Mean; e.N > 0 {
			points = append(points, plotter.XY{X: math.Log10(float64(max(sets[i].Lengths.Median, 1))), Y: float64(e.Mean)})
			errs = append(errs, struct{ Low, High float64 }{float64(e.Mean - e.Lower), float64(e.Upper - e.Mean)})
		}
	}
	if len(points) < 2 {
		return nil, nil
	}
	p := newPlot("prompt length, tokens (logarithmic)", "mean reward")
	unit(&p.Y)
	grid(p)
	p.X.Tick.Marker = logTicks{}
	bars, err := plotter.NewYErrorBars(struct {
		plotter.XYer
		plotter.YErrorer
	}{points, errs})
	if err != nil {
		return nil, err
	}
	bars.Color, bars.Width, bars.CapWidth = inkPhase1, 1.2, 5
	line, dots, err := plotter.NewLinePoints(points)
	if err != nil {
		return nil, err
	}
	line.Color, line.Width, line.Dashes = inkPhase1, 1, dashes
	dots.GlyphStyle = draw.GlyphStyle{Color: inkPhase1, Radius: 3, Shape: draw.CircleGlyph{}}
	p.Add(bars, line, dots)
	p.X.Min, p.X.Max = points[0].X-0.06, points[len(points)-1].X+0.06
	svg, err := drawSVG(p, plotWidth, plotHeight*4/5, "plot-length", "Mean reward by prompt length",
		"A point with its interval for each tenth of the samples by length; the numbers are in the table below.")
	return &Figure{SVG: svg, Note: "Each point: a tenth of the samples, at its median length; the mean of the samples' estimates with its 95 % Wilson interval (n: samples)."}, err
}

// logTicks marks 1, 2 and 5 times the powers of ten.
type logTicks struct{}

func (logTicks) Ticks(low, high float64) (ticks []plot.Tick) {
	for e := math.Floor(low); e <= high; e++ {
		for _, m := range []float64{1, 2, 5} {
			if v := e + math.Log10(m); v >= low && v <= high {
				ticks = append(ticks, plot.Tick{Value: v, Label: count(int64(math.Round(math.Pow(10, v))))})
			}
		}
	}
	return ticks
}

// maxDots bounds the marks of the picture of retrospective samples.
const maxDots = 600

// againFigure draws each retrospective sample's mean before and since.
func againFigure(f *audit.Facts) (*Figure, error) {
	byPhase := map[int32]plotter.XYs{}
	n := 0
	for _, i := range f.Again {
		s := &f.Samples[i]
		c := s.Again.Change
		if c.By.Known() && n < maxDots {
			// Means of eight rollouts fall on each other: move them apart a little, always alike.
			dx, dy := float64(s.ID[0])/256-0.5, float64(s.ID[1])/256-0.5
			byPhase[s.Again.Phase] = append(byPhase[s.Again.Phase], plotter.XY{X: float64(c.From.Mean) + 0.02*dx, Y: float64(c.To.Mean) + 0.02*dy})
			n++
		}
	}
	if n == 0 {
		return nil, nil
	}
	p := newPlot("mean reward in the phase before", "mean reward since")
	unit(&p.X)
	unit(&p.Y)
	p.X.Min, p.Y.Min, p.X.Max, p.Y.Max = -0.02, -0.02, 1.02, 1.02
	grid(p)
	same := plotter.NewFunction(func(x float64) float64 { return x })
	same.Color, same.Width, same.Dashes = inkText, 0.7, []vg.Length{2, 3}
	p.Add(same)
	fig := &Figure{Note: "Each dot: one sample, moved a little so that equal ones can be seen. Over the dotted line it does better since."}
	if n < len(f.Again) {
		fig.Note += fmt.Sprintf(" %s of %s are drawn.", count(int64(n)), count(int64(len(f.Again))))
	}
	for _, phase := range f.Dataset.Phases {
		if len(byPhase[phase.Phase]) == 0 {
			continue
		}
		dots, err := plotter.NewScatter(byPhase[phase.Phase])
		if err != nil {
			return nil, err
		}
		dots.GlyphStyle = draw.GlyphStyle{Color: faint{phaseInk(phase.Phase), 150}, Radius: 2.6, Shape: draw.CircleGlyph{}}
		p.Add(dots)
		fig.Legend = append(fig.Legend, key(phaseInk(phase.Phase), fmt.Sprintf("drawn again in phase %d", phase.Phase)))
	}
	var err error
	fig.SVG, err = drawSVG(p, 420, 300, "plot-again", "Retrospective samples before and since",
		"A dot for each sample: its mean reward before it was drawn again, and since.")
	return fig, err
}
