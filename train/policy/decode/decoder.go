package decode

import (
	"slices"
	"sync"

	"github.com/longctx/pipeline/train/policy"
)

// A Decoder holds a policy's weights in the kernel's layout. Load may change them between two
// calls of Generate, never during one.
type Decoder struct {
	c      policy.Config
	dim    int // head width, rounded up to whole panels
	group  int // query heads of one key-value head
	embed  []float32
	norm   []float32
	head   panels
	layers []layer
	freqs  []float32
	idle   sync.Pool // *worker

	ropes sync.Mutex
	rope  *rope // of the longest call so far
}

// A layer is one decoder layer's weights; biases are nil where there are none.
type layer struct {
	attnNorm, ffNorm   []float32
	qkv                panels // columns: query heads, key heads, value heads, each of dim
	qkvBias            []float32
	queryNorm, keyNorm []float32
	out, gateUp, down  panels // gateUp columns: gate, up, each rounded up
	outBias            []float32
	gateUpBias         []float32
	downBias           []float32
}

// New makes a decoder; the weights are copied.
func New(c policy.Config, w policy.Weights) (*Decoder, error) {
	d := &Decoder{c: c, dim: roundUp(c.HeadDim), group: c.Heads / c.KVHeads, freqs: c.Frequencies()}
	return d, d.Load(w)
}

// Load takes other weights of the same shape, as a training step makes them.
func (d *Decoder) Load(w policy.Weights) error {
	if err := w.Check(d.c); err != nil {
		return err
	}
	t := func(name string) []float32 { return w[name] }
	d.embed = slices.Clone(t("model.embed_tokens.weight"))
	d.norm = slices.Clone(t("model.norm.weight"))
	head := t("lm_head.weight")
	if d.c.Tied {
		head = d.embed
	}
	d.head = newPanels(d.c.Hidden, d.c.Vocab)
	place(d.head, head, d.c.Vocab, d.c.Hidden, same, same)
	d.layers = nil
	for i := range d.c.Layers {
		d.layers = append(d.layers, d.pack(i, t))
	}
	return nil
}

func (d *Decoder) pack(index int, t func(string) []float32) layer {
	c := &d.c
	get := func(part string) []float32 { return t(policy.LayerTensor(index, part)) }
	queries, keys, width := c.Heads*d.dim, c.KVHeads*d.dim, roundUp(c.Intermediate)
	l := layer{
		attnNorm: slices.Clone(get("input_layernorm.weight")), ffNorm: slices.Clone(get("post_attention_layernorm.weight")),
		queryNorm: slices.Clone(get("self_attn.q_norm.weight")), keyNorm: slices.Clone(get("self_attn.k_norm.weight")),
		qkv: newPanels(c.Hidden, queries+2*keys), out: newPanels(queries, c.Hidden),
		gateUp: newPanels(c.Hidden, 2*width), down: newPanels(c.Intermediate, c.Hidden),
		outBias: slices.Clone(get("self_attn.o_proj.bias")), downBias: slices.Clone(get("mlp.down_proj.bias")),
	}
	heads := func(from int) func(int) int {
		return func(j int) int { return from + j/c.HeadDim*d.dim + j%c.HeadDim }
	}
	shift := func(from int) func(int) int { return func(j int) int { return from + j } }
	for _, m := range []struct {
		part string
		to   panels
		bias *[]float32
		rows int
		at   func(int) int
	}{
		{"self_attn.q_proj", l.qkv, &l.qkvBias, c.Heads * c.HeadDim, heads(0)},
		{"self_attn.k_proj", l.qkv, &l.qkvBias, c.KVHeads * c.HeadDim, heads(queries)},
		{"self_attn.v_proj", l.qkv, &l.qkvBias, c.KVHeads * c.HeadDim, heads(queries + keys)},
		{"mlp.gate_proj", l.gateUp, &l.gateUpBias, c.Intermediate, same},
		{"mlp.up_proj", l.gateUp, &l.gateUpBias, c.Intermediate, shift(width)},
	} {
		place(m.to, get(m.part+".weight"), m.rows, c.Hidden, m.at, same)
		placeBias(m.bias, get(m.part+".bias"), m.to.count*lanes, m.at)
	}
	place(l.out, get("self_attn.o_proj.weight"), c.Hidden, c.Heads*c.HeadDim, same, heads(0))
	place(l.down, get("mlp.down_proj.weight"), c.Hidden, c.Intermediate, same, same)
	return l
}

func same(i int) int { return i }

// place puts a tensor [rows, columns] into panels, transposed: its rows become columns, each
// where column says, and its columns become rows.
func place(to panels, values []float32, rows, columns int, column, row func(int) int) {
	for r := range rows {
		at := column(r)
		for c := range columns {
			to.set(row(c), at, values[r*columns+c])
		}
	}
}

func placeBias(to *[]float32, values []float32, size int, at func(int) int) {
	if values == nil {
		return
	}
	if *to == nil {
		*to = make([]float32, size)
	}
	for i, x := range values {
		(*to)[at(i)] = x
	}
}

// ropeFor covers at least n positions.
func (d *Decoder) ropeFor(n int) *rope {
	d.ropes.Lock()
	defer d.ropes.Unlock()
	if d.rope == nil || len(d.rope.cos) < n*len(d.freqs) {
		d.rope = newRope(d.freqs, n)
	}
	return d.rope
}
