package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	"pgregory.net/rapid"

	"github.com/longctx/pipeline/sample/curriculum"
)

func TestDrawFlagsPlanAsTheConfigSays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.SampledFrom([]string{"uniform", "inverse_mean=0.1", "a,b", `it's "7"`, "two words"})
		want := curriculum.Config{
			Phase: 2, Strategy: text.Draw(rt, "strategy"), Draw: rapid.Int64Range(0, 9).Draw(rt, "draw"),
			Retrospective: text.Draw(rt, "retrospective"), Count: rapid.Int64Range(0, 9).Draw(rt, "count"),
			Ratio: rapid.Float64Range(0, 2).Draw(rt, "ratio"), Gates: rapid.SliceOfN(text, 0, 3).Draw(rt, "gates"),
			Source:    rapid.SampledFrom([]string{curriculum.SourceLastPhase, "start", "running"}).Draw(rt, "source"),
			Mix:       rapid.SampledFrom([]string{curriculum.MixNone, "samples", curriculum.MixAll}).Draw(rt, "mix"),
			Runs:      rapid.SliceOfN(text, 0, 3).Draw(rt, "runs"),
			GroupSize: rapid.IntRange(2, 16).Draw(rt, "group"), Epochs: rapid.Int32Range(1, 4).Draw(rt, "epochs"),
			Batch: rapid.IntRange(1, 256).Draw(rt, "batch"), Generation: rapid.IntRange(0, 512).Draw(rt, "generation"),
			BalanceTasks: rapid.Bool().Draw(rt, "balance"), Seed: rapid.Uint64().Draw(rt, "seed"),
		}
		s := sampler{config: curriculum.DefaultConfig(2)}
		f := pflag.NewFlagSet("sample", pflag.ContinueOnError)
		s.add(f)
		if err := f.Parse(append([]string{"--phase", "2"}, drawFlags(want)...)); err != nil {
			rt.Fatal(err)
		}
		if d := cmp.Diff(want, s.config); d != "" {
			rt.Fatalf("(-want +got):\n%s", d)
		}
	})
}
