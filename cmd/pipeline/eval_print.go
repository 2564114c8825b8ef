package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/cmd/internal/report"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/audit"
	"github.com/longctx/pipeline/train/eval"
)

// finish counts patterns, writes everything and prints the table.
func (e *evaluator) finish(cmd *cobra.Command, r *eval.Report, g *eval.Groups, s *scoring, files ...dataset.File) error {
	out := dataset.Dir(e.output)
	if e.patterns {
		var err error
		if r.Patterns, err = e.countPatterns(cmd, s, r.Seed); err != nil {
			return fmt.Errorf("eval: patterns: %w", err)
		}
	}
	rows := []report.EvalRun{{Name: baseName(e.output), Report: r}}
	var page bytes.Buffer
	if err := report.WriteEval(&page, report.Eval{Runs: rows, Paper: e.paper}); err != nil {
		return err
	}
	f, err := dataset.WriteFile(out, "report.html", page.Bytes())
	if err != nil {
		return err
	}
	if err := r.Write(out, g, append(files, f)...); err != nil {
		return fmt.Errorf("eval: write %s: %w", e.output, err)
	}
	w := cmd.OutOrStdout()
	switch {
	case e.json:
		return json.NewEncoder(w).Encode(struct {
			Type string `json:"message_type"`
			*eval.Report
		}{"eval", r})
	case e.csv:
		return r.WriteCSV(w)
	case e.quiet:
		return nil
	}
	printEval(w, rows, e.paper)
	printFacts(w, r)
	fmt.Fprintf(cmd.ErrOrStderr(), "pipeline: wrote %s, %s and %s in %s\n", eval.ReportName, eval.RolloutsName, "report.html", e.output)
	return nil
}

// tableColumns is how many benchmarks stand beside each other: the seven of the paper fit a
// terminal of 100 columns.
const tableColumns = 7

// printEval prints the table: benchmarks as columns, runs as rows, each value over its interval.
func printEval(w io.Writer, rows []report.EvalRun, paper bool) {
	names := benchmarksOf(rows)
	for first := 0; first == 0 || first < len(names); first += tableColumns {
		part := names[first:min(first+tableColumns, len(names))]
		last := first+tableColumns >= len(names)
		printPart(w, rows, part, last, paper && last)
		if !last {
			fmt.Fprintln(w)
		}
	}
	if paper {
		fmt.Fprintf(w, "\nPaper: %s.\n", eval.PaperSource)
	}
}

func printPart(w io.Writer, rows []report.EvalRun, names []string, average, paper bool) {
	head := []string{"Pass@1, %"}
	for _, name := range names {
		head = append(head, audit.PrintableLine(name))
	}
	if average {
		head = append(head, eval.Average)
	}
	table := [][]string{head}
	for _, row := range rows {
		for _, k := range kept(row.N) {
			label, value, interval := audit.PrintableLine(row.Name), []string{}, []string{""}
			if k > 1 {
				label = fmt.Sprintf("  Pass@%d", k)
			}
			add := func(e eval.Estimate) {
				value, interval = append(value, percentOf(e.Mean)), append(interval, intervalOf(e))
			}
			for _, name := range names {
				add(benchmarkOf(row.Report, name).PassAt(k))
			}
			if average {
				add(row.Average.PassAt(k))
			}
			table = append(table, append([]string{label}, value...), interval)
		}
	}
	if paper {
		for _, p := range eval.Paper {
			line := append([]string{"paper: " + p.Model}, slices.Repeat([]string{"-"}, len(names))...)
			table = append(table, append(line, fmt.Sprintf("%.1f", p.Average)))
		}
	}
	cli.Table(w, table)
}

// kept are the k that the table shows: 1, 2 as in the paper, and n.
func kept(n int) []int {
	ks := []int{1}
	for _, k := range []int{2, n} {
		if k > ks[len(ks)-1] && k <= n {
			ks = append(ks, k)
		}
	}
	return ks
}

func benchmarksOf(rows []report.EvalRun) (names []string) {
	for _, row := range rows {
		for i := range row.Benchmarks {
			if !slices.Contains(names, row.Benchmarks[i].Name) {
				names = append(names, row.Benchmarks[i].Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// benchmarkOf returns a benchmark of a report, an empty one where it has none.
func benchmarkOf(r *eval.Report, name string) *eval.Benchmark {
	for i := range r.Benchmarks {
		if r.Benchmarks[i].Name == name {
			return &r.Benchmarks[i]
		}
	}
	return new(eval.Benchmark)
}

func percentOf(v eval.Value) string {
	if !v.Known() {
		return "-"
	}
	return strconv.FormatFloat(100*float64(v), 'f', 1, 64)
}

func intervalOf(e eval.Estimate) string {
	if !e.Mean.Known() || !e.Lower.Known() {
		return ""
	}
	return fmt.Sprintf("%.1f-%.1f", 100*float64(e.Lower), 100*float64(e.Upper))
}

// printFacts prints what stands behind the rates.
func printFacts(w io.Writer, r *eval.Report) {
	rows := [][]string{{"", "samples", "refused", "responses", "missing", "no reward", "judge only", "overlong", "cut", "tokens: mean", "median", "p90"}}
	for _, b := range append(slices.Clone(r.Benchmarks), r.Average) {
		rows = append(rows, []string{
			audit.PrintableLine(b.Name), cli.Count(b.Samples), cli.Count(b.Refused), cli.Count(b.Responses), cli.Count(b.Missing), cli.Count(b.Null),
			percentOf(b.Share(b.JudgeOnly)) + " %", percentOf(b.Share(b.Overlong)) + " %", cli.Count(b.Truncated),
			whole(b.Lengths.Mean), whole(b.Lengths.Median), whole(b.Lengths.P90),
		})
	}
	rows[len(rows)-1][0] = "all"
	fmt.Fprintln(w)
	cli.Table(w, rows)
	printReasons(w, r)
	printPatterns(w, r)
}

func whole(v eval.Value) string {
	if !v.Known() {
		return "-"
	}
	return cli.Count(int64(float64(v) + 0.5))
}

// shownReasons is how many reasons the summary has; the report has all.
const shownReasons = 8

func printReasons(w io.Writer, r *eval.Report) {
	if len(r.Reasons) > 0 {
		fmt.Fprintln(w)
	}
	for _, x := range r.Reasons[:min(len(r.Reasons), shownReasons)] {
		null := ""
		if x.Null > 0 {
			null = " (no reward)"
		}
		fmt.Fprintf(w, "%8s  %s%s\n", cli.Count(x.Count), x.Reason, null)
	}
	for _, x := range r.Refusals[:min(len(r.Refusals), shownReasons)] {
		fmt.Fprintf(w, "%8s  refused: %s (sample %s)\n", counted(x.Count, "sample"), audit.PrintableLine(x.Reason), x.Example)
	}
}

func printPatterns(w io.Writer, r *eval.Report) {
	p := r.Patterns
	if p == nil {
		return
	}
	head := []string{"patterns per response, by " + p.By}
	if p.By == eval.ByPhrases {
		head[0] += " (rough)"
	}
	rows := [][]string{append(head, append(slices.Clone(eval.PatternNames[:]), "responses", "not counted")...)}
	for _, s := range p.Steps {
		row := []string{"step " + cli.Count(s.Step)}
		for _, e := range s.Counts {
			if e.Mean.Known() {
				row = append(row, fmt.Sprintf("%.2f", float64(e.Mean)))
			} else {
				row = append(row, "-")
			}
		}
		rows = append(rows, append(row, cli.Count(s.Responses), cli.Count(s.Unknown)))
	}
	fmt.Fprintln(w)
	cli.Table(w, rows)
}

// countPatterns counts reasoning patterns by the judge, or by phrases without one.
func (e *evaluator) countPatterns(cmd *cobra.Command, s *scoring, seed uint64) (*eval.Patterns, error) {
	out := dataset.Dir(e.output)
	p := &eval.Patterns{By: eval.ByPhrases}
	var counter eval.PatternCounter = eval.Phrases{}
	if s.grader.Judge != nil {
		client, err := judgeClient(&e.config.Reward)
		if err != nil {
			return nil, err
		}
		cache, err := eval.OpenLog(out, eval.PatternsFolder)
		if err != nil {
			return nil, err
		}
		defer cache.Close()
		p.By, p.Judge = eval.ByJudge, s.Judge
		counter = &eval.PatternJudge{Policy: client, Model: s.Judge, Cache: cache}
	}
	var progress eval.Progress
	stop := e.watch(cmd, &progress, "responses looked at for patterns")
	defer stop()
	var err error
	p.Steps, err = eval.CountPatterns(cmd.Context(), counter, s.workers, eval.Rollouts(out), seed, &progress)
	return p, err
}

// remember writes the rewards into the dataset's history.
func (e *evaluator) remember(cmd *cobra.Command, dir string, m eval.Measurement) error {
	s, err := openHistory(dir)
	if err != nil {
		return err
	}
	defer s.Close()
	done, err := eval.Record(cmd.Context(), s, m, eval.Rollouts(dataset.Dir(e.output)))
	if err != nil {
		return explainHistory(fmt.Errorf("eval: record: %w", err))
	}
	if e.json {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{
			"message_type": "recorded", "run": m.Run, "added": done.Added, "same": done.Same, "snapshot": done.Snapshot,
			"incomplete": done.Incomplete, "truncated": done.Truncated, "foreign": done.Foreign,
		})
	}
	if !e.quiet {
		fmt.Fprintf(cmd.ErrOrStderr(), "pipeline: run %q of the history: %s new, %s there already", m.Run, counted(done.Added, "sample"), cli.Count(done.Same))
		for _, left := range []struct {
			n   int64
			why string
		}{{done.Incomplete, "with responses missing"}, {done.Truncated, "with a context that was cut"}, {done.Foreign, "of no dataset"}} {
			if left.n > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "; %s %s left out", cli.Count(left.n), left.why)
			}
		}
		fmt.Fprintln(cmd.ErrOrStderr())
	}
	return nil
}
