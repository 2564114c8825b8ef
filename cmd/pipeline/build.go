package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/longctx/pipeline/cmd/internal/build"
	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/cmd/internal/engine"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/ingest"
	"github.com/longctx/pipeline/ingest/clean"
)

var allStages = []dataset.Stage{dataset.StageIngest, dataset.StageTokenize, dataset.StageBucket}

func newBuild(g *globals) *cobra.Command {
	var force, plan, commit, trust, attach bool
	var split, attempt string
	cmd := &cobra.Command{
		Use:     "build --input FILES [flags]",
		GroupID: "build",
		Short:   "From documents with questions to phase shards",
		Long: `Reads documents with questions, renders and tokenizes their prompts, and writes them
as Parquet shards by phase: phase k holds the prompts longer than the maximum of phase k-1
and not longer than its own. Bad records go to quarantine/, with their place and reason.

A build that was killed goes on where it stopped; one that is finished does nothing.`,
		Example: `  pipeline build --input 'docs/*.jsonl' --phases 20000,60000 --output data
  pipeline build --input hf://datasets/Tongyi-Zhiwen/DocQA-RL-1.6K --tokenizer hf://Qwen/Qwen2.5-7B-Instruct
  pipeline build --input qa.parquet --map question=query,context=document.text --tokenizer qwen/tokenizer.json
  pipeline build --input 'docs/*.jsonl' --near-dedup 0.8 --decontaminate 'bench/*.jsonl' --check answer_not_in_document
  pipeline build --config pipeline.toml --print-config

  # on a cluster, with everything on a file system that its nodes share
  pipeline build --config pipeline.toml --engine ray --engine-address 10.0.0.1:6379
  pipeline build --config pipeline.toml --engine slurm --engine-args '--partition=cpu --mem=4G'
  pipeline build --config pipeline.toml --attach

  # by hand, in several processes: plan, then every split in any order, then commit
  pipeline build --config pipeline.toml --plan
  pipeline build --config pipeline.toml --split 0..7
  pipeline build --config pipeline.toml --commit`,
		Args: noArgs,
	}
	flags := cli.AddFlags(cmd, "build", "ingest", "tokenize", "bucket", "engine")
	cmd.Flags().BoolVar(&force, "force", false, "replace a dataset that was built of other inputs or options")
	cmd.Flags().BoolVar(&plan, "plan", false, "only plan, and print the splits")
	cmd.Flags().StringVar(&split, "split", "", "only do these splits of the plan, such as 3 or 0..7,12")
	cmd.Flags().StringVar(&attempt, "attempt", "", "with --split: take no locks and write aside under this name, for schedulers that may run a split twice")
	cmd.Flags().BoolVar(&commit, "commit", false, "only commit the finished splits")
	cmd.Flags().BoolVar(&trust, "trust-splits", false, "with --commit: go by accounts and sizes, and do not read the splits again")
	cmd.Flags().BoolVar(&attach, "attach", false, "follow the build that Slurm is running for this output")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := flags.Load(cmd)
		if err != nil {
			return err
		}
		if len(c.Input) == 0 {
			return cli.Usage(errors.New("build: no input; name files with --input"))
		}
		byHand := 0
		for _, name := range []string{"plan", "split", "commit", "attach"} {
			if cmd.Flags().Changed(name) {
				byHand++
			}
		}
		if byHand > 1 {
			return cli.Usage(errors.New("build: --plan, --split, --commit and --attach are calls of their own, not one"))
		}
		if attempt != "" && split == "" || trust && !commit {
			return cli.Usage(errors.New("build: --attempt is for --split, and --trust-splits for --commit"))
		}
		given := *c // before what is fetched here has a path of this machine
		if err := c.Fetch(cmd.Context(), cmd.ErrOrStderr(), g.quiet); err != nil {
			return err
		}
		o := c.Build(allStages...)
		o.Force, o.Trust = force, trust
		r := runner{globals: *g, cmd: cmd, config: c, options: o}
		switch {
		case plan:
			return r.plan()
		case cmd.Flags().Changed("split"):
			return r.splits(split, attempt)
		case commit:
			return r.run(build.Commit)
		case attach:
			return r.cluster(engineSlurm, given, r.attach)
		}
		switch c.Engine.Name {
		case engineLocal:
			return r.run(build.Run)
		case engineRay:
			return r.cluster(engineRay, given, r.ray)
		case engineSlurm:
			return r.cluster(engineSlurm, given, r.slurm)
		}
		return cli.Usage(fmt.Errorf("build: unknown engine %q; engines are %s, %s and %s", c.Engine.Name, engineLocal, engineRay, engineSlurm))
	}
	return cmd
}

// newStage makes the verb of one stage alone.
func newStage(g *globals, stage dataset.Stage) *cobra.Command {
	texts := map[dataset.Stage][3]string{
		dataset.StageIngest: {
			"ingest --input FILES [flags]", "Stage 1 alone: sources in, samples out",
			"  pipeline ingest --input 'docs/*.jsonl' --output samples",
		},
		dataset.StageTokenize: {
			"tokenize DATASET [flags]", "Stage 2 alone: token ids and lengths",
			"  pipeline tokenize samples --tokenizer qwen/tokenizer.json --output tokens",
		},
		dataset.StageBucket: {
			"bucket DATASET [flags]", "Stage 3 alone: phases from lengths",
			"  pipeline bucket tokens --phases 20000,60000 --output data",
		},
	}
	t := texts[stage]
	var force bool
	cmd := &cobra.Command{
		Use: t[0], GroupID: "build", Short: t[1], Example: t[2], Args: oneDataset,
		Long: t[1] + `. The three stages one after the other end
with the same bytes as build, which runs them fused.`,
	}
	if stage == dataset.StageIngest {
		cmd.Args = noArgs
	}
	flags := cli.AddFlags(cmd, "build", string(stage))
	cmd.Flags().BoolVar(&force, "force", false, "replace a dataset that was built of other inputs or options")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := flags.Load(cmd)
		if err != nil {
			return err
		}
		if err := c.Fetch(cmd.Context(), cmd.ErrOrStderr(), g.quiet); err != nil {
			return err
		}
		o := c.Build(stage)
		o.Force = force
		if stage != dataset.StageIngest {
			o.From = dataset.Dir(args[0])
		} else if len(c.Input) == 0 {
			return cli.Usage(errors.New("ingest: no input; name files with --input"))
		}
		r := runner{globals: *g, cmd: cmd, config: c, options: o}
		return r.run(build.Run)
	}
	return cmd
}

// A runner runs a build and shows it.
type runner struct {
	globals
	cmd     *cobra.Command
	config  *cli.Config
	options build.Options
}

func (r *runner) run(do func(context.Context, build.Options) (build.Report, error)) error {
	o := r.options
	if slices.Contains(o.Stages, dataset.StageBucket) {
		if err := o.Bucket.Validate(); err != nil {
			return cli.Usage(err)
		}
	}
	if err := o.Clean.Validate(); err != nil {
		return cli.Usage(fmt.Errorf("clean: %w", err))
	}
	o.Progress = new(build.Progress)
	if o.Workers > 0 {
		runtime.GOMAXPROCS(o.Workers)
	}
	debug.SetMemoryLimit(int64(r.config.MaxMemory))
	start := time.Now()
	stop := cli.Watch(r.cmd.Context(), r.cmd.ErrOrStderr(), o.Progress, r.quiet || r.json)
	report, err := do(r.cmd.Context(), o)
	stop()
	if err != nil {
		return explain(err)
	}
	if err := r.summary(report, o.Progress, time.Since(start)); err != nil || report.Manifest == nil {
		return err
	}
	if n := report.Manifest.LedgerOf(dataset.StageIngest).Drops[dataset.ReasonCorruptInput]; n > 0 {
		return cli.WithHint(fmt.Errorf("%w: an input is damaged, and %s records or more of it could not be read", cli.ErrFindings, cli.Count(n)),
			"see the files in "+r.config.Output+"/quarantine; what could be read is written, but a damaged file may also have given wrong text")
	}
	if share := build.BadShare(report.Manifest); share > float64(r.config.MaxBad) {
		return cli.WithHint(fmt.Errorf("%w: %.2f%% of the records are bad, over --max-bad", cli.ErrFindings, 100*share),
			"see the files in "+r.config.Output+"/quarantine; the dataset is written")
	}
	return nil
}

// splits does some splits of a plan, with locks, or as one attempt of a scheduler.
func (r *runner) splits(list, attempt string) error {
	splits, err := build.ParseSplits(list)
	if err != nil {
		return cli.Usage(fmt.Errorf("build: --split: %w", err))
	}
	return r.run(func(ctx context.Context, o build.Options) (build.Report, error) {
		if attempt != "" {
			return build.Report{}, build.Attempt(ctx, o, attempt, splits)
		}
		for _, i := range splits {
			if report, err := build.One(ctx, o, i); err != nil || report.UpToDate {
				return report, err
			}
		}
		return build.Report{}, nil
	})
}

func (r *runner) plan() error {
	n, report, err := build.PlanOnly(r.cmd.Context(), r.options)
	if err != nil {
		return explain(err)
	}
	if report.UpToDate {
		n = 0
		if err := r.summary(report, nil, 0); err != nil || r.json {
			return err
		}
	}
	if r.json {
		return json.NewEncoder(r.cmd.OutOrStdout()).Encode(map[string]any{"message_type": "plan", "splits": n})
	}
	_, err = fmt.Fprintf(r.cmd.OutOrStdout(), "%d splits\n", n)
	return err
}

func (r *runner) summary(report build.Report, p *build.Progress, elapsed time.Duration) error {
	m := report.Manifest
	if r.json {
		if m == nil {
			return json.NewEncoder(r.cmd.OutOrStdout()).Encode(map[string]any{
				"message_type": "split", "output": r.config.Output, "seconds": elapsed.Seconds(), "splits": p.SplitsDone.Load(),
				"samples": p.Samples.Load(), "tokens": p.Tokens.Load(), "drops": p.Drops.Load(),
			})
		}
		msg := map[string]any{"message_type": "build", "output": r.config.Output, "up_to_date": report.UpToDate, "seconds": elapsed.Seconds()}
		msg["id"], msg["phases"], msg["ledger"] = m.ID, m.Phases, m.Ledger
		return json.NewEncoder(r.cmd.OutOrStdout()).Encode(msg)
	}
	if r.quiet || m == nil {
		return nil
	}
	w := r.cmd.ErrOrStderr()
	if report.UpToDate {
		_, err := fmt.Fprintf(w, "pipeline: %s is up to date: same inputs, same options, nothing to do\n", r.config.Output)
		return err
	}
	printFormats(w, m)
	printBenchmarks(w, m)
	for _, l := range m.Ledger {
		printLedger(w, l)
	}
	var samples, tokens int64
	for _, s := range m.Shards {
		samples += s.Rows
		tokens += s.Tokens
	}
	resumed := ""
	if n := p.Resumed.Load(); n > 0 {
		resumed = fmt.Sprintf(" (%d of %d splits were done before)", n, len(m.Splits))
	}
	fmt.Fprintf(w, "pipeline: wrote %s (%s) in %.1f s%s: %s samples, %s tokens\n",
		r.config.Output, m.ID[:12], elapsed.Seconds(), resumed, cli.Count(samples), cli.Count(tokens))
	return nil
}

// printFormats says what each input was taken for.
func printFormats(w io.Writer, m *dataset.Manifest) {
	const shown = 8
	for i, in := range m.Inputs {
		if i == shown && len(m.Inputs) > shown+1 {
			fmt.Fprintf(w, "pipeline: and %d more inputs\n", len(m.Inputs)-shown)
			return
		}
		fmt.Fprintf(w, "pipeline: read %s as %s\n", in.Name, in.Format)
	}
}

// printBenchmarks says how much of each benchmark is looked for.
func printBenchmarks(w io.Writer, m *dataset.Manifest) {
	var c struct {
		Clean struct {
			Benchmarks []clean.Benchmark `json:"benchmarks"`
		} `json:"clean"`
	}
	if json.Unmarshal(m.Config[dataset.StageIngest], &c) != nil {
		return
	}
	for _, b := range c.Clean.Benchmarks {
		fmt.Fprintf(w, "pipeline: decontaminate against %s: %s samples read as %s", b.Name, cli.Count(b.Samples), b.Format)
		if b.Rejects > 0 {
			fmt.Fprintf(w, "; %s records could not be read and are not looked for", cli.Count(b.Rejects))
		}
		fmt.Fprintln(w)
	}
}

func printLedger(w io.Writer, l dataset.Ledger) {
	fmt.Fprintf(w, "pipeline: %s: %s in, %s kept", l.Stage, cli.Count(l.In), cli.Count(l.Kept))
	for _, reason := range l.Reasons() {
		fmt.Fprintf(w, ", %s %s", cli.Count(l.Drops[reason]), reason)
	}
	for _, note := range slices.Sorted(maps.Keys(l.Notes)) {
		fmt.Fprintf(w, "; %s kept with %s", cli.Count(l.Notes[note]), note)
	}
	fmt.Fprintln(w)
}

// explain adds the hint that belongs to an error.
func explain(err error) error {
	if p, ok := errors.AsType[*engine.Problem](err); ok {
		return cli.WithHint(err, p.Hint)
	}
	switch {
	case errors.Is(err, build.ErrDiffers):
		return cli.WithHint(err, "use another --output, or --force to rebuild this one (the reward history stays)")
	case errors.Is(err, build.ErrLocked):
		return cli.WithHint(err, "wait for the other process, or choose another --output")
	case errors.Is(err, build.ErrNoChatTemplate):
		return cli.WithHint(err, "name a tokenizer that has one (--tokenizer qwen/tokenizer.json), or --chat-template FILE")
	case errors.Is(err, build.ErrNoPlan):
		return cli.WithHint(err, "run the same command with --plan first")
	case errors.Is(err, build.ErrForeign):
		return cli.WithHint(err, "choose another --output, or move the file away: nothing but a dataset's own files is replaced")
	case errors.Is(err, syscall.ENOSPC):
		return cli.WithHint(err, "make room and run the same command again: it goes on where it stopped")
	case errors.Is(err, dataset.ErrNoManifest):
		return cli.WithHint(err, "`pipeline build --output DIR` makes one; a build that was stopped goes on when it is run again")
	case errors.Is(err, ingest.ErrInputChanged):
		return cli.WithHint(err, "leave the inputs alone while they are read, and build again with --force")
	case errors.Is(err, dataset.ErrCorrupt):
		return cli.WithHint(err, "rebuild it with the options of its manifest and --force")
	}
	return err
}
