package eval

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// sameValue finds unknown equal to unknown.
var sameValue = cmp.Comparer(func(a, b Value) bool { return a == b || !a.Known() && !b.Known() })

var nearly = cmpopts.EquateApprox(0, 1e-6)

func TestPassAtKOfNumbersWorkedByHand(t *testing.T) {
	for _, c := range []struct {
		n, c, k int
		want    float64
	}{
		{4, 0, 1, 0},
		{4, 1, 1, 0.25},
		{4, 1, 2, 0.5},              // 1 - C(3,2)/C(4,2) = 1 - 3/6
		{4, 2, 2, 1 - 1.0/6},        // 1 - C(2,2)/C(4,2)
		{5, 2, 3, 0.9},              // 1 - C(3,3)/C(5,3) = 1 - 1/10
		{4, 3, 2, 1},                // two draws from one wrong
		{16, 4, 8, 1 - 495.0/12870}, // 1 - C(12,8)/C(16,8)
		{200, 1, 100, 0.5},          // binomials that overflow
		{1000, 500, 500, 1},         // up to 3e-300
		{3, 1, 4, math.NaN()},       // more than there are
		{3, 4, 1, math.NaN()},       //
		{0, 0, 1, math.NaN()},       //
	} {
		got := PassAtK(c.n, c.c, c.k)
		if !(math.Abs(got-c.want) < 1e-12 || math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("PassAtK(%d, %d, %d) = %v, want %v", c.n, c.c, c.k, got, c.want)
		}
	}
}

func TestPassAtKIsTheExactFraction(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "n")
		c := rapid.IntRange(0, n).Draw(t, "c")
		k := rapid.IntRange(1, n).Draw(t, "k")
		choose := func(n, k int) *big.Int { return new(big.Int).Binomial(int64(n), int64(k)) }
		all := new(big.Rat).SetFrac(choose(n-c, k), choose(n, k))
		want, _ := new(big.Rat).Sub(big.NewRat(1, 1), all).Float64()
		if got := PassAtK(n, c, k); math.Abs(got-want) > 1e-12 {
			t.Errorf("%d right of %d, k = %d: %v, want %v", c, n, k, got, want)
		}
		if k < n && PassAtK(n, c, k) > PassAtK(n, c, k+1)+1e-12 {
			t.Error("more responses are worth less")
		}
	})
}

// group has some right and some wrong responses.
func group(id, benchmark string, right, wrong, null int) *Group {
	g := &Group{SampleID: id, Benchmark: benchmark}
	for i := range right + wrong + null {
		r := &Rollout{StopReason: "stop"}
		if i < right+wrong {
			v := float32(0)
			if i < right {
				v = 1
			}
			r.Reward = &v
		}
		g.add(r)
	}
	return g
}

func TestRatesAreMeansOverSamplesAndNullsAreLeftOut(t *testing.T) {
	r := Summarize([]*Group{
		group("1", "docmath", 1, 3, 0), // 1/4; pass@2 1/2
		group("2", "docmath", 4, 0, 0), // 1;   pass@2 1
		group("3", "docmath", 1, 1, 2), // 1/2; pass@2 1; pass@4 unknown
		group("4", "docmath", 0, 0, 4), // unknown
		group("5", "frames", 0, 4, 0),
		group("6", "frames", 2, 2, 0), // 1/2; pass@2 5/6
	}, 4, 7)
	type rates struct{ Avg, One, Two, Four float64 }
	of := func(b *Benchmark) rates {
		return rates{float64(b.Avg.Mean), float64(b.PassAt(1).Mean), float64(b.PassAt(2).Mean), float64(b.PassAt(4).Mean)}
	}
	got := []rates{of(&r.Benchmarks[0]), of(&r.Benchmarks[1]), of(&r.Average)}
	third := 1.0 / 3
	want := []rates{
		{1.75 * third, 1.75 * third, 2.5 * third, 1},
		{0.25, 0.25, 5.0 / 12, 0.5},
		{(1.75*third + 0.25) / 2, (1.75*third + 0.25) / 2, (2.5*third + 5.0/12) / 2, 0.75},
	}
	if d := cmp.Diff(want, got, nearly); d != "" {
		t.Error(d)
	}
	b := r.Benchmarks[0]
	if b.Samples != 4 || b.Scored != 3 || b.Null != 6 || b.Responses != 16 || b.PassAt(4).Samples != 2 || r.Average.Null != 6 {
		t.Errorf("counts: %+v", b)
	}
}

func TestIntervalsHoldTheMeanAndDoNotDependOnOrderOrNeighbours(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 4).Draw(t, "n")
		var groups []*Group
		for i := range rapid.IntRange(1, 9).Draw(t, "samples") {
			right := rapid.IntRange(0, n).Draw(t, "right")
			groups = append(groups, group(fmt.Sprint(i), fmt.Sprint("b", i%3), right, n-right, 0))
		}
		a := Summarize(groups, n, 3)
		rand.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
		if d := cmp.Diff(a, Summarize(groups, n, 3), sameValue); d != "" {
			t.Fatalf("another order, another result: %s", d)
		}
		for _, b := range append(a.Benchmarks, a.Average) {
			for _, e := range append([]PassRate{{1, b.Avg}}, b.Pass...) {
				if !(e.Lower <= e.Mean+1e-9 && e.Mean <= e.Upper+1e-9 && e.Lower >= -1e-9 && e.Upper <= 1+1e-9) {
					t.Errorf("%s: %+v", b.Name, e)
				}
			}
		}
		more := Summarize(append(groups, group("x", "zz", 0, n, 0)), n, 3)
		if d := cmp.Diff(a.Benchmarks, more.Benchmarks[:len(a.Benchmarks)], sameValue); d != "" {
			t.Errorf("a further benchmark moved others: %s", d)
		}
	})
}

func TestIntervalIsAsWideAsTheStandardErrorSays(t *testing.T) {
	// 65 % of 200 questions: the standard error is 3.4 points (RECIPE, section 7).
	var groups []*Group
	for i := range 200 {
		right := 0
		if i < 130 {
			right = 1
		}
		groups = append(groups, group(fmt.Sprint(i), "b", right, 1-right, 0))
	}
	r := Summarize(groups, 1, 1)
	e := r.Average.PassAt(1)
	if half := float64(e.Upper-e.Lower) / 2; math.Abs(half-1.96*0.0337) > 0.004 {
		t.Errorf("half of the interval is %.4f, want about %.4f", half, 1.96*0.0337)
	}
}

func TestNothingRightOfFiveIsNotCertain(t *testing.T) {
	var groups []*Group
	for i := range 5 {
		groups = append(groups, group(fmt.Sprint(i), "b", 0, 2, 0))
	}
	r := Summarize(groups, 2, 1)
	e := r.Average.PassAt(1)
	if e.Mean != 0 || e.Lower != 0 || math.Abs(float64(e.Upper)-0.4345) > 1e-3 { // Wilson, 0 of 5
		t.Errorf("%+v", e)
	}
}

func TestAnUnknownBenchmarkMakesTheAverageUnknown(t *testing.T) {
	r := Summarize([]*Group{group("1", "a", 1, 0, 0), group("2", "b", 0, 0, 1)}, 1, 1)
	if r.Average.Avg.Mean.Known() {
		t.Errorf("the average is %v, but nothing is known of b", r.Average.Avg.Mean)
	}
	if empty := Summarize(nil, 4, 1); empty.Average.Avg.Mean.Known() || len(empty.Benchmarks) != 0 {
		t.Errorf("of nothing: %+v", empty)
	}
}

func TestPairedDifferencesOfNumbersWorkedByHand(t *testing.T) {
	a := []*Group{group("1", "m", 0, 2, 0), group("2", "m", 1, 1, 0), group("3", "m", 2, 0, 0), group("4", "m", 0, 2, 0), group("9", "m", 1, 0, 0)}
	b := []*Group{group("1", "m", 2, 0, 0), group("2", "m", 2, 0, 0), group("3", "m", 1, 1, 0), group("4", "m", 0, 2, 0), group("8", "m", 0, 0, 2)}
	d := Compare(a, b, 1)[0]
	// Differences: 1, 0.5, -0.5, 0. Of the eight sign patterns of the three that are not 0, all
	// but |±1 ∓0.5 ∓0.5| = 0 reach |1|: 6 of 8.
	if d.Common != 4 || d.OnlyA != 1 || d.OnlyB != 0 || d.Better != 2 || d.Worse != 1 || d.By.Mean != 0.25 || d.P != 0.75 {
		t.Errorf("%+v", d)
	}
	if !(d.By.Lower < d.By.Mean && d.By.Mean < d.By.Upper) {
		t.Errorf("interval %v to %v", d.By.Lower, d.By.Upper)
	}
}

func TestComparingBackwardsTurnsTheSign(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a, b []*Group
		for i := range rapid.IntRange(1, 16).Draw(t, "samples") {
			x, y := rapid.IntRange(0, 4).Draw(t, "x"), rapid.IntRange(0, 4).Draw(t, "y")
			a = append(a, group(fmt.Sprint(i), fmt.Sprint("b", i%2), x, 4-x, 0))
			b = append(b, group(fmt.Sprint(i), fmt.Sprint("b", i%2), y, 4-y, 0))
		}
		to, back := Compare(a, b, 5), Compare(b, a, 5)
		for i := range to {
			if to[i].By.Mean != -back[i].By.Mean || to[i].P != back[i].P || to[i].Better != back[i].Worse {
				t.Errorf("%+v\n%+v", to[i], back[i])
			}
			if to[i].P <= 0 || to[i].P > 1 {
				t.Errorf("p = %v", to[i].P)
			}
		}
		for _, d := range Compare(a, a, 5) {
			if d.By.Mean != 0 || d.By.Lower != 0 || d.By.Upper != 0 || d.P != 1 {
				t.Errorf("against itself: %+v", d)
			}
		}
	})
}

func TestJudgeOnlyIsWhatTheRuleDidNotSee(t *testing.T) {
	one, zero, length := float32(1), float32(0), int32(30)
	g := &Group{}
	g.add(&Rollout{Reward: &one, RuleReward: &one})
	g.add(&Rollout{Reward: &one, RuleReward: &zero, JudgeReward: &one, StopReason: "length", ResponseLength: &length, Truncated: true})
	g.add(&Rollout{Reward: &zero, RuleReward: &zero, JudgeReward: &zero})
	g.add(&Rollout{RuleReward: &zero})
	if g.JudgeOnly != 1 || g.Right != 2 || g.Known != 3 || g.Overlong != 1 || g.Truncated != 1 || g.Responses != 4 {
		t.Errorf("%+v", g)
	}
}

func TestQuantilesLieBetweenNeighbours(t *testing.T) {
	if got := quantile([]int32{1, 2, 10}, 0.75); got != 6 {
		t.Errorf("three quarters of 1, 2, 10: %v, want 6", got)
	}
	if got := quantile([]float64{5}, 0.9); got != 5 {
		t.Errorf("of one value: %v", got)
	}
}
