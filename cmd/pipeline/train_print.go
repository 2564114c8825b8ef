package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/train"
)

// look prints what every stage will take.
func (t *trainRun) look(ctx context.Context, o train.Options) error {
	forecasts, err := train.Look(ctx, o)
	if err != nil {
		return explainTrain(fmt.Errorf("train %s: %w", t.run, err))
	}
	if t.json {
		out := json.NewEncoder(t.cmd.OutOrStdout())
		for i := range forecasts {
			if err := out.Encode(map[string]any{"message_type": "forecast", "forecast": forecasts[i]}); err != nil {
				return err
			}
		}
		return nil
	}
	rows := [][]string{{"stage", "what", "phase", "samples", "retrospective", "refused", "steps", "without signal", "memory"}}
	var starving []string
	for _, f := range forecasts {
		s := f.Stage
		what := string(s.Kind)
		if s.Kind == train.RL {
			what = s.Algorithm
		}
		waste := "-"
		if s.Kind == train.RL {
			waste = fmt.Sprintf("%.0f%%", 100*f.ZeroShare)
		}
		steps := "by epochs"
		if n := stepsOf(s); n > 0 {
			steps = cli.Count(n)
		}
		rows = append(rows, []string{
			s.Name, what, fmt.Sprint(s.Phase), cli.Count(f.Samples), cli.Count(f.Earlier), cli.Count(f.Refused),
			steps, waste, "~" + cli.Bytes(f.Bytes),
		})
		if f.Starves {
			starving = append(starving, s.Name)
		}
	}
	w := t.cmd.OutOrStdout()
	cli.Table(w, rows)
	fmt.Fprintln(w, "\nsamples are those in reach of the plan; refused, those that an epoch leaves out or holds out; both by the rewards recorded so far")
	for _, name := range starving {
		fmt.Fprintf(t.cmd.ErrOrStderr(), "pipeline: warning: stage %s: dynamic sampling is likely to leave steps unfilled\n", name)
	}
	return nil
}

// stepsOf returns the steps of a stage, with those of its levels; 0 where epochs decide.
func stepsOf(s *train.Stage) int64 {
	n := s.Steps
	for _, l := range s.LengthCurriculum {
		n += l.Steps
	}
	return n
}

// printTrained prints what a run came to: a line for each stage, a column for each phase.
func printTrained(w io.Writer, r *train.Report, dir string) {
	var names []string
	seen := map[string]bool{}
	for _, s := range r.Stages {
		for _, e := range s.Evals {
			if e.Final && e.Phase > 0 && !seen[e.Name] {
				seen[e.Name] = true
				names = append(names, e.Name)
			}
		}
	}
	head := []string{"stage", "steps", "groups", "no signal"}
	for _, n := range names {
		head = append(head, "Pass@1 "+n, "95%")
	}
	rows := [][]string{head}
	for _, s := range r.Stages {
		row := []string{s.Name, cli.Count(s.Steps), cli.Count(s.Groups), percent(s.ZeroVariance, s.Groups)}
		for _, n := range names {
			cell := []string{"", ""}
			for _, e := range s.Evals {
				if e.Final && e.Name == n {
					cell = []string{fmt.Sprintf("%.3f", e.Avg.Mean), fmt.Sprintf("[%.3f, %.3f]", e.Avg.Lower, e.Avg.Upper)}
				}
			}
			row = append(row, cell...)
		}
		rows = append(rows, row)
	}
	fmt.Fprintf(w, "%s: %s\n\n", r.Run, r.Model)
	cli.Table(w, rows)
	fmt.Fprintf(w, "\ncurves: %s\n", filepath.Join(dir, "report.html"))
	if r.Finished {
		fmt.Fprintf(w, "policy: %s, a Hugging Face folder\n", filepath.Join(dir, "model"))
	}
}

func percent(n, of int64) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f%%", 100*float64(n)/float64(cmp.Or(of, 1)))
}
