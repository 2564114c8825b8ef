package policy

import (
	"cmp"
	"errors"
	"slices"

	. "github.com/gomlx/gomlx/core/graph" //nolint:revive // graphs read as formulas
)

// GoMLX derives a product's gradient by transposing both of its factors, and a softmax's by
// computing it again. The Go backend transposes one value at a time, which takes longer than
// the product; so the gradients of linear layers, norms and attention are written by hand here,
// in an order of factors that needs at most the small operand transposed. The tests hold them
// against transformers and against finite differences.

// Params are a policy's tensors as nodes of a graph. Their gradients are partly written by
// hand: only Gradients knows them all, and graph.Gradient alone would find zeros.
type Params struct {
	nodes map[string]*Node
	tape  *tape
}

// tape collects gradients of tensors while GoMLX goes backwards through the graph.
type tape struct {
	parts map[string][]taped
	taken bool
}

// taped is the gradient of a tensor's rows from a row on.
type taped struct {
	from int
	node *Node
}

func (t *tape) add(name string, from int, gradient *Node) {
	t.parts[name] = append(t.parts[name], taped{from, gradient})
}

// take is the sum of what was taped for a tensor, or nil.
func (t *tape) take(name string) *Node {
	parts := t.parts[name]
	slices.SortStableFunc(parts, func(a, b taped) int { return cmp.Compare(a.from, b.from) })
	var rows []*Node // one for each range of rows
	for i, p := range parts {
		if i > 0 && parts[i-1].from == p.from {
			rows[len(rows)-1] = Add(rows[len(rows)-1], p.node)
		} else {
			rows = append(rows, p.node)
		}
	}
	switch len(rows) {
	case 0:
		return nil
	case 1:
		return rows[0]
	}
	return Concatenate(rows, 0)
}

// Gradients are those of a scalar loss with respect to every tensor of the policy, in the
// order of Config.Specs. It may be called once for each graph.
func Gradients(c Config, p Params, loss *Node) []*Node {
	if p.tape.taken {
		panic(errors.New("policy: Gradients was called twice for one graph"))
	}
	p.tape.taken = true
	var nodes []*Node
	specs := c.Specs()
	for _, s := range specs {
		nodes = append(nodes, p.nodes[s.Name])
	}
	gradients := Gradient(loss, nodes...)
	for i, s := range specs {
		taped := p.tape.take(s.Name)
		switch {
		case taped == nil:
		case s.Name == embedName: // looked up by GoMLX's gradient, and taped as the tied head
			gradients[i] = Add(gradients[i], taped)
		default:
			gradients[i] = taped
		}
	}
	return gradients
}

// custom is a value whose gradients are written by hand: gradient(i, v) is that of inputs[i],
// given v, that of the value. Inputs have the value's shape.
//
// GoMLX lets a fused operation name another graph to derive its gradient from; here that graph
// is the sum of the inputs, each with a gradient of its own.
func custom(value func() *Node, gradient func(i int, v *Node) *Node, inputs ...*Node) *Node {
	alternate := func() *Node {
		var sum *Node
		for i, x := range inputs {
			x = IdentityWithCustomGradient(x, func(_, v *Node) *Node { return gradient(i, v) })
			if sum == nil {
				sum = x
			} else {
				sum = Add(sum, x)
			}
		}
		return sum
	}
	out, fused := InternalFusedOpCaller(value, alternate, true)
	if !fused {
		panic(errors.New("policy: unset " + FusionEnv + ", which switches gradients written by hand off"))
	}
	return out
}

// linear is x [n, in] times the transpose of rows of a weight [out, in], from a row on, plus
// the same part of a bias, if there is one. The weight's gradient is taped: x is transposed
// for it once, however many weights x is multiplied with.
func (p Params) linear(name string, x *Node, from, to int) *Node {
	weight := p.nodes[name+".weight"]
	if from > 0 || to < weight.Shape().Dim(0) {
		weight = Slice(weight, AxisRange(from, to), AxisRange())
	}
	y := p.product(name+".weight", x, weight, from)
	if bias := p.nodes[name+".bias"]; bias != nil {
		y = Add(y, InsertAxes(Slice(bias, AxisRange(from, to)), 0))
	}
	return y
}

// product is x [n, in] times the transpose of weight, which is the named tensor from a row on.
func (p Params) product(name string, x, weight *Node, from int) *Node {
	y := DotGeneral(x, []int{1}, nil, StopGradient(weight), []int{1}, nil)
	return IdentityWithCustomGradient(y, func(_, v *Node) *Node {
		gradient := DotGeneral(Transpose(x, 0, 1), []int{1}, nil, v, []int{0}, nil) // [in, out]
		p.tape.add(name, from, Transpose(gradient, 0, 1))
		return v
	})
}

// norm scales x [n, width] to a mean square of 1, then by a weight [width]. The reciprocal of
// a square root, because GoMLX has no gradient for Rsqrt and other code may still ask for one.
func (p Params) norm(name string, x *Node, epsilon float64) *Node {
	weight := InsertAxes(p.nodes[name], 0)
	width := float64(x.Shape().Dim(1))
	meanSquare := MulScalar(ReduceAndKeep(Mul(x, x), ReduceSum, -1), 1/width)
	scale := Reciprocal(Sqrt(AddScalar(meanSquare, epsilon)))
	unit := Mul(x, scale)
	return custom(func() *Node { return Mul(unit, weight) }, func(_ int, v *Node) *Node {
		p.tape.add(name, 0, ReduceSum(Mul(v, unit), 0))
		toUnit := Mul(v, weight)
		along := MulScalar(ReduceAndKeep(Mul(toUnit, unit), ReduceSum, -1), 1/width)
		return Mul(Sub(toUnit, Mul(unit, along)), scale)
	}, x)
}
