package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/train"
	"github.com/longctx/pipeline/train/metrics"
)

// A trainView shows a run while it goes: on a terminal a block of spark lines that is drawn over
// itself, elsewhere a line every so many steps. What must stay (evaluations, warnings) goes above
// the block.
type trainView struct {
	w        io.Writer
	every    int64
	quiet    bool
	terminal bool
	drawn    int // lines of the block on the screen
	last     time.Time
	stage    string
	series   []series
}

// A series is one curve of the block.
type series struct {
	name, format string
	of           func(*metrics.Record) metrics.Number
	values       []float64
}

func newTrainView(w io.Writer, every int64, quiet bool) *trainView {
	return &trainView{w: w, every: max(every, 1), quiet: quiet, terminal: cli.IsTerminal(w)}
}

// curves are what the view draws; those that a stage does not have are left out.
func curves() []series {
	return []series{
		{"reward", "%.3f", func(r *metrics.Record) metrics.Number { return r.Reward }, nil},
		{"retrospective", "%.3f", func(r *metrics.Record) metrics.Number { return r.RetrospectiveReward }, nil},
		{"accuracy", "%.3f", func(r *metrics.Record) metrics.Number { return r.Accuracy }, nil},
		{"loss", "%.4f", func(r *metrics.Record) metrics.Number { return r.Loss }, nil},
		{"entropy", "%.3f", func(r *metrics.Record) metrics.Number { return r.Entropy }, nil},
		{"no signal", "%.2f", func(r *metrics.Record) metrics.Number { return r.ZeroVarianceShare }, nil},
		{"length", "%.1f", func(r *metrics.Record) metrics.Number { return r.ResponseLength }, nil},
		{"KL", "%.4f", func(r *metrics.Record) metrics.Number { return r.KL }, nil},
		{"tokens/s", "%.0f", func(r *metrics.Record) metrics.Number { return r.TokensPerSecond }, nil},
	}
}

// redrawEvery bounds how often the block is drawn.
const redrawEvery = 100 * time.Millisecond

func (v *trainView) show(e train.Event) {
	switch {
	case v.quiet:
	case e.Text != "":
		prefix := "pipeline: "
		if e.Warn {
			prefix += "warning: "
		}
		v.above(prefix + e.Text)
	case e.Eval != nil:
		v.above(fmt.Sprintf("pipeline: %s, step %d: %s: Pass@1 %.3f [%.3f, %.3f] of %d samples",
			e.Eval.Stage, e.Eval.StageStep, e.Eval.Name, e.Eval.Avg.Mean, e.Eval.Avg.Lower, e.Eval.Avg.Upper, e.Eval.Samples))
	case e.Record != nil && v.terminal:
		v.remember(e)
		if time.Since(v.last) >= redrawEvery || e.Done == e.Steps {
			v.draw(e)
		}
	case e.Record != nil && (e.Done%v.every == 0 || e.Done == e.Steps):
		fmt.Fprintln(v.w, "pipeline: "+stepLine(e))
	}
}

// stepLine says what a step measured, in one line.
func stepLine(e train.Event) string {
	b := new(strings.Builder)
	fmt.Fprintf(b, "%s: step %s", e.Stage.Name, cli.Count(e.Done))
	if e.Steps > 0 {
		fmt.Fprintf(b, " of %s", cli.Count(e.Steps))
	}
	for _, c := range curves() {
		if n := c.of(e.Record); n.Known {
			fmt.Fprintf(b, ", %s "+c.format, c.name, n.Value)
		}
	}
	return b.String()
}

func (v *trainView) remember(e train.Event) {
	if v.stage != e.Stage.Name {
		v.erase()
		v.stage, v.series = e.Stage.Name, curves()
	}
	for i := range v.series {
		if n := v.series[i].of(e.Record); n.Known {
			v.series[i].values = append(v.series[i].values, n.Value)
		}
	}
}

// above writes a line that stays, above the block.
func (v *trainView) above(line string) {
	v.erase()
	fmt.Fprintln(v.w, line)
}

func (v *trainView) erase() {
	if v.drawn > 0 {
		fmt.Fprintf(v.w, "\x1b[%dA\x1b[J", v.drawn)
		v.drawn = 0
	}
}

func (v *trainView) draw(e train.Event) {
	width := 80
	if f, ok := v.w.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			width = w
		}
	}
	b := new(strings.Builder)
	lines := 1
	fmt.Fprintf(b, "%s: step %s", e.Stage.Name, cli.Count(e.Done))
	if e.Steps > 0 {
		fmt.Fprintf(b, " of %s %s", cli.Count(e.Steps), cli.Bar(e.Done, e.Steps, max(10, min(40, width-50))))
	}
	b.WriteByte('\n')
	for _, s := range v.series {
		if len(s.values) == 0 {
			continue
		}
		fmt.Fprintf(b, "  %-13s %10s  %s\n", s.name, fmt.Sprintf(s.format, s.values[len(s.values)-1]), cli.Spark(s.values, max(10, width-30)))
		lines++
	}
	v.erase()
	io.WriteString(v.w, b.String())
	v.drawn, v.last = lines, time.Now()
}

// close leaves the block as it is.
func (v *trainView) close() { v.drawn = 0 }
