package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/cmd/internal/report"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/audit"
	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/history"
	"github.com/longctx/pipeline/tokenize"
	"github.com/longctx/pipeline/tokenize/bpe"
)

// auditor is the verb audit with its options.
type auditor struct {
	globals
	html, csv, date string
	snapshot        string
	runs, plans     []string
	config          *cli.Config
}

func newAudit(g *globals) *cobra.Command {
	var a auditor
	var back, mix bool
	cmd := &cobra.Command{
		Use:     "audit DATASET [flags]",
		GroupID: "look",
		Short:   "What is hard and why: samples, rewards, judges",
		Long: `Reads a dataset and its reward history and says what a person should know: what is hard,
solved, unlearnable or never visited, what moved, which groups taught nothing, where rule and
judge differ, where rewards are missing, and what became of retrospective samples.

It ends with status 3 where a finding is over its threshold. Thresholds are options, and stand
in the config's [audit].`,
		Example: `  pipeline audit data
  pipeline audit data --html report.html --csv samples.csv
  pipeline audit data --json | grep '"message_type":"finding"'
  pipeline audit data --backtest --json`,
		Args: oneDataset,
	}
	flags := cli.AddFlags(cmd, "audit")
	f := cmd.Flags()
	f.StringVar(&a.html, "html", "", "write one HTML file for a browser, which works offline")
	f.StringVar(&a.csv, "csv", "", "write one line for every sample, - for standard output")
	f.StringVar(&a.date, "date", "", "date to print on the HTML page; without it the same dataset and history give the same page")
	f.StringVar(&a.snapshot, "snapshot", "", "id of the history's snapshot; empty: the newest")
	f.StringSliceVar(&a.runs, "run", nil, "only outcomes of these runs; several are mixed (default: the run with most outcomes)")
	f.StringSliceVar(&a.plans, "plan", nil, "plans of phases that were trained, for the reasons of their draws; may be repeated")
	f.BoolVar(&back, "backtest", false, "instead: which estimate of difficulty predicts this history best")
	f.BoolVar(&mix, "mix", false, "with --backtest: walk all measurements as one")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := flags.Load(cmd)
		if err != nil {
			return err
		}
		if back {
			return backtest(cmd.Context(), cmd.OutOrStdout(), args[0], g.json, mix)
		}
		a.globals, a.config = *g, c
		return a.run(cmd, args[0])
	}
	return cmd
}

func (a *auditor) run(cmd *cobra.Command, dir string) error {
	o, err := a.options(dir)
	if err != nil {
		return err
	}
	m, err := readManifest(dir)
	if err != nil {
		return err
	}
	snap, err := readSnapshot(dir, a.snapshot)
	if err != nil {
		return explainHistory(fmt.Errorf("audit %s: %w", dir, err))
	}
	if m.Layout() == dataset.LayoutLean {
		tok, err := tokenize.OfDataset(dir, m)
		if err != nil {
			return err
		}
		o.Decode = func(ids []int32) (string, error) { return tok.Decode(ids, bpe.DecodeOptions{}) }
	}
	facts, err := audit.Run(cmd.Context(), dataset.Dir(dir), m, snap, o)
	if err != nil {
		return a.explain(fmt.Errorf("audit %s: %w", dir, err))
	}
	if err := a.write(cmd, dir, facts); err != nil {
		return fmt.Errorf("audit %s: %w", dir, err)
	}
	return a.verdict(facts)
}

// explain adds the hint that belongs to an error.
func (a *auditor) explain(err error) error {
	if errors.Is(err, history.ErrNoSnapshot) || errors.Is(err, history.ErrCompacted) {
		return explainHistory(err)
	}
	return explain(err)
}

// options turns the config into those of the library.
func (a *auditor) options(dir string) (audit.Options, error) {
	c := &a.config.Audit
	if c.QuarantineVisits < 1 || c.MaxOversampling < 1 {
		return audit.Options{}, cli.Usage(errors.New("audit: quarantine-visits and max-oversampling begin at 1"))
	}
	o := audit.Defaults()
	o.Runs = a.runs
	o.Thresholds = audit.Thresholds{
		QuarantineVisits: c.QuarantineVisits, SolvedAbove: float64(c.SolvedAbove), MaxUnlearnable: float64(c.MaxUnlearnable),
		MaxSolved: float64(c.MaxSolved), MaxNeverVisited: float64(c.MaxNeverVisited), MaxZeroVariance: float64(c.MaxZeroVariance),
		MaxNull: float64(c.MaxNull), MaxDisagreement: float64(c.MaxDisagreement), MaxOversampling: float64(c.MaxOversampling),
	}
	if a.html == "" {
		o.Details = 0
	}
	for _, name := range a.plans {
		p, err := curriculum.Open(dataset.Dir(filepath.Dir(name)), filepath.Base(name))
		if errors.Is(err, fs.ErrNotExist) {
			return o, cli.Usage(fmt.Errorf("audit %s: there is no plan %s", dir, name))
		}
		if err != nil {
			return o, explain(fmt.Errorf("audit %s: %w", dir, err))
		}
		o.Plans = append(o.Plans, p)
	}
	return o, nil
}

// write writes everything that was asked for. What goes to a file is whole or not there.
func (a *auditor) write(cmd *cobra.Command, dir string, f *audit.Facts) error {
	if a.html != "" {
		var page bytes.Buffer
		o := report.Options{Name: filepath.Base(filepath.Clean(dir)), Date: a.date, Top: a.config.Audit.Top}
		if err := report.Write(&page, f, o); err != nil {
			return err
		}
		if err := writeFile(a.html, func(w io.Writer) error { _, err := w.Write(page.Bytes()); return err }); err != nil {
			return err
		}
		if !a.quiet && !a.json {
			fmt.Fprintf(cmd.ErrOrStderr(), "pipeline: wrote %s (%s)\n", a.html, cli.Bytes(int64(page.Len())))
		}
	}
	out := cmd.OutOrStdout()
	switch a.csv {
	case "":
	case "-":
		return f.WriteCSV(out)
	default:
		if err := writeFile(a.csv, f.WriteCSV); err != nil {
			return err
		}
	}
	switch {
	case a.json:
		return f.WriteJSON(out)
	case a.quiet:
		return nil
	}
	return printAudit(out, dir, f, paint(cli.Color(out)))
}

// verdict is status 3 where a finding asks for a person.
func (a *auditor) verdict(f *audit.Facts) error {
	if !f.Asks() {
		return nil
	}
	n := 0
	for _, x := range f.Findings {
		if x.Level == audit.Look {
			n++
		}
	}
	err := fmt.Errorf("%w: %d over their thresholds", cli.ErrFindings, n)
	if a.html == "" {
		return cli.WithHint(err, "see `pipeline audit --html report.html` for the samples behind them")
	}
	return cli.WithHint(err, "open "+a.html+" for the samples behind them")
}
