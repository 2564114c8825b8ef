package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/dataset"
)

func newDiff(g *globals) *cobra.Command {
	var samples bool
	cmd := &cobra.Command{
		Use:     "diff A B",
		GroupID: "look",
		Short:   "What changed from one dataset to another",
		Long: `Compares two datasets: options and inputs, samples by their content hash (added, removed,
moved between phases, with another prompt length), tokens, and what was dropped. The status
is 0 where they are the same, and 3 where they differ.`,
		Example: `  pipeline diff data data-2
  pipeline diff data data-2 --samples | grep moved`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return cli.Usage(fmt.Errorf("diff takes the folders of two datasets, not %d arguments", len(args)))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := readManifest(args[0])
			if err != nil {
				return err
			}
			b, err := readManifest(args[1])
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			var each func(dataset.SampleChange) error
			if samples {
				each = func(c dataset.SampleChange) error { return printSampleChange(out, c, g.json) }
			}
			d, err := dataset.Compare(cmd.Context(), dataset.Dir(args[0]), dataset.Dir(args[1]), a, b, each)
			if err != nil {
				return explain(fmt.Errorf("diff: %w", err))
			}
			switch {
			case g.json:
				err = json.NewEncoder(out).Encode(struct {
					MessageType string `json:"message_type"`
					Same        bool   `json:"same"`
					dataset.Diff
				}{"diff", d.Same(), d})
			case !samples:
				printDiff(out, args, d)
			}
			if err == nil && !d.Same() {
				err = fmt.Errorf("%w: the datasets differ", cli.ErrFindings)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&samples, "samples", false, "list every changed sample, one a line, instead of the summary")
	return cmd
}

func printSampleChange(w io.Writer, c dataset.SampleChange, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(struct {
			MessageType string `json:"message_type"`
			dataset.SampleChange
		}{"sample", c})
	}
	_, err := fmt.Fprintf(w, "%s\t%s\t%s\n", c.Change, c.SampleID, phasesOf(c))
	return err
}

func phasesOf(c dataset.SampleChange) string {
	switch {
	case c.From == 0 && c.To == 0:
		return "no phase"
	case c.From == 0:
		return fmt.Sprintf("phase %d", c.To)
	case c.To == 0:
		return fmt.Sprintf("phase %d", c.From)
	}
	return fmt.Sprintf("phase %d -> %d", c.From, c.To)
}

func printDiff(w io.Writer, names []string, d dataset.Diff) {
	if d.Same() {
		fmt.Fprintf(w, "%s and %s are the same dataset, %s\n", names[0], names[1], d.A[:12])
		return
	}
	fmt.Fprintf(w, "A %s %s\nB %s %s\n\n", d.A[:12], names[0], d.B[:12], names[1])
	for _, list := range [][]dataset.Change{d.Made, d.Inputs} {
		for _, c := range list {
			fmt.Fprintf(w, "%s: %s -> %s\n", c.Path, c.A, c.B)
		}
		if len(list) > 0 {
			fmt.Fprintln(w)
		}
	}
	s := d.Samples
	fmt.Fprintf(w, "samples: %s in both, %s added, %s removed, %s with another prompt length\n",
		cli.Count(s.Same), cli.Count(s.Added), cli.Count(s.Removed), cli.Count(s.OtherLength))
	for _, m := range s.Moved {
		fmt.Fprintf(w, "moved from phase %d to phase %d: %s\n", m.From, m.To, cli.Count(m.Samples))
	}
	rows := [][]string{{"phase", "samples A", "samples B", "change", "tokens A", "tokens B", "change"}}
	for _, p := range d.Phases {
		rows = append(rows, []string{
			phaseName(dataset.PhaseSummary{Kind: p.Kind, Phase: p.Phase}),
			cli.Count(p.SamplesA), cli.Count(p.SamplesB), signedCount(p.SamplesB - p.SamplesA),
			cli.Count(p.TokensA), cli.Count(p.TokensB), signedCount(p.TokensB - p.TokensA),
		})
	}
	fmt.Fprintln(w)
	cli.Table(w, rows)
	if len(d.Account) == 0 {
		return
	}
	rows = [][]string{{"ledger", "A", "B", "change"}}
	for _, l := range d.Account {
		name := fmt.Sprintf("%s %s", l.Stage, l.What)
		if l.Name != "" {
			name += " " + l.Name
		}
		rows = append(rows, []string{name, cli.Count(l.A), cli.Count(l.B), signedCount(l.B - l.A)})
	}
	fmt.Fprintln(w)
	cli.Table(w, rows)
}

func signedCount(n int64) string {
	if n > 0 {
		return "+" + cli.Count(n)
	}
	return cli.Count(n)
}
