package policy

import (
	. "github.com/gomlx/gomlx/core/graph"
)

// A layer is one decoder layer. Activations between its parts are [rows*time, width].
type layer struct {
	c     *Config
	p     Params
	index int
}

// tensor is one of the layer's tensors, or nil where its family has none.
func (l layer) tensor(part string) *Node { return l.p[LayerTensor(l.index, part)] }

// weight is a part's weight with the weight of the norm before it, if one is named: unit(x)
// times both is the same, and the products are with a weight and not with every token.
func (l layer) weight(part, norm string) *Node {
	w := l.tensor(part + ".weight")
	if norm == "" {
		return w
	}
	return Mul(w, InsertAxes(l.tensor(norm+".weight"), 0))
}

// feedForward is SwiGLU, of unit(x).
func (l layer) feedForward(x *Node) *Node {
	const norm = "post_attention_layernorm"
	gate := linear(x, l.weight("mlp.gate_proj", norm), l.tensor("mlp.gate_proj.bias"))
	up := linear(x, l.weight("mlp.up_proj", norm), l.tensor("mlp.up_proj.bias"))
	return linear(swish(gate, up), l.weight("mlp.down_proj", ""), l.tensor("mlp.down_proj.bias"))
}

// swish is gate x sigmoid(gate) x up.
func swish(gate, up *Node) *Node {
	sigmoid := Sigmoid(gate)
	open := Mul(gate, sigmoid)
	return custom(func() *Node { return Mul(open, up) }, func(input int, v *Node) *Node {
		if input == 1 {
			return Mul(v, open)
		}
		// The derivative of open is sigmoid + open - open x sigmoid.
		slope := Add(sigmoid, Mul(open, OneMinus(sigmoid)))
		return Mul(Mul(v, up), slope)
	}, gate, up)
}
