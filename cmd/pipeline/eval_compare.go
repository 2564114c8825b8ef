package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/cmd/internal/report"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/audit"
	"github.com/longctx/pipeline/train/eval"
)

func newEvalCompare(g *globals) *cobra.Command {
	var html string
	var paper, asCSV bool
	var seed uint64
	cmd := &cobra.Command{
		Use:   "compare A B...",
		Short: "Paired differences between evaluations, with intervals",
		Long: `Compares evaluations with the first one, sample by sample, on the samples that both have a
reward for. Intervals are 95%, by bootstrap over the samples; p is of a two-sided sign-flip
permutation test. Pairing takes out how hard the samples are, so that it sees differences
that lie within the intervals of both runs.`,
		Example: "  pipeline eval compare runs/base runs/sft runs/rl --html compare.html",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return cli.Usage(fmt.Errorf("eval compare takes two folders of evaluations or more, not %d", len(args)))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			rows, all, err := compare(args, seed)
			if err != nil {
				return explainEval(err)
			}
			if html != "" {
				page := func(w io.Writer) error {
					return report.WriteEval(w, report.Eval{Runs: rows, Comparisons: all, Paper: paper})
				}
				if err := writeFile(html, page); err != nil {
					return err
				}
			}
			w := cmd.OutOrStdout()
			switch {
			case g.json:
				return compareJSON(w, rows[0].Name, all)
			case asCSV:
				return compareCSV(w, rows[0].Name, all)
			case !g.quiet:
				printEval(w, rows, paper)
				printDifferences(w, rows[0].Name, all)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&html, "html", "", "write one HTML file for a browser, which works offline")
	f.BoolVar(&paper, "paper", false, "add the rows of QwenLong-L1's paper")
	f.BoolVar(&asCSV, "csv", false, "print the differences as CSV")
	f.Uint64Var(&seed, "seed", 0, "seed of the intervals")
	return cmd
}

// compare reads evaluations and compares each with the first.
func compare(folders []string, seed uint64) (rows []report.EvalRun, all []report.EvalComparison, err error) {
	var first []*eval.Group
	for i, folder := range folders {
		fsys := dataset.Dir(folder)
		r, err := eval.ReadReport(fsys)
		if err != nil {
			return nil, nil, explain(fmt.Errorf("eval compare %s: %w", folder, err))
		}
		for _, f := range r.Files {
			if f.Path == eval.RolloutsName {
				if err := f.Check(fsys); err != nil {
					return nil, nil, cli.WithHint(fmt.Errorf("eval compare %s: %w", folder, err), "`pipeline eval --rescore` writes it again from the responses")
				}
			}
		}
		g, err := eval.ReadGroups(eval.Rollouts(fsys))
		if err != nil {
			return nil, nil, explain(fmt.Errorf("eval compare %s: %w", folder, err))
		}
		rows = append(rows, report.EvalRun{Name: baseName(folder), Report: r})
		if i == 0 {
			first = g.Last()
			continue
		}
		all = append(all, report.EvalComparison{Name: baseName(folder), By: eval.Compare(first, g.Last(), seed)})
	}
	return rows, all, nil
}

func printDifferences(w io.Writer, first string, all []report.EvalComparison) {
	for _, c := range all {
		table := [][]string{{
			audit.PrintableLine(c.Name) + " - " + audit.PrintableLine(first), "points", "95 % interval", "p", "samples in both", "better", "worse", "only first", "only second",
		}}
		for _, d := range c.By {
			interval := ""
			if d.By.Lower.Known() {
				interval = fmt.Sprintf("%+.1f to %+.1f", 100*float64(d.By.Lower), 100*float64(d.By.Upper))
			}
			table = append(table, []string{
				audit.PrintableLine(d.Name), signed(d.By.Mean), interval, probability(d.P), cli.Count(d.Common),
				cli.Count(d.Better), cli.Count(d.Worse), cli.Count(d.OnlyA), cli.Count(d.OnlyB),
			})
		}
		fmt.Fprintln(w)
		cli.Table(w, table)
	}
}

func signed(v eval.Value) string {
	if !v.Known() {
		return "-"
	}
	return fmt.Sprintf("%+.1f", 100*float64(v))
}

func probability(v eval.Value) string {
	switch {
	case !v.Known():
		return "-"
	case v < 0.001:
		return "<0.001"
	}
	return strconv.FormatFloat(float64(v), 'f', 3, 64)
}

func compareJSON(w io.Writer, first string, all []report.EvalComparison) error {
	enc := json.NewEncoder(w)
	for _, c := range all {
		for _, d := range c.By {
			err := enc.Encode(struct {
				Type string `json:"message_type"`
				From string `json:"from"`
				To   string `json:"to"`
				eval.Difference
			}{"eval_difference", first, c.Name, d})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func compareCSV(w io.Writer, first string, all []report.EvalComparison) error {
	c := csv.NewWriter(w)
	rows := [][]string{{"from", "to", "benchmark", "common", "a", "b", "difference", "lower", "upper", "p", "better", "worse", "only_a", "only_b"}}
	for _, x := range all {
		for _, d := range x.By {
			row := []string{first, x.Name, d.Name, strconv.FormatInt(d.Common, 10)}
			for _, v := range []eval.Value{d.A, d.B, d.By.Mean, d.By.Lower, d.By.Upper, d.P} {
				row = append(row, v.Cell())
			}
			for _, n := range []int64{d.Better, d.Worse, d.OnlyA, d.OnlyB} {
				row = append(row, strconv.FormatInt(n, 10))
			}
			rows = append(rows, row)
		}
	}
	return c.WriteAll(rows)
}
