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

func (l layer) norm(part string, x *Node) *Node {
	return l.p.norm(LayerTensor(l.index, part+".weight"), x, l.c.NormEpsilon)
}

// linear is x [n, in] times a part's weight, plus its bias.
func (l layer) linear(part string, x *Node) *Node {
	name := LayerTensor(l.index, part)
	return l.p.linear(name, x, 0, l.p.nodes[name+".weight"].Shape().Dim(0))
}

// feedForward is SwiGLU.
func (l layer) feedForward(x *Node) *Node {
	gate := l.linear("mlp.gate_proj", x)
	up := l.linear("mlp.up_proj", x)
	return l.linear("mlp.down_proj", Mul(Mul(gate, Sigmoid(gate)), up))
}
