package estimate

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/longctx/pipeline/sample/estimate/simulate"
)

func TestExperiment(t *testing.T) {
	if os.Getenv("EXPERIMENT") == "" {
		t.Skip()
	}
	seeds := []uint64{1, 2}
	for _, k := range []simulate.Kind{simulate.Speeds, simulate.Grpo, simulate.Walk, simulate.Insight, simulate.Common, simulate.Tasks, simulate.Bimodal} {
		for _, c := range []struct {
			v, g   int
			sparse bool
		}{{6, 8, true}, {20, 8, false}, {60, 8, false}} {
			var line string
			for _, s := range seeds {
				h := simulate.New(simulate.Options{Kind: k, Samples: 500, Steps: 400, Visits: c.v, Sparse: c.sparse, GroupSize: c.g, Seed: s})
				oracle := oracle(h)
				r := Backtest(slices.Clone(h.Visits), Options{})
				line += fmt.Sprintf(" | orc %.4f", oracle)
				for _, sc := range r.Scores {
					line += fmt.Sprintf(" %.4f", sc.MSE)
				}
				last, best := r.Scores[0].MSE, r.Scores[4]
				line += fmt.Sprintf(" %+.1f%% (max %.1f%%) cov %.3f", -100*best.BelowLast, 100*(1-oracle/last), best.Coverage)
			}
			fmt.Printf("%-10s v%-2d g%-2d s%v %s\n", k, c.v, c.g, c.sparse, line)
		}
	}
}

// oracle is the MSE of knowing the rate.
func oracle(h *simulate.History) float64 {
	seen := map[any]bool{}
	sum, n := 0.0, 0
	for i, v := range h.Visits {
		if seen[v.SampleID] {
			d := v.Mean() - h.Rates[i]
			sum += d * d
			n++
		}
		seen[v.SampleID] = true
	}
	return sum / float64(n)
}
