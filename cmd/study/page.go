package main

import (
	"io"

	"github.com/longctx/pipeline/cmd/internal/report"
)

// writePage draws the curves: means over seeds with their intervals.
func writePage(w io.Writer, chosen []arm, all map[string][]*result, seeds int) error {
	p := report.Plain{Title: "Ablations in miniature", Markdown: table(chosen, all, seeds)}
	for _, g := range []struct {
		id, title string
		names     []string
	}{
		{"retrospective", "retrospective sampling", []string{"phased", "zero-mean", "inverse-mean", "uniform", "learnability"}},
		{"phases", "phases", []string{"phased", "single-stage", "phase-2-only"}},
		{"warm-up", "warm-up", []string{"phased", "no-warm-up", "long-warm-up"}},
	} {
		for _, c := range []struct {
			id, title, y, note string
			shares             bool
			of                 func(*result) []at
		}{
			{"pass-2", "Pass@1 on phase 2", "Pass@1", "Mean over seeds with its 95 % interval; held-out documents.", true, func(r *result) []at { return r.Curve[1] }},
			{"pass-1", "Pass@1 on phase 1", "Pass@1", "The same on the shorter documents.", true, func(r *result) []at { return r.Curve[0] }},
			{"entropy", "Entropy", "nats", "Per response token, mean over seeds.", false, func(r *result) []at { return r.Spread }},
		} {
			var lines []report.Line
			for i, name := range g.names {
				if l := line(name, i+1, all[name], c.of); len(l.Points) > 0 {
					lines = append(lines, l)
				}
			}
			fig, err := report.Curves("study-"+g.id+"-"+c.id, c.title+": "+g.title, "RL step", c.y, c.note, c.shares, lines)
			if err != nil {
				return err
			}
			if fig != nil {
				p.Figures = append(p.Figures, report.TrainingFigure{ID: g.id + "-" + c.id, Title: c.title + ": " + g.title, Figure: fig})
			}
		}
	}
	return report.WritePlain(w, p)
}

// line is the mean over seeds at every step that all of them have.
func line(name string, ink int, runs []*result, of func(*result) []at) report.Line {
	l := report.Line{Name: name, Ink: ink}
	values := map[int64][]float64{}
	for _, r := range runs {
		for _, p := range of(r) {
			values[p.Step] = append(values[p.Step], p.Value)
		}
	}
	for step := int64(0); len(values) > 0; step++ {
		v, ok := values[step]
		delete(values, step)
		if !ok || len(v) < len(runs) {
			continue
		}
		i := intervalOf(v)
		l.Points = append(l.Points, report.Point{X: float64(step), Y: i.Mean, Lower: i.Mean - i.Half, Upper: i.Mean + i.Half, Interval: len(runs) > 1})
	}
	return l
}
