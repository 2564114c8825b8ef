package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/history"
)

// sampler is the verb sample with its options.
type sampler struct {
	config   curriculum.Config
	snapshot string
	output   string
}

func newSample(g *globals) *cobra.Command {
	s := sampler{config: curriculum.DefaultConfig(1)}
	c := &s.config
	cmd := &cobra.Command{
		Use:     "sample DATASET --phase N [flags]",
		GroupID: "look",
		Short:   "Plan a phase: which samples, in which order, and why",
		Long: `Draws the order of a phase from its own range and, with --retrospective, from the phases
before it, and writes it as a Parquet plan with a reason for every sample; what is refused
is in a second file next to it. The same dataset, history, options and seed give the same
bytes. It prints what the plan will cost: the share of groups without a signal, and how
much dynamic sampling will have to generate for them.

Strategies, NAME or NAME=VALUE:
  uniform             all alike
  zero_mean           the samples whose every reward was 0 (as QwenLong-L1 ran it)
  inverse_mean[=EPS]  by 1 / max(mean, EPS), EPS 1/(2 group-size) (as QwenLong-L1 wrote it)
  prioritized         by 1 - success rate
  learnability[=MIN]  by p (1 - p), at least MIN (0.01)
  target[=START]      nearest to a difficulty that follows the rewards, from START (0) on
  thompson            nearest to a rate of 1/2, drawn from decayed evidence

Gates, NAME or NAME=VALUE:
  drop_solved[=MEAN]         refuses means over MEAN (0.9)
  skip_zero_variance[=P]     skips samples whose last n groups gave no signal, by 1 - (1-P)^n (0.5)
  quarantine_unlearnable[=N] refuses samples with N visits (3) and no success
  hold_out[=SHARE]           refuses the samples kept for evaluation (0.1), by their ids alone`,
		Example: `  pipeline sample data --phase 1 --seed 7 --output plan-1.parquet
  pipeline sample data --phase 2 --retrospective zero_mean --seed 7 --epochs 1 --output plan.parquet
  pipeline sample data --phase 2 --retrospective inverse_mean --ratio 0.25 --gate quarantine_unlearnable=4 --gate drop_solved --output plan.parquet`,
		Args: oneDataset,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.Validate(); err != nil {
				return cli.Usage(fmt.Errorf("sample: %w", err))
			}
			return s.run(cmd, g, args[0])
		},
	}
	s.add(cmd.Flags())
	return cmd
}

func (s *sampler) add(f *pflag.FlagSet) {
	c := &s.config
	f.Int32Var(&c.Phase, "phase", 1, "phase to plan, from 1")
	f.StringVar(&c.Strategy, "strategy", c.Strategy, "strategy of the phase's own range")
	f.Int64Var(&c.Draw, "draw", 0, "samples of the own range in an epoch; 0: all that qualify")
	f.StringVar(&c.Retrospective, "retrospective", "", "strategy of the phases before; empty: none of their samples")
	f.Int64Var(&c.Count, "count", 0, "retrospective samples in an epoch; 0: --ratio, or all that qualify")
	f.Float64Var(&c.Ratio, "ratio", 0, "retrospective samples for each of the own range; 0: --count, or all that qualify")
	f.StringArrayVar(&c.Gates, "gate", c.Gates, "gate; may be repeated")
	f.StringVar(&c.Source, "source", c.Source, "what difficulty is estimated from: last_phase, start (measured before training) or running (all, with drift)")
	f.StringVar(&c.Mix, "mix", c.Mix, "measurements (run, limits, judge) that may be put together: none, samples (each sample has one), all")
	f.Lookup("mix").NoOptDefVal = curriculum.MixAll
	f.StringSliceVar(&c.Runs, "run", c.Runs, "only outcomes of these runs")
	f.StringVar(&s.snapshot, "snapshot", "", "id of the history's snapshot to plan from; empty: the newest")
	f.IntVar(&c.GroupSize, "group-size", c.GroupSize, "rollouts of a group, for the expected cost")
	f.IntVar(&c.Batch, "batch", c.Batch, "prompts of an optimizer step")
	f.IntVar(&c.Generation, "generation-batch", c.Generation, "prompts that dynamic sampling generates at a time, for the expected cost; 0: three batches")
	f.BoolVar(&c.BalanceTasks, "balance-tasks", false, "give each batch the same number of samples of every task, while they last")
	f.Int32Var(&c.Epochs, "epochs", c.Epochs, "passes over the phase, each drawn anew")
	f.Uint64Var(&c.Seed, "seed", 0, "seed")
	f.StringVarP(&s.output, "output", "o", "plan.parquet", "plan to write")
}

// drawFlags are the flags that plan as a config says, but for its phase: what is not its default,
// and the seed.
func drawFlags(c curriculum.Config) []string {
	def := curriculum.DefaultConfig(c.Phase)
	var flags []string
	add := func(name string, value, unsaid any) {
		if value != unsaid {
			flags = append(flags, "--"+name, fmt.Sprint(value))
		}
	}
	add("strategy", c.Strategy, def.Strategy)
	add("draw", c.Draw, def.Draw)
	add("retrospective", c.Retrospective, def.Retrospective)
	add("count", c.Count, def.Count)
	add("ratio", c.Ratio, def.Ratio)
	for _, gate := range c.Gates {
		flags = append(flags, "--gate", gate)
	}
	add("source", c.Source, def.Source)
	if c.Mix != def.Mix {
		flags = append(flags, "--mix="+c.Mix) // its value is optional, and never the next argument
	}
	for _, run := range c.Runs {
		flags = append(flags, "--run", csvField(run))
	}
	add("group-size", c.GroupSize, def.GroupSize)
	add("batch", c.Batch, def.Batch)
	add("generation-batch", c.Generation, def.Generation)
	if c.BalanceTasks {
		flags = append(flags, "--balance-tasks")
	}
	add("epochs", c.Epochs, def.Epochs)
	return append(flags, "--seed", fmt.Sprint(c.Seed))
}

// csvField quotes a value of a flag that takes several, between commas.
func csvField(text string) string {
	if !strings.ContainsAny(text, ",\"\n\r") {
		return text
	}
	return `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
}

func (s *sampler) run(cmd *cobra.Command, g *globals, dir string) error {
	m, err := readManifest(dir)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	table, err := curriculum.ReadTable(ctx, dataset.Dir(dir), m, s.config.Phase)
	if err != nil {
		return explain(fmt.Errorf("sample %s: %w", dir, err))
	}
	snap, err := readSnapshot(dir, s.snapshot)
	if err != nil {
		return explainHistory(fmt.Errorf("sample %s: %w", dir, err))
	}
	known, err := curriculum.Learn(ctx, snap, table, s.config)
	if err != nil {
		return explainMixed(fmt.Errorf("sample %s: %w", dir, err))
	}
	planner, err := curriculum.New(table, s.config)
	if err != nil {
		return err
	}
	if err := planner.Follow(ctx, snap); err != nil {
		return explainHistory(err)
	}
	plan, err := planner.Next(ctx, known, 0)
	if err != nil {
		return fmt.Errorf("sample %s: %w", dir, err)
	}
	if err := plan.Write(dataset.Dir(filepath.Dir(s.output)), filepath.Base(s.output)); err != nil {
		return fmt.Errorf("sample: %w", err)
	}
	if g.json {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(s.message(plan))
	}
	if !g.quiet {
		s.print(cmd.OutOrStdout(), cmd.ErrOrStderr(), plan, snap)
	}
	return nil
}

// explainMixed adds how to choose among measurements.
func explainMixed(err error) error {
	if errors.Is(err, history.ErrMixed) {
		return cli.WithHint(err, "choose one with --run, or put them together: --mix=samples where each sample has one of its own, --mix=all in any case")
	}
	return explainHistory(err)
}
