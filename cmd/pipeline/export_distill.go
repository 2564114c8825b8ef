package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/export"
	"github.com/longctx/pipeline/train/eval"
)

// distillFlags say which responses of an evaluation the format sft shows.
type distillFlags struct {
	from      string
	minReward float32
	perSample int
}

func (d *distillFlags) add(f *pflag.FlagSet) {
	f.StringVar(&d.from, "from", "", "sft: folder of the evaluation whose responses are learned from")
	f.Float32Var(&d.minReward, "min-reward", 1, "sft: least reward of a response")
	f.IntVar(&d.perSample, "per-sample", 0, "sft: most responses of one sample, the first ones; 0: all")
}

func (d *distillFlags) check(cmd *cobra.Command, format export.Format) error {
	switch {
	case format.Learns && d.from == "":
		return cli.WithHint(cli.Usage(errors.New("export: format sft shows responses, and there are none")),
			"name the folder of an evaluation with --from; `pipeline eval` makes one")
	case d.perSample < 0:
		return cli.Usage(errors.New("export: --per-sample is not negative"))
	case format.Learns:
		return nil
	}
	for _, name := range []string{"from", "min-reward", "per-sample"} {
		if cmd.Flags().Changed(name) {
			return cli.Usage(fmt.Errorf("export: --%s is for format sft", name))
		}
	}
	return nil
}

// read returns the responses that are good enough, by sample; it holds their text. One that was
// cut off at its limit is no example, whatever it earned, and neither is one to a shortened prompt.
func (d *distillFlags) read(cmd *cobra.Command, g *globals) (map[string][]export.Response, error) {
	if d.from == "" {
		return nil, nil
	}
	kept := map[string][]export.Response{}
	var all, right, cut int
	for r, err := range eval.Rollouts(dataset.Dir(d.from)) {
		if err != nil {
			return nil, err
		}
		all++
		switch {
		case r.Reward == nil || *r.Reward < d.minReward:
		case r.StopReason == "length" || r.Truncated:
			cut++
		case d.perSample == 0 || len(kept[r.SampleID]) < d.perSample:
			kept[r.SampleID] = append(kept[r.SampleID], export.Response{Text: r.Response, Rollout: r.Index, Reward: *r.Reward})
			right++
		}
	}
	if !g.quiet {
		fmt.Fprintf(cmd.ErrOrStderr(), "pipeline: %s: %s of %s responses, to %s samples; %s more were cut off at a limit\n",
			d.from, cli.Count(int64(right)), cli.Count(int64(all)), cli.Count(int64(len(kept))), cli.Count(int64(cut)))
	}
	return kept, nil
}
