package learner

import (
	"math"
	"slices"
	"testing"

	"github.com/longctx/pipeline/train/policy"
)

// lossAt is the loss of trees at given weights, in one micro-batch.
func lossAt(t *testing.T, l *Learner, w policy.Weights, trees []Tree, o Objective) float64 {
	t.Helper()
	moved := from(t, l.engine.backend, State{Weights: w}, 4096)
	moved.engine = l.engine // its graphs are compiled
	onPolicy, err := moved.check(trees, o)
	if err != nil {
		t.Fatal(err)
	}
	stats, gradients, err := moved.gradients(trees, o, onPolicy)
	if err != nil {
		t.Fatal(err)
	}
	release(gradients)
	return stats.Loss
}

// Each tensor's gradient, along a direction of random signs, against a central difference of the
// loss. Float32 leaves about 3 digits of a difference; the kinks of the clip are avoided by
// trees whose ratios are far from the bounds.
func TestGradientsAreThoseOfFiniteDifferences(t *testing.T) {
	c := small()
	for name, o := range map[string]Objective{
		"sft by token":                  {Kind: SFT},
		"rl by response, with KL, warm": {Kind: RL, Norm: ResponseNorm, ClipLow: 0.9, ClipHigh: 9, KL: 0.7, Temperature: 0.7},
		"the KL term alone":             {Kind: RL, ClipLow: 0.9, ClipHigh: 0.01, KL: 0.7},
	} {
		l, trees := fresh(t, opened(t), 4096), groups(11, 2)
		offPolicy(t, l, trees)
		if o.ClipHigh == 0.01 {
			everyRatioIsTwo(t, l, trees)
		}
		start := state(t, l).Weights
		onPolicy, err := l.check(trees, o)
		if err != nil {
			t.Fatal(err)
		}
		_, nodes, err := l.gradients(trees, o, onPolicy)
		if err != nil {
			t.Fatal(err)
		}
		gradient, err := policy.FromTensors(c, nodes)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range c.Specs() {
			direction := make([]float64, s.Size())
			slope := 0.0
			for j := range direction {
				direction[j] = float64(1 - 2*((j*2654435761+i)>>7&1))
				slope += direction[j] * float64(gradient[s.Name][j])
			}
			h := 2e-3 / math.Sqrt(float64(s.Size()))
			along := func(by float64) float64 {
				w := start.Clone()
				for j := range direction {
					w[s.Name][j] += float32(by * direction[j])
				}
				return lossAt(t, l, w, trees, o)
			}
			want := (along(h) - along(-h)) / (2 * h)
			if math.Abs(slope-want) > 3e-2*math.Abs(want)+4e-3*math.Sqrt(float64(s.Size())) {
				t.Errorf("%s: %s: gradient %.5f along the direction, difference %.5f", name, s.Name, slope, want)
			}
		}
	}
}

// everyRatioIsTwo moves the old logprobs so that all tokens with a positive advantage are
// clipped, and all have one.
func everyRatioIsTwo(t *testing.T, l *Learner, trees []Tree) {
	t.Helper()
	now, err := l.Logprobs(trees, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range trees {
		for j := range trees[i].Branches {
			b := &trees[i].Branches[j]
			b.Advantage = 1
			b.Logprobs = slices.Clone(now[i][j])
			for k := range b.Logprobs {
				b.Logprobs[k] -= math.Ln2
			}
		}
	}
	o := Objective{Kind: RL, ClipLow: 0.9, ClipHigh: 0.01}
	first, stats := moments(t, trees, o, Packing{MicroTokens: 4096})
	if stats.ClipShare != 1 {
		t.Fatalf("clip share %v", stats.ClipShare)
	}
	for name, m := range first {
		if slices.ContainsFunc(m, func(x float32) bool { return x != 0 }) {
			t.Fatalf("%s has a gradient although every token is clipped", name)
		}
	}
}

// The surrogate of one token, worked by hand: ratio 1.5, clip 0.2 / 0.28.
func TestTheClippedSurrogateIsThatWorkedByHand(t *testing.T) {
	l := fresh(t, opened(t), 4096)
	tree := Tree{Prompt: []int32{1, 2, 3}, Branches: []Branch{{Tokens: []int32{4}}}}
	now, err := l.Logprobs([]Tree{tree}, 1)
	if err != nil {
		t.Fatal(err)
	}
	ratio := func(r float64) []float32 { return []float32{now[0][0][0] - float32(math.Log(r))} }
	for _, c := range []struct {
		ratio, advantage, loss, clipped float64
	}{
		{1.5, 2, -2.56, 1}, // -(1.28 * 2): a gain that is clipped
		{1.5, -2, 3, 0},    // -(1.5 * -2): a loss is not
		{0.5, 2, -1, 0},    // -(0.5 * 2)
		{0.5, -2, 1.6, 1},  // -(0.8 * -2)
		{1.25, 1, -1.25, 0},
	} {
		tree.Branches[0].Advantage, tree.Branches[0].Logprobs = float32(c.advantage), ratio(c.ratio)
		s, g, err := l.gradients([]Tree{tree}, Objective{Kind: RL, ClipLow: 0.2, ClipHigh: 0.28}, false)
		if err != nil {
			t.Fatal(err)
		}
		release(g)
		if math.Abs(s.Loss-c.loss) > 1e-5 || s.ClipShare != c.clipped {
			t.Errorf("ratio %v, advantage %v: loss %v, clipped %v", c.ratio, c.advantage, s.Loss, s.ClipShare)
		}
	}
	// k3 of a reference twice as likely: 2 - ln 2 - 1.
	tree.Branches[0].Advantage, tree.Branches[0].Logprobs, tree.Branches[0].Reference = 0, ratio(1), ratio(0.5)
	s, g, err := l.gradients([]Tree{tree}, Objective{Kind: RL, KL: 0.5}, false)
	if err != nil {
		t.Fatal(err)
	}
	release(g)
	if want := 1 - math.Ln2; math.Abs(s.KL-want) > 1e-5 || math.Abs(s.Loss-want/2) > 1e-5 {
		t.Errorf("KL %v, loss %v, want %v and half of it", s.KL, s.Loss, want)
	}
}
