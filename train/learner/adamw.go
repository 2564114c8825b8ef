package learner

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph" //nolint:revive // graphs read as formulas
)

// AdamW is Adam with decoupled weight decay (arXiv 1711.05101). GoMLX has one, but it hides its
// state in a variable store and takes no gradients that were summed or clipped outside.
type AdamW struct {
	Beta1, Beta2 float64
	Epsilon      float64
	WeightDecay  float64 // of matrices; norms and biases have none
	ClipNorm     float64 // the gradient's global norm is scaled down to it; 0: not clipped
}

// DefaultAdamW suits small policies: a second moment that forgets in 50 steps.
func DefaultAdamW() AdamW {
	return AdamW{Beta1: 0.9, Beta2: 0.98, Epsilon: 1e-8, ClipNorm: 1}
}

// Validate finds what makes no sense.
func (a AdamW) Validate() error {
	switch {
	case !(a.Beta1 >= 0 && a.Beta1 < 1), !(a.Beta2 >= 0 && a.Beta2 < 1):
		return fmt.Errorf("AdamW betas are %v and %v; want 0 <= beta < 1", a.Beta1, a.Beta2)
	case !(a.Epsilon > 0), a.WeightDecay < 0, a.ClipNorm < 0:
		return fmt.Errorf("AdamW epsilon is %v, weight decay %v, clip norm %v", a.Epsilon, a.WeightDecay, a.ClipNorm)
	}
	return nil
}

// scalars are the update's numbers that change with the step, so that one graph serves all:
// learning rate, scale of the gradient, and the corrections for moments that began at 0.
func (a AdamW) scalars(step int64, rate, norm float64) [4]float32 {
	scale := 1.0
	if a.ClipNorm > 0 && norm > a.ClipNorm {
		scale = a.ClipNorm / norm
	}
	t := float64(step + 1)
	return [4]float32{
		float32(rate), float32(scale),
		float32(1 / (1 - math.Pow(a.Beta1, t))), float32(1 / (1 - math.Pow(a.Beta2, t))),
	}
}

// graph takes n parameters, n first moments, n second moments, n gradients and the four
// scalars, and returns the next parameters and moments in the same order.
func (a AdamW) graph(n int, nodes []*Node) []*Node {
	rate, scale, correct1, correct2 := nodes[4*n], nodes[4*n+1], nodes[4*n+2], nodes[4*n+3]
	next := make([]*Node, 3*n)
	for i := range n {
		w, m, v := nodes[i], nodes[n+i], nodes[2*n+i]
		g := Mul(nodes[3*n+i], scale)
		m = Add(MulScalar(m, a.Beta1), MulScalar(g, 1-a.Beta1))
		v = Add(MulScalar(v, a.Beta2), MulScalar(Mul(g, g), 1-a.Beta2))
		move := Div(Mul(m, correct1), AddScalar(Sqrt(Mul(v, correct2)), a.Epsilon))
		if a.WeightDecay > 0 && w.Rank() > 1 {
			move = Add(move, MulScalar(w, a.WeightDecay))
		}
		next[i], next[n+i], next[2*n+i] = Sub(w, Mul(move, rate)), m, v
	}
	return next
}

// normGraph returns the sum of the squares of all its inputs.
func normGraph(nodes []*Node) []*Node {
	total := ScalarZero(nodes[0].Graph(), nodes[0].DType())
	for _, x := range nodes {
		flat := Reshape(x, x.Shape().Size())
		total = Add(total, DotProduct(flat, flat))
	}
	return []*Node{total}
}

// sumGraph adds two lists of equal length.
func sumGraph(nodes []*Node) []*Node {
	n := len(nodes) / 2
	sum := make([]*Node, n)
	for i := range n {
		sum[i] = Add(nodes[i], nodes[n+i])
	}
	return sum
}
