package curriculum

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/sample/estimate"
	"github.com/longctx/pipeline/sample/history"
)

// candidateOf is a sample with so many rewards of 1 among all.
func candidateOf(n, right, of int) *Candidate {
	c := &Candidate{Sample: &Sample{ID: testID(n), Phase: 1}, Belief: estimate.Prediction{Mean: 0.5, Alpha: 1, Beta: 1}}
	if of > 0 {
		s := &history.Summary{Visits: 1, KnownVisits: 1, Known: int32(of), Successes: int32(right), Sum: float64(right), Squares: float64(right), Alpha: 1 + float64(right), Beta: 1 + float64(of-right)}
		c.Known, c.Lifetime = s, s
		c.Belief = estimate.Prediction{Alpha: s.Alpha, Beta: s.Beta, Mean: s.PosteriorMean()}
	}
	return c
}

func TestWeightsAreThoseOfTheFormulas(t *testing.T) {
	for _, c := range []struct {
		spec      string
		right, of int
		want      float64
		reason    Reason
	}{
		{"uniform", 3, 8, 1, ReasonUniform},
		{"uniform", 0, 0, 1, ReasonUniform},
		{"zero_mean", 0, 8, 1, ReasonZeroMean},
		{"zero_mean", 1, 8, 0, ReasonNotZero},
		{"zero_mean", 0, 0, 0, ReasonUnvisited},
		{"inverse_mean", 2, 8, 4, ReasonInverseMean},
		{"inverse_mean", 0, 8, 16, ReasonInverseEps}, // eps 1/(2G), G = 8
		{"inverse_mean=0.01", 0, 8, 100, ReasonInverseEps},
		{"inverse_mean", 0, 0, 2, ReasonInverseUnvisited},
		{"prioritized", 3, 8, 0.6, ReasonPrioritized}, // the belief is Beta(4, 6)
		{"prioritized", 0, 0, 0.5, ReasonPrioritizedUnvisited},
		{"learnability", 3, 8, 24.0 / 110, ReasonLearnability},
		{"learnability=0.2", 8, 8, 0.2, ReasonLearnability},
		{"target=0.5", 3, 8, 0.9, ReasonTarget}, // difficulty 0.6
	} {
		s, err := newStrategy(c.spec, 8)
		if err != nil {
			t.Fatal(err)
		}
		got := s.Choose(candidateOf(1, c.right, c.of), newRandom(7, 0))
		if math.Abs(got.Weight-c.want) > 1e-12 || got.Reason != c.reason {
			t.Errorf("%s of %d in %d: weight %v, %q; want %v, %q", c.spec, c.right, c.of, got.Weight, got.Reason, c.want, c.reason)
		}
	}
}

func TestFirstDrawsFollowTheWeights(t *testing.T) {
	// Chi-square over the first draw of many seeds; the seeds are fixed, so it cannot flicker.
	weights := []float64{1, 2, 4, 8, 16, 0.5}
	const draws = 20_000
	counts := make([]float64, len(weights))
	for seed := range uint64(draws) {
		r, first, best := newRandom(seed, 3), 0, math.Inf(1)
		for i, w := range weights {
			if key := r.race(testID(i), w); key < best {
				first, best = i, key
			}
		}
		counts[first]++
	}
	total, chi2 := 0.0, 0.0
	for _, w := range weights {
		total += w
	}
	for i, w := range weights {
		want := draws * w / total
		chi2 += (counts[i] - want) * (counts[i] - want) / want
	}
	if chi2 > 15.09 { // 1% of chi-square with 5 degrees of freedom
		t.Errorf("chi-square %.2f over 15.09: %v", chi2, counts)
	}
}

func TestThompsonDrawsFromTheDecayedEvidence(t *testing.T) {
	// theta of Beta(3, 7): mean 0.3, variance 0.3*0.7/11.
	const draws = 20_000
	sum, squares := 0.0, 0.0
	for seed := range uint64(draws) {
		x := newRandom(seed, 0).beta(testID(1), 3, 7)
		sum, squares = sum+x, squares+x*x
	}
	mean := sum / draws
	variance := squares/draws - mean*mean
	if math.Abs(mean-0.3) > 0.005 || math.Abs(variance-0.21/11) > 0.001 {
		t.Errorf("mean %v, variance %v; want 0.3, %v", mean, variance, 0.21/11)
	}
	// A sample that is surely half right comes before one that is surely wrong.
	s := thompson{}
	half, wrong := 0, 0
	for seed := range uint64(200) {
		r := newRandom(seed, 0)
		if s.Choose(candidateOf(1, 40, 80), r).Key < s.Choose(candidateOf(2, 0, 80), r).Key {
			half++
		} else {
			wrong++
		}
	}
	if half < 199 {
		t.Errorf("the half right sample came first %d times, the wrong one %d", half, wrong)
	}
}

func TestTargetFollowsTheRewardsAndClips(t *testing.T) {
	s := &target{Target: 0.5}
	s.Observe([]history.Visit{{Step: 1, Known: 8, Sum: 8}})
	if want := 0.5 + 0.5*math.Tanh(1); math.Abs(s.Target-want) > 1e-12 {
		t.Errorf("after all right: target %v, want %v", s.Target, want)
	}
	restored := &target{}
	if err := restored.Restore(s.State()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, restored); diff != "" {
		t.Error(diff)
	}
	s.Observe([]history.Visit{{Step: 2, Known: 8, Sum: 8}, {Step: 3, Known: 8, Sum: 8}})
	if s.Target != 1 {
		t.Errorf("target %v is not clipped to 1", s.Target)
	}
	s.Observe([]history.Visit{{Step: 4}})
	if s.Target != 1 {
		t.Errorf("a step without a known reward moved the target to %v", s.Target)
	}
	for range 5 {
		s.Observe([]history.Visit{{Step: 5, Known: 8}})
	}
	if s.Target != 0 {
		t.Errorf("target %v is not clipped to 0", s.Target)
	}
}

func TestConfigsThatCannotBeUsedAreRefusedByName(t *testing.T) {
	for want, change := range map[string]func(*Config){
		`strategy: "hard" is none of uniform, zero_mean`:              func(c *Config) { c.Strategy = "hard" },
		`strategy: uniform takes no value`:                            func(c *Config) { c.Strategy = "uniform=3" },
		`strategy: learnability: "x" is not a number in [1e-06, 0.2`:  func(c *Config) { c.Strategy = "learnability=x" },
		`gate: "solved" is none of drop_solved`:                       func(c *Config) { c.Gates = []string{"solved"} },
		`gate: drop_solved is there twice`:                            func(c *Config) { c.Gates = []string{"drop_solved", "drop_solved=0.8"} },
		`gate: quarantine_unlearnable: 2.5 is not a number of visits`: func(c *Config) { c.Gates = []string{"quarantine_unlearnable=2.5"} },
		`phase 1 has no phase before it`:                              func(c *Config) { c.Phase, c.Retrospective = 1, "uniform" },
		`they need a retrospective strategy`:                          func(c *Config) { c.Count = 3 },
		`only one of them`:                                            func(c *Config) { c.Retrospective, c.Count, c.Ratio = "uniform", 3, 1 },
		`source: "now" is none of`:                                    func(c *Config) { c.Source = "now" },
		`mix: "some" is none of`:                                      func(c *Config) { c.Mix = "some" },
		`group-size: 1 is under 2`:                                    func(c *Config) { c.GroupSize = 1 },
	} {
		c := DefaultConfig(2)
		change(&c)
		err := c.Validate()
		if err == nil || !contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

func TestHeldOutSamplesAreNeverDrawnWhateverTheSeed(t *testing.T) {
	table := testTable(400)
	for seed := range uint64(3) {
		c := DefaultConfig(1)
		c.Gates, c.Seed = []string{NameHoldOut + "=0.25"}, seed
		s := whole(t, table, c, &Knowledge{})
		for _, e := range entries(s) {
			id, err := history.ParseSampleID(e.SampleID)
			if err != nil || HeldOut(id, 0.25) {
				t.Fatalf("seed %d draws %s, which is held out", seed, e.SampleID)
			}
		}
		if n := s.Refused(); n < 70 || n > 130 {
			t.Errorf("seed %d: %d of 400 are held out, want about 100", seed, n)
		}
	}
}
