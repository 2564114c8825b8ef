package policy

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"
)

// Params are a policy's tensors as nodes of a graph, by name.
type Params map[string]*Node

// NewParams names nodes that come in the order of Config.Specs, as graph inputs do.
func NewParams(c Config, nodes []*Node) Params {
	specs := c.Specs()
	if len(nodes) != len(specs) {
		panic(fmt.Errorf("policy: %d parameter nodes, and the policy has %d tensors", len(nodes), len(specs)))
	}
	p := Params{}
	for i, s := range specs {
		p[s.Name] = nodes[i]
	}
	return p
}

// A Batch is what a forward pass reads: rows of token ids, cut into segments and branches so
// that several samples share a row and several responses share a prompt. All are int32,
// [rows, time].
//
// Slot i sees slot j when j <= i, both are of the same segment, and j is of branch 0 or of
// i's own branch. A packed row of plain samples has segments 1, 2, ... and branch 0 only; a
// group has one segment, its prompt on branch 0 and its responses on branches 1 to G, each
// with positions that go on from the prompt's. Padding has segment 0.
type Batch struct {
	Tokens    *Node
	Positions *Node // of the slot in its sample, from 0
	Segments  *Node
	Branches  *Node
}

// Hidden runs the decoder: [rows, time] to [rows*time, width], after the last norm.
// Nothing that is wrong with a graph is an error of the data: it panics, as GoMLX does.
func Hidden(c Config, p Params, b Batch) *Node {
	rows, time := b.Tokens.Shape().Dim(0), b.Tokens.Shape().Dim(1)
	x := Gather(p[embedName], Reshape(b.Tokens, rows*time, 1))
	at := attention{
		rows: rows, time: time,
		rope: newRope(&c, Reshape(b.Positions, rows*time)),
		mask: maskBias(b),
	}
	for l := range c.Layers {
		layer := layer{c: &c, p: p, index: l}
		x = Add(x, layer.attend(at, unit(x, c.NormEpsilon)))
		x = Add(x, layer.feedForward(unit(x, c.NormEpsilon)))
	}
	return Mul(unit(x, c.NormEpsilon), InsertAxes(p[normName], 0))
}

// Logits are the scores of the vocabulary after the given slots: hidden is what Hidden made,
// slots int32 [n] are row*time + slot. Result: [n, vocab]. Ask for few: the head is the
// largest product of a small policy.
func Logits(c Config, p Params, hidden, slots *Node) *Node {
	picked := Gather(hidden, InsertAxes(slots, -1))
	return linear(picked, p[c.headWeight()], nil)
}

// LogProbs are the log probabilities that logits [n, vocab] give to targets, int32 [n], and
// the entropy of each distribution in nats; both [n]. Divide the logits by a temperature first
// to have those of the sampling distribution.
func LogProbs(logits, targets *Node) (logprobs, entropy *Node) {
	vocab := logits.Shape().Dim(1)
	shifted := Sub(logits, StopGradient(ReduceAndKeep(logits, ReduceMax, -1)))
	exp := Exp(shifted)
	sum := ReduceSum(exp, -1)
	logSum := Log(sum)
	chosen := ReduceSum(Mul(shifted, OneHot(targets, vocab, logits.DType())), -1)
	mean := Div(ReduceSum(Mul(exp, shifted), -1), sum)
	return Sub(chosen, logSum), Sub(logSum, mean)
}
