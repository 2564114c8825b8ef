package policy

import (
	"errors"

	. "github.com/gomlx/gomlx/core/graph"
)

// GoMLX derives a product's gradient by transposing both of its factors, copies the result
// once more, and computes a softmax again for its gradient. The Go backend transposes one value
// at a time, which takes longer than the product; so the gradients of what costs time are
// written by hand, in an order of factors that needs at most the small one transposed. The
// tests hold them against transformers and against finite differences.

// Gradients are those of a scalar loss with respect to every tensor of the policy, in the
// order of Config.Specs.
func Gradients(c Config, p Params, loss *Node) []*Node {
	var nodes []*Node
	for _, s := range c.Specs() {
		nodes = append(nodes, p[s.Name])
	}
	return Gradient(loss, nodes...)
}

// custom is a value whose gradients are written by hand: gradient(i, v) is that of inputs[i],
// given v, that of the value.
//
// GoMLX lets a fused operation name another graph to derive its gradient from. Here that graph
// only leads back to the inputs, whose identities then answer with the given gradients; nothing
// of it is ever computed.
func custom(value func() *Node, gradient func(i int, v *Node) *Node, inputs ...*Node) *Node {
	var arrived, out *Node
	path := func() *Node {
		out = value()
		sum := ScalarZero(out.Graph(), out.DType())
		for i, x := range inputs {
			x = IdentityWithCustomGradient(x, func(_, _ *Node) *Node { return gradient(i, arrived) })
			sum = Add(sum, ReduceAllSum(x))
		}
		return IdentityWithCustomGradient(BroadcastToDims(sum, out.Shape().Dimensions...), func(_, v *Node) *Node {
			arrived = v
			return v
		})
	}
	y, fused := InternalFusedOpCaller(func() *Node { return Identity(out) }, path, true)
	if !fused {
		panic(errors.New("policy: unset " + FusionEnv + ", which switches gradients written by hand off"))
	}
	return y
}

// linear is x [n, in] times the transpose of weight [out, in], plus bias [out] or nothing.
func linear(x, weight, bias *Node) *Node {
	y := custom(func() *Node {
		return DotGeneral(x, []int{1}, nil, weight, []int{1}, nil)
	}, func(input int, v *Node) *Node {
		if input == 0 {
			return DotGeneral(v, []int{1}, nil, weight, []int{0}, nil)
		}
		// x is transposed once, however many weights it is multiplied with.
		return flip(DotGeneral(flip(x), []int{1}, nil, v, []int{0}, nil))
	}, x, weight)
	if bias != nil {
		y = Add(y, InsertAxes(bias, 0))
	}
	return y
}

// unit scales x [n, width] to a mean square of 1: an RMS norm before its weight. It takes the
// reciprocal of a square root, because GoMLX has no gradient for Rsqrt.
func unit(x *Node, epsilon float64) *Node {
	width := float64(x.Shape().Dim(1))
	square := MulScalar(ReduceAndKeep(Mul(x, x), ReduceSum, -1), 1/width)
	scale := Reciprocal(Sqrt(AddScalar(square, epsilon)))
	y := Mul(x, scale)
	return custom(func() *Node { return y }, func(_ int, v *Node) *Node {
		along := MulScalar(ReduceAndKeep(Mul(v, y), ReduceSum, -1), 1/width)
		return Mul(Sub(v, Mul(y, along)), scale)
	}, x)
}
