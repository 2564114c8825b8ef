package policy_test

import (
	"math"
	"slices"
	"testing"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/longctx/pipeline/train/policy"
)

func lively(t testing.TB, name string, vocab int) (policy.Config, policy.Weights) {
	t.Helper()
	c := preset(t, name, vocab)
	return c, policy.Init(c, policy.InitOptions{Seed: 9, Std: 0.2, EmbedStd: 0.5})
}

func sequence(n, from, vocab int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32((from + i*i*3 + i) % vocab)
	}
	return out
}

// packed is one row of several samples, each a segment.
func packed(samples ...[]int32) rows {
	var tokens, positions, segments []int32
	for s, sample := range samples {
		for i, id := range sample {
			tokens, positions, segments = append(tokens, id), append(positions, int32(i)), append(segments, int32(s+1))
		}
	}
	return rows{[][]int32{tokens}, [][]int32{positions}, [][]int32{segments}, [][]int32{make([]int32, len(tokens))}}
}

func TestPackedSamplesDoNotSeeEachOther(t *testing.T) {
	c, w := lively(t, "nano", 30)
	a, b := sequence(9, 1, 30), sequence(14, 5, 30)
	want := slices.Concat(logits(t, c, w, plain([][]int32{a})), logits(t, c, w, plain([][]int32{b})))
	near(t, "two samples in a row", logits(t, c, w, packed(a, b)), want)
}

func TestResponsesOfAGroupSeeThePromptAndNotEachOther(t *testing.T) {
	c, w := lively(t, "nano", 30)
	prompt, first, second := sequence(10, 2, 30), sequence(5, 7, 30), sequence(6, 11, 30)
	r := packed(slices.Concat(prompt, first, second))
	for i := range r.positions[0] {
		switch {
		case i >= 15:
			r.positions[0][i], r.branches[0][i] = int32(i-5), 2
		case i >= 10:
			r.branches[0][i] = 1
		}
	}
	one := logits(t, c, w, plain([][]int32{slices.Concat(prompt, first)}))
	two := logits(t, c, w, plain([][]int32{slices.Concat(prompt, second)}))
	near(t, "a group in a row", logits(t, c, w, r), slices.Concat(one, two[10*30:]))
}

func TestPaddingChangesNothingAndIsFinite(t *testing.T) {
	c, w := lively(t, "nano", 30)
	a := sequence(9, 1, 30)
	want := logits(t, c, w, plain([][]int32{a}))
	r := packed(a, make([]int32, 7))
	for i := 9; i < 16; i++ {
		r.segments[0][i], r.positions[0][i] = 0, 0
	}
	got := logits(t, c, w, r)
	near(t, "before the padding", got[:len(want)], want)
	for _, x := range got {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			t.Fatal("padding makes NaN")
		}
	}
}

func TestLogitsAreThoseOfTheSlotsAskedFor(t *testing.T) {
	c, w := lively(t, "nano", 30)
	r := plain([][]int32{sequence(8, 1, 30), sequence(8, 4, 30)})
	all := logits(t, c, w, r)
	some := run(t, c, w, r, func(p policy.Params, b policy.Batch) []*graph.Node {
		slots := graph.Const(b.Tokens.Graph(), []int32{15, 3})
		return []*graph.Node{policy.Logits(c, p, policy.Hidden(c, p, b), slots)}
	})[0]
	near(t, "slots 15 and 3", some, slices.Concat(all[15*30:], all[3*30:4*30]))
}

func TestLogProbsAndEntropyAreThoseOfTheDefinition(t *testing.T) {
	c, w := lively(t, "nano", 30)
	r := plain([][]int32{sequence(8, 1, 30)})
	targets := sequence(8, 3, 30)
	out := run(t, c, w, r, func(p policy.Params, b policy.Batch) []*graph.Node {
		l := policy.Logits(c, p, policy.Hidden(c, p, b), allSlots(b))
		logprobs, entropy := policy.LogProbs(l, graph.Const(b.Tokens.Graph(), targets))
		return []*graph.Node{l, logprobs, entropy}
	})
	for i, target := range targets {
		row := out[0][i*30:][:30]
		var sum, entropy float64
		for _, x := range row {
			sum += math.Exp(float64(x))
		}
		for _, x := range row {
			p := math.Exp(float64(x)) / sum
			entropy -= p * math.Log(p)
		}
		want := float64(row[target]) - math.Log(sum)
		if math.Abs(float64(out[1][i])-want) > 1e-4 || math.Abs(float64(out[2][i])-entropy) > 1e-4 {
			t.Errorf("slot %d: log probability %v and entropy %v, want %v and %v", i, out[1][i], out[2][i], want, entropy)
		}
	}
}

// The gradients of transformers_test.go are of one loss; this one goes through branches, a few
// slots and the entropy, along a random direction, over several blocks of attention.
func TestGradientsEqualFiniteDifferences(t *testing.T) {
	c, w := lively(t, "nano", 30)
	r := packed(sequence(140, 2, 30)) // more than one block of attention
	for i := 100; i < 140; i++ {
		r.branches[0][i] = int32(1 + (i-100)/20)
	}
	loss := func(p policy.Params, b policy.Batch) *graph.Node {
		slots := graph.Const(b.Tokens.Graph(), []int32{7, 99, 110, 127, 138})
		l := policy.Logits(c, p, policy.Hidden(c, p, b), slots)
		logprobs, entropy := policy.LogProbs(l, graph.Const(b.Tokens.Graph(), []int32{1, 2, 3, 4, 5}))
		return graph.ReduceAllSum(graph.Add(logprobs, graph.MulScalar(entropy, 0.5)))
	}
	gradients := run(t, c, w, r, func(p policy.Params, b policy.Batch) []*graph.Node {
		return policy.Gradients(c, p, loss(p, b))
	})
	at := func(w policy.Weights) float64 {
		return float64(run(t, c, w, r, func(p policy.Params, b policy.Batch) []*graph.Node {
			return []*graph.Node{loss(p, b)}
		})[0][0])
	}
	const h = 2e-3
	for i, s := range c.Specs() {
		direction := policy.Init(c, policy.InitOptions{Seed: uint64(i), Std: 1})[s.Name]
		if len(s.Shape) == 1 {
			for j := range direction {
				direction[j] = float32(1 - 2*(j%2))
			}
		}
		var slope, norm float64
		for j, d := range direction {
			slope += float64(d) * float64(gradients[i][j])
			norm += float64(d) * float64(d)
		}
		step := func(sign float64) float64 {
			moved := w.Clone()
			for j, d := range direction {
				moved[s.Name][j] += float32(sign * h * float64(d) / math.Sqrt(norm))
			}
			return at(moved)
		}
		want := (step(1) - step(-1)) / (2 * h)
		if got := slope / math.Sqrt(norm); math.Abs(got-want) > 0.02*math.Abs(want)+0.01 {
			t.Errorf("%s: slope %v, and differences say %v", s.Name, got, want)
		}
	}
}
