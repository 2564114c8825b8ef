package report

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"
)

// A Line is one curve.
type Line struct {
	Name   string
	Ink    int // which of the phases' colours, from 1
	Dashed bool
	Points []Point
}

// A Point is one of its values, with an interval where it has one.
type Point struct {
	X, Y         float64
	Lower, Upper float64
	Interval     bool
}

// Curves draws lines; nil without any. unit makes the axis that of shares.
func Curves(id, title, x, y, note string, shares bool, lines []Line) (*Figure, error) {
	if len(lines) == 0 {
		return nil, nil
	}
	p := newPlot(x, y)
	if shares {
		unit(&p.Y)
	}
	p.X.Tick.Marker = stepTicks{}
	grid(p)
	fig := &Figure{Note: note}
	for i := range lines {
		l := &lines[i]
		c := phaseInk(int32(l.Ink))
		if err := l.draw(p, c); err != nil {
			return nil, err
		}
		k := key(c, l.Name)
		k.Dash = l.Dashed
		fig.Legend = append(fig.Legend, k)
	}
	var err error
	fig.SVG, err = drawSVG(p, plotWidth, plotHeight, id, title, note)
	return fig, err
}

// draw adds the curve, and its intervals behind it.
func (l *Line) draw(p *plot.Plot, c inkColor) error {
	var line, edge plotter.XYs
	for _, q := range l.Points {
		line = append(line, plotter.XY{X: q.X, Y: q.Y})
		if q.Interval {
			edge = append(edge, plotter.XY{X: q.X, Y: q.Upper})
		}
	}
	for i := len(l.Points) - 1; i >= 0; i-- {
		if q := l.Points[i]; q.Interval {
			edge = append(edge, plotter.XY{X: q.X, Y: q.Lower})
		}
	}
	if len(edge) > 2 {
		area, err := plotter.NewPolygon(edge)
		if err != nil {
			return err
		}
		area.Color, area.LineStyle.Width = faint{c, 40}, 0
		p.Add(area)
	}
	curve, err := plotter.NewLine(line)
	if err != nil {
		return err
	}
	curve.Color, curve.Width = c, 1.6
	if l.Dashed {
		curve.Dashes = dashes
	}
	p.Add(curve)
	if len(l.Points) <= maxBins {
		dots, err := plotter.NewScatter(line)
		if err != nil {
			return err
		}
		dots.GlyphStyle = draw.GlyphStyle{Color: c, Radius: 1.8, Shape: draw.CircleGlyph{}}
		p.Add(dots)
	}
	return nil
}
