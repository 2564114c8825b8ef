package policy

import (
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive // graphs read as formulas
)

// A layer is one decoder layer. Activations between its parts are [rows*time, width].
type layer struct {
	c     *Config
	p     Params
	index int
}

// tensor is one of the layer's tensors, or nil where its kind has none.
func (l layer) tensor(part string) *Node { return l.p[LayerTensor(l.index, part)] }

func (l layer) norm(part string, x *Node) *Node {
	return rmsNorm(x, l.tensor(part+".weight"), l.c.NormEpsilon)
}

func (l layer) linear(part string, x *Node) *Node {
	return linear(x, l.tensor(part+".weight"), l.tensor(part+".bias"))
}

// feedForward is SwiGLU.
func (l layer) feedForward(x *Node) *Node {
	gate := l.linear("mlp.gate_proj", x)
	up := l.linear("mlp.up_proj", x)
	return l.linear("mlp.down_proj", Mul(Mul(gate, Sigmoid(gate)), up))
}

// linear is x [n, in] times weight [out, in], plus bias [out] or nothing.
func linear(x, weight, bias *Node) *Node {
	y := DotGeneral(x, []int{1}, nil, weight, []int{1}, nil)
	if bias != nil {
		y = Add(y, InsertAxes(bias, 0))
	}
	return y
}

// rmsNorm scales x [n, width] to a mean square of 1, then by weight [width]. The reciprocal of
// a square root has a gradient in GoMLX, and Rsqrt has none.
func rmsNorm(x, weight *Node, epsilon float64) *Node {
	meanSquare := ReduceAndKeep(Mul(x, x), ReduceMean, -1)
	scale := Reciprocal(Sqrt(AddScalar(meanSquare, epsilon)))
	return Mul(Mul(x, scale), InsertAxes(weight, 0))
}
