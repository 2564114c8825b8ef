package policy

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// attention is what the layers share: the cut into rows, the rope and the mask.
type attention struct {
	rows, time int
	rope       rope
	mask       *Node // [rows, time, time]
}

// attend is one layer's attention, of unit(x) [rows*time, hidden]. It goes head by head: each head's
// projection already has the layout [rows, time, dim] that its products want, so nothing of
// the size of an activation is transposed, which the Go backend does one value at a time.
func (l layer) attend(at attention, x *Node) *Node {
	group := l.c.Heads / l.c.KVHeads
	var heads []*Node
	for kv := range l.c.KVHeads {
		key := at.rope.turn(l.head("k", kv, x), false)
		value := l.head("v", kv, x)
		for h := kv * group; h < (kv+1)*group; h++ {
			query := at.rope.turn(l.head("q", h, x), true)
			heads = append(heads, at.mix(query, key, value))
		}
	}
	return linear(Concatenate(heads, -1), l.weight("self_attn.o_proj", ""), l.tensor("self_attn.o_proj.bias"))
}

// head is one head's query, key or value: [rows*time, dim].
func (l layer) head(kind string, index int, x *Node) *Node {
	from, to := index*l.c.HeadDim, (index+1)*l.c.HeadDim
	part := "self_attn." + kind
	weight := Slice(l.weight(part+"_proj", "input_layernorm"), AxisRange(from, to), AxisRange())
	bias := l.tensor(part + "_proj.bias")
	if bias != nil {
		bias = Slice(bias, AxisRange(from, to))
	}
	y := linear(x, weight, bias)
	if norm := l.tensor(part + "_norm.weight"); norm != nil {
		y = Mul(unit(y, l.c.NormEpsilon), InsertAxes(norm, 0))
	}
	return y
}

// blockTime is the number of slots whose queries are taken together. No slot sees a later one,
// so a block needs the keys up to its own end only: with many blocks that is half the scores,
// and half the memory. Smaller blocks cost more in slices than they save.
const blockTime = 128

// mix is one head's weighted values; all are [rows*time, dim], and queries already scaled.
func (at attention) mix(query, key, value *Node) *Node {
	n, dim := query.Shape().Dim(0), query.Shape().Dim(1)
	cut := func(x *Node) *Node { return Reshape(x, at.rows, at.time, dim) }
	q, k, v := cut(query), cut(key), cut(value)
	if at.time <= blockTime {
		return Reshape(mixBlock(q, k, v, at.mask), n, dim)
	}
	var blocks []*Node
	for from := 0; from < at.time; from += blockTime {
		to := min(from+blockTime, at.time)
		upTo := func(x *Node) *Node { return Slice(x, AxisRange(), AxisRange(0, to), AxisRange()) }
		mask := Slice(at.mask, AxisRange(), AxisRange(from, to), AxisRange(0, to))
		own := Slice(q, AxisRange(), AxisRange(from, to), AxisRange())
		blocks = append(blocks, mixBlock(own, upTo(k), upTo(v), mask))
	}
	return Reshape(Concatenate(blocks, 1), n, dim)
}

// mixBlock is mix for some queries [rows, i, dim], and keys and values [rows, j, dim].
//
// Backwards, the gradients of keys and values are products with the weights' transpose. They
// are made transposed, so that it is [dim, i] that is transposed and not [i, j].
func mixBlock(query, key, value, mask *Node) *Node {
	times := func(x, y *Node, axis int) *Node { return DotGeneral(x, []int{2}, []int{0}, y, []int{axis}, []int{0}) }
	weights := Softmax(Add(times(query, key, 2), mask), -1)
	out := times(weights, value, 1)
	var scores *Node // the gradient of the scores, for queries and keys
	return custom(func() *Node { return out }, func(input int, v *Node) *Node {
		if scores == nil {
			along := ReduceAndKeep(Mul(v, out), ReduceSum, -1)
			scores = Mul(weights, Sub(times(v, value, 2), along))
		}
		switch input {
		case 0:
			return times(scores, key, 1)
		case 1:
			return flip(times(flip(query), scores, 1))
		}
		return flip(times(flip(v), weights, 1))
	}, query, key, value)
}

// hidden is added to the score of a slot that must not be seen. It is finite, so that a row of
// padding has a softmax too, and large enough that its exponential is 0.
const hidden = -1e9

// maskBias is 0 where slot i sees slot j and hidden elsewhere, [rows, i, j].
func maskBias(b Batch) *Node {
	g := b.Tokens.Graph()
	rows, time := b.Tokens.Shape().Dim(0), b.Tokens.Shape().Dim(1)
	seer := func(x *Node) *Node { return BroadcastToDims(InsertAxes(x, 2), rows, time, time) }
	seen := func(x *Node) *Node { return BroadcastToDims(InsertAxes(x, 1), rows, time, time) }
	i := Iota(g, shapes.Make(dtypes.Int32, rows, time, time), 1)
	j := Iota(g, shapes.Make(dtypes.Int32, rows, time, time), 2)
	branch := seen(b.Branches)
	visible := And(
		And(LessOrEqual(j, i), Equal(seer(b.Segments), seen(b.Segments))),
		Or(Equal(branch, ZerosLike(branch)), Equal(branch, seer(b.Branches))))
	zero := Zeros(g, shapes.Make(dtypes.Float32, rows, time, time))
	return StopGradient(Where(visible, zero, AddScalar(zero, hidden)))
}

// rope holds cosines and sines for every slot, [rows*time, dim]; those for queries carry the
// scale of the scores too.
type rope struct {
	cos, sin, queryCos, querySin *Node
}

func newRope(c *Config, positions *Node) rope {
	g := positions.Graph()
	frequencies := c.Frequencies()
	both := Const(g, append(frequencies[:len(frequencies):len(frequencies)], frequencies...))
	angles := Mul(InsertAxes(ConvertDType(positions, dtypes.Float32), -1), InsertAxes(both, 0))
	cos, sin := Cos(angles), Sin(angles)
	scale := 1 / math.Sqrt(float64(c.HeadDim))
	return rope{cos, sin, MulScalar(cos, scale), MulScalar(sin, scale)}
}

// turn rotates the pairs (i, i + dim/2) of x [rows*time, dim] by the slots' angles. Its gradient
// turns back.
func (r rope) turn(x *Node, query bool) *Node {
	cos, sin := r.cos, r.sin
	if query {
		cos, sin = r.queryCos, r.querySin
	}
	half := x.Shape().Dim(1) / 2
	quarter := func(x *Node) *Node {
		low := Slice(x, AxisRange(), AxisRange(0, half))
		high := Slice(x, AxisRange(), AxisRange(half))
		return Concatenate([]*Node{Neg(high), low}, -1)
	}
	return custom(func() *Node {
		return Add(Mul(x, cos), Mul(quarter(x), sin))
	}, func(_ int, v *Node) *Node {
		return Sub(Mul(v, cos), Mul(quarter(v), sin))
	}, x)
}
