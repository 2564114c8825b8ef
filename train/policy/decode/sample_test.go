package decode

import (
	"math"
	"slices"
	"testing"
)

// drawn counts tokens over an even sweep of the random number, which makes the frequencies the
// probabilities themselves.
func drawn(s sampler, logits []float32, n int) (share []float64, logprobs []float32) {
	share, logprobs = make([]float64, len(logits)), make([]float32, len(logits))
	for i := range n {
		id, logprob := s.draw(slices.Clone(logits), func() float64 { return (float64(i) + 0.5) / float64(n) })
		share[id] += 1 / float64(n)
		logprobs[id] = logprob
	}
	return share, logprobs
}

func softmax(logits []float32, temperature float64) []float64 {
	var sum float64
	out := make([]float64, len(logits))
	for i, x := range logits {
		out[i] = math.Exp(float64(x) / temperature)
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

var some = []float32{1, -2, 0.5, 3, 2.5, -40, 0, 1.5, 0.25, -1}

func TestTokensAreDrawnByTheirProbability(t *testing.T) {
	for _, temperature := range []float64{0.5, 1, 2} {
		want := softmax(some, temperature)
		share, logprobs := drawn(sampler{temperature: float32(temperature), topP: 1}, some, 20000)
		for i := range some {
			if math.Abs(share[i]-want[i]) > 2e-4 {
				t.Errorf("temperature %v: token %d has a share of %v, want %v", temperature, i, share[i], want[i])
			}
			if share[i] > 0 && math.Abs(float64(logprobs[i])-math.Log(want[i])) > 1e-5 {
				t.Errorf("temperature %v: token %d has log probability %v, want %v", temperature, i, logprobs[i], math.Log(want[i]))
			}
		}
	}
}

func TestTopPKeepsTheFewestLikeliestTokensAndTellsTheFullProbability(t *testing.T) {
	full := softmax(some, 1)
	for _, topP := range []float32{0.01, 0.5, 0.8, 0.95, 0.9999} {
		order := make([]int, len(some))
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(a, b int) int { return int(math.Copysign(1, full[b]-full[a])) })
		var mass float64
		kept := map[int]bool{}
		for _, i := range order {
			if mass >= float64(topP) {
				break
			}
			mass += full[i]
			kept[i] = true
		}
		share, logprobs := drawn(sampler{temperature: 1, topP: topP}, some, 20000)
		for i := range some {
			want := 0.0
			if kept[i] {
				want = full[i] / mass
			}
			if math.Abs(share[i]-want) > 2e-4 {
				t.Errorf("top-p %v: token %d has a share of %v, want %v", topP, i, share[i], want)
			}
			if share[i] > 0 && math.Abs(float64(logprobs[i])-math.Log(full[i])) > 1e-5 {
				t.Errorf("top-p %v: token %d has log probability %v, want %v", topP, i, logprobs[i], math.Log(full[i]))
			}
		}
	}
}
