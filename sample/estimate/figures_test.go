package estimate

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/longctx/pipeline/sample/estimate/simulate"
	"github.com/longctx/pipeline/sample/history"
)

// simulated runs all estimators over a simulated history; floor is the error of knowing the
// true rates.
func simulated(o simulate.Options) (r Report, floor float64) {
	h := simulate.New(o)
	seen := map[history.SampleID]bool{}
	n := 0
	for i := range h.Visits {
		v := &h.Visits[i]
		if seen[v.SampleID] {
			d := v.Mean() - h.Rates[i]
			floor += d * d
			n++
		}
		seen[v.SampleID] = true
	}
	r = Backtest(h.Visits, Options{Task: func(id history.SampleID) int32 { return h.Tasks[id] }})
	return r, floor / float64(n)
}

// TestFigures prints the tables of DESIGN.md: PIPELINE_FIGURES=1 go test -run Figures -v
func TestFigures(t *testing.T) {
	if os.Getenv("PIPELINE_FIGURES") == "" {
		t.Skip("PIPELINE_FIGURES is not set: the tables are printed on demand")
	}
	for _, c := range []struct {
		visits, group int
		sparse        bool
	}{{6, 8, true}, {20, 8, false}, {60, 8, false}, {60, 4, false}, {60, 16, false}} {
		fmt.Printf("\n%d visits, group %d, sparse %v\n", c.visits, c.group, c.sparse)
		for _, k := range slices.Concat(simulate.Seen(), simulate.HeldOut()) {
			var mse [5]float64
			var floor, coverage float64
			const seeds = 3
			for seed := range uint64(seeds) {
				r, f := simulated(simulate.Options{Kind: k, Samples: 500, Steps: 400, Visits: c.visits, Sparse: c.sparse, GroupSize: c.group, Seed: 301 + seed})
				floor += f / seeds
				coverage += r.Scores[4].Coverage / seeds
				for i := range mse {
					mse[i] += r.Scores[i].MSE / seeds
				}
			}
			fmt.Printf("| %s |", k)
			for _, m := range mse {
				fmt.Printf(" %.4f |", m)
			}
			fmt.Printf(" %.4f | %.1f %% | %.1f %% | %.1f %% | %.1f %% |\n", floor, 100*(1-mse[2]/mse[0]), 100*(1-mse[4]/mse[0]), 100*(1-floor/mse[0]), 100*coverage)
		}
	}
}

// realSet reads per-sample rewards, one policy a run, and cuts them into groups that are
// visited in turn.
func realSet(t *testing.T, name string, group int) []history.Visit {
	t.Helper()
	dir := os.Getenv("PIPELINE_REAL_DATA")
	if dir == "" {
		t.Skip("PIPELINE_REAL_DATA is not set: the real reward sets are not there")
	}
	f, err := os.Open(filepath.Join(dir, "rewards", name+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rng := rand.New(rand.NewPCG(11, 12))
	settings := map[string]*history.Setting{}
	var visits []history.Visit
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for n := 0; lines.Scan(); n++ {
		var row struct {
			Policy  string
			Rewards []float64
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		if settings[row.Policy] == nil {
			settings[row.Policy] = &history.Setting{Measurement: history.Measurement{Run: row.Policy}}
		}
		// Some of the files have their rewards sorted, which would be a drift.
		rng.Shuffle(len(row.Rewards), func(i, j int) { row.Rewards[i], row.Rewards[j] = row.Rewards[j], row.Rewards[i] })
		groups := len(row.Rewards) / group
		for g := range groups {
			v := history.Visit{Setting: settings[row.Policy], Step: int64(g), Position: int64(n), Known: int32(group)}
			v.SampleID[0], v.SampleID[1], v.SampleID[15] = byte(n), byte(n>>8), byte(n*167)
			for i := range group {
				r := row.Rewards[g*group+i]
				v.Sum += r
				v.Squares += r * r
			}
			visits = append(visits, v)
		}
	}
	return visits
}

func TestOnRealRewardsWithoutDriftTheDefaultIsNoWorse(t *testing.T) {
	for _, c := range []struct {
		name  string
		group int
	}{
		{"game24_gpt4_n100", 8},
		{"game24_gpt4_n100", 16},
		{"cruxeval_codellama7b_n10", 2},
		{"cruxeval_codellama7b_n10", 5},
		{"qwen25math_math100_n8", 2},
		{"qwen25math_math100_n8", 4},
	} {
		r := Backtest(realSet(t, c.name, c.group), Options{})
		best := math.Inf(1)
		for _, s := range r.Scores {
			t.Logf("%s groups of %d: %-12s mse %.5f (%.1f %% ± %.1f below last) log loss %.4f coverage %.3f, %d predictions, noise %.5f",
				c.name, c.group, s.Estimator, s.MSE, 100*s.BelowLast, 196*s.BelowLastSE, s.LogLoss, s.Coverage, s.Predictions, r.Noise)
			best = min(best, s.MSE)
		}
		d := r.Scores[len(r.Scores)-1]
		// A few hundred predictions cannot tell: two standard errors are a fifth of the error.
		if d.Predictions > 1000 && d.MSE > 1.03*best {
			t.Errorf("%s groups of %d: the default's error is %.5f, the best one's %.5f", c.name, c.group, d.MSE, best)
		}
	}
}
