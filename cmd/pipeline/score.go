package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/spf13/cobra"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/train/reward"
)

// scoreFlags are the options of score besides [reward].
type scoreFlags struct {
	rollouts, output, cache, dataSource, maxBad string
	config                                      *cli.Config
}

func newScore(g *globals) *cobra.Command {
	var f scoreFlags
	var flags *cli.Flags
	cmd := &cobra.Command{
		Use:     "score --rollouts FILE [flags]",
		GroupID: "look",
		Short:   "Rewards of responses: by rule, and by a judge",
		Long: `Reads a response on a line, {"data_source", "response", "reference" or "answers", "question"},
and writes the same object with reward, rule_reward, judge_reward, answer and reason. The
data_source decides the type of the answer: text, number, yes_no, choice, list or math.

The judge is asked only where the rule says 0, and reward is the larger of both. Where the
judge fails, or no type is known for a data_source, reward is null and never 0. What the judge
has said is kept in the cache: a run that was stopped asks nothing twice.
The judge's key, if it needs one, comes from ` + judgeKey + `.`,
		Example: `  pipeline score --rollouts rollouts.jsonl --output scored.jsonl
  pipeline score --rollouts rollouts.jsonl.zst --judge http://127.0.0.1:8080/v1 --judge-model qwen2.5-1.5b --output scored.jsonl
  pipeline score --scorer qwenlong-l1 < rollouts.jsonl | grep '"reward":1'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if f.config, err = flags.Load(cmd); err != nil {
				return err
			}
			return f.run(cmd, g)
		},
	}
	flags = cli.AddFlags(cmd, "reward")
	fs := cmd.Flags()
	fs.StringVar(&f.rollouts, "rollouts", "-", "file of JSON lines to read, also .gz and .zst; - for standard input")
	fs.StringVarP(&f.output, "output", "o", "-", "file to write, also .gz and .zst; - for standard output")
	fs.StringVar(&f.cache, "judge-cache", "", "file of the judge's verdicts (default: OUTPUT.judge.cache)")
	fs.StringVar(&f.dataSource, "data-source", "", "data_source of records that do not say one")
	fs.StringVar(&f.maxBad, "max-bad", "1%", "share of bad lines above which the verb ends with status 3")
	return cmd
}

func (f *scoreFlags) run(cmd *cobra.Command, g *globals) (err error) {
	var maxBad cli.Share
	if err := maxBad.UnmarshalText([]byte(f.maxBad)); err != nil {
		return cli.Usage(fmt.Errorf("score: --max-bad: %w", err))
	}
	if f.cache == "" && f.output != "-" {
		f.cache = f.output + ".judge.cache"
	}
	c := &f.config.Reward
	grader, closeCache, err := newGrader(c, f.cache)
	if err != nil {
		return fmt.Errorf("score: %w", err)
	}
	defer func() { err = errors.Join(err, closeCache()) }()
	in, size, err := f.open(cmd)
	if err != nil {
		return cli.Usage(fmt.Errorf("score: --rollouts: %w", err))
	}
	defer in.Close()
	s := &scoreRun{grader: grader, dataSource: f.dataSource, source: f.rollouts, workers: runtime.GOMAXPROCS(0), chunk: scoreChunk}
	if grader.Judge != nil {
		s.workers, s.chunk = max(s.workers, 2*c.JudgeConcurrency), 1
	}
	stop := cli.WatchCounts(cmd.Context(), cmd.ErrOrStderr(), g.quiet, func() cli.Counts {
		return cli.Counts{Done: in.read.Load(), Total: size, Text: "bytes, " + cli.Count(s.lines.Load()) + " responses"}
	})
	result, err := f.score(cmd, s, in)
	stop()
	if err != nil {
		return fmt.Errorf("score: %w", err)
	}
	if err := f.print(cmd, g, result); err != nil {
		return err
	}
	return f.verdict(result, float64(maxBad))
}

// score writes the output, and beside it the lines that are bad.
func (f *scoreFlags) score(cmd *cobra.Command, s *scoreRun, in io.Reader) (result scoreResult, err error) {
	if f.output == "-" {
		w := bufio.NewWriterSize(cmd.OutOrStdout(), 1<<20)
		result, err = s.run(cmd.Context(), in, w, func(badLine) error { return nil })
		return result, errors.Join(err, w.Flush())
	}
	var bad strings.Builder // at most as long as the excerpts of bad lines
	err = writeFile(f.output, func(w io.Writer) error {
		z, err := compressor(f.output, w)
		if err != nil {
			return err
		}
		result, err = s.run(cmd.Context(), in, z, writeBad(&bad))
		return errors.Join(err, z.Close())
	})
	if err != nil {
		return result, err
	}
	if bad.Len() == 0 {
		err = os.Remove(f.quarantine())
		if errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		return result, err
	}
	return result, writeFile(f.quarantine(), func(w io.Writer) error {
		_, err := io.WriteString(w, bad.String())
		return err
	})
}

func (f *scoreFlags) quarantine() string { return f.output + ".quarantine.jsonl" }

// compressor compresses by the name of the file.
func compressor(name string, w io.Writer) (io.WriteCloser, error) {
	switch {
	case strings.HasSuffix(name, ".gz"):
		return gzip.NewWriter(w), nil
	case strings.HasSuffix(name, ".zst"):
		return zstd.NewWriter(w)
	}
	return flusher{bufio.NewWriterSize(w, 1<<20)}, nil
}

type flusher struct{ *bufio.Writer }

func (f flusher) Close() error { return f.Flush() }

// print says how many responses have which verdict.
func (f *scoreFlags) print(cmd *cobra.Command, g *globals, r scoreResult) error {
	if g.json && f.output != "-" {
		reasons := map[string]int64{}
		for reason, n := range r.Reasons {
			reasons[reason.String()] = n
		}
		return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{"message_type": "score", "responses": r.Lines - r.Bad, "bad": r.Bad, "reasons": reasons})
	}
	if g.quiet {
		return nil
	}
	w := cmd.ErrOrStderr()
	var right, wrong, unknown int64
	rows := [][]string{}
	for _, reason := range reward.Reasons() {
		n := r.Reasons[reason]
		what := "0"
		switch {
		case n == 0:
			continue
		case reason.Right():
			what, right = "1", right+n
		case reason.Unknown():
			what, unknown = "null", unknown+n
		default:
			wrong += n
		}
		rows = append(rows, []string{"  " + reason.String() + ": " + reason.Text(), cli.Count(n), what})
	}
	fmt.Fprintf(w, "pipeline: %s responses: %s right, %s wrong, %s unknown\n", cli.Count(r.Lines-r.Bad), cli.Count(right), cli.Count(wrong), cli.Count(unknown))
	cli.Table(w, rows)
	if r.Bad > 0 {
		where := ""
		if f.output != "-" {
			where = ": " + f.quarantine()
		}
		fmt.Fprintf(w, "pipeline: %s of %s lines are bad%s\npipeline: the first: %s\n", cli.Count(r.Bad), cli.Count(r.Lines), where, r.FirstBad)
	}
	return nil
}

// verdict decides the exit status: bad lines over the share, or a judge that failed, are
// findings; data sources without a type are not.
func (f *scoreFlags) verdict(r scoreResult, maxBad float64) error {
	if r.Bad > 0 && float64(r.Bad) > maxBad*float64(r.Lines) {
		return cli.WithHint(fmt.Errorf("score: %w: %s of %s lines are bad, over --max-bad; the first: %s", cli.ErrFindings, cli.Count(r.Bad), cli.Count(r.Lines), r.FirstBad),
			`a line is a JSON object with "response"; the other lines are scored`)
	}
	if n := r.Reasons[reward.JudgeFailed] + r.Reasons[reward.JudgeUnclear]; n > 0 {
		return cli.WithHint(fmt.Errorf("score: %w: no verdict of the judge for %s responses, their reward is null; the first: %w", cli.ErrFindings, cli.Count(n), r.Judge),
			"run it again: only these will be asked")
	}
	return nil
}
