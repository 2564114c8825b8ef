package decode

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// A sampler draws from logits. Temperature 0 takes the likeliest token.
type sampler struct {
	temperature, topP float32
	order             []candidate // scratch
}

type candidate struct {
	id          int32
	probability float32
}

// draw picks a token and tells its log probability under the full distribution at the
// temperature, before top-p cuts it: the one that a training graph computes from
// logits / temperature. With temperature 0 it is that at temperature 1. The logits are used up.
func (s *sampler) draw(logits []float32, random func() float64) (id int32, logprob float32) {
	if s.temperature == 0 {
		best := argmax(logits)
		top := logits[best]
		return int32(best), -ln(expSum(logits, top))
	}
	if s.temperature != 1 {
		for i := range logits {
			logits[i] /= s.temperature
		}
	}
	top := most(logits)
	sum := expSum(logits, top) // logits are probabilities times sum from here on
	chosen := 0
	if s.topP < 1 {
		chosen = s.nucleus(logits, sum, random())
	} else {
		chosen = walk(logits, float32(random())*sum)
	}
	return int32(chosen), ln(logits[chosen] / sum)
}

// walk is the index at which the running sum passes target, or the last that weighs anything.
func walk(weights []float32, target float32) int {
	last := 0
	for i, w := range weights {
		if w == 0 {
			continue
		}
		if last = i; target < w {
			return i
		}
		target -= w
	}
	return last
}

// nucleus draws among the fewest likeliest tokens whose probabilities reach topP. Tokens below
// (1 - topP) / vocabulary together weigh less than 1 - topP, so none of them is among these,
// and only the others are sorted.
func (s *sampler) nucleus(weights []float32, sum float32, u float64) int {
	floor := (1 - s.topP) / float32(len(weights)) * sum
	s.order = s.order[:0]
	for i, w := range weights {
		if w >= floor {
			s.order = append(s.order, candidate{int32(i), w})
		}
	}
	slices.SortFunc(s.order, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.probability, a.probability), cmp.Compare(a.id, b.id))
	})
	var mass float32
	keep := 0
	for keep < len(s.order) && mass < s.topP*sum {
		mass += s.order[keep].probability
		keep++
	}
	target := float32(u) * mass
	for _, c := range s.order[:keep] {
		if target < c.probability {
			return int(c.id)
		}
		target -= c.probability
	}
	return int(s.order[keep-1].id)
}

func argmax(x []float32) int {
	best := 0
	for i, a := range x {
		if a > x[best] {
			best = i
		}
	}
	return best
}

// stream is the random numbers of one response: its own, whatever is decoded beside it.
func stream(seed uint64, response int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(response)))
}

func ln(x float32) float32 { return float32(math.Log(float64(x))) }
