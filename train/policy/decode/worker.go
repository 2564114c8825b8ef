package decode

import "math"

// A worker is one goroutine's way through the layers: a decoder and buffers for some rows.
type worker struct {
	d    *Decoder
	rope *rope

	x, normed, qkv, mixed, ff  []float32
	queries, scores, out, sums []float32
	logits                     []float32
}

// A part is rows of a forward pass that see the same shared span: a slice of a prompt that is
// being read, or the live responses of one group.
type part struct {
	shared *span
	own    []*span // of each row, holding what the row wrote so far and then itself; nil while the prompt is read
	rows   int
}

// rope holds cosines and sines by position, [position][HeadDim/2].
type rope struct{ cos, sin []float32 }

func newRope(freqs []float32, positions int) *rope {
	r := &rope{make([]float32, 0, positions*len(freqs)), make([]float32, 0, positions*len(freqs))}
	for p := range positions {
		for _, f := range freqs {
			angle := float64(float32(p) * f) // rounded as the graph and transformers round it
			r.cos = append(r.cos, float32(math.Cos(angle)))
			r.sin = append(r.sin, float32(math.Sin(angle)))
		}
	}
	return r
}

func sized(buffer *[]float32, n int) []float32 {
	if cap(*buffer) < n {
		*buffer = make([]float32, n)
	}
	*buffer = (*buffer)[:n]
	return *buffer
}

// forward runs one token for each row through all layers, adds its keys and values to the
// row's span, and leaves the hidden states before the last norm in w.x. Rows of a prompt are
// consecutive positions from the span's length.
func (w *worker) forward(tokens, positions []int32, parts []part) {
	d, n := w.d, len(tokens)
	hidden := d.c.Hidden
	ld := roundUp(hidden)
	x := sized(&w.x, n*ld)
	for r, id := range tokens {
		copy(x[r*ld:], d.embed[int(id)*hidden:][:hidden])
	}
	for _, p := range parts {
		p.extend(1)
	}
	for i := range d.layers {
		l := &d.layers[i]
		normed := w.norm(x, l.attnNorm, n)
		wide := l.qkv.count * lanes
		qkv := sized(&w.qkv, n*wide)
		multiply(qkv, wide, normed, ld, n, hidden, l.qkv, false)
		addBias(qkv, l.qkvBias, n)
		w.turn(l, qkv, wide, positions)
		queries := d.c.Heads * d.dim
		mixed := sized(&w.mixed, n*queries)
		row := 0
		for _, p := range parts {
			w.store(i, p, qkv[row*wide:], wide)
			w.attend(i, p, qkv[row*wide:], wide, mixed[row*queries:], queries)
			row += p.rows
		}
		multiply(x, ld, mixed, queries, n, queries, l.out, true)
		addBias(x, l.outBias, n)
		w.feedForward(l, x, n)
	}
}

// extend makes room in the spans that the rows write to.
func (p part) extend(by int) {
	if p.own == nil {
		p.shared.reserve(p.shared.length + p.rows)
		p.shared.length += p.rows
		return
	}
	for _, s := range p.own {
		s.reserve(s.length + by)
		s.length += by
	}
}

func (w *worker) feedForward(l *layer, x []float32, n int) {
	c := &w.d.c
	ld, width := roundUp(c.Hidden), roundUp(c.Intermediate)
	normed := w.norm(x, l.ffNorm, n)
	ff := sized(&w.ff, n*2*width)
	multiply(ff, 2*width, normed, ld, n, c.Hidden, l.gateUp, false)
	addBias(ff, l.gateUpBias, n)
	for r := range n {
		row := ff[r*2*width:]
		swish(row[:width], row[width:2*width])
	}
	multiply(x, ld, ff, 2*width, n, c.Intermediate, l.down, true)
	addBias(x, l.downBias, n)
}

// addBias adds a bias to each of n rows; one of a whole number of panels or shorter than the row.
func addBias(y, bias []float32, n int) {
	if bias == nil {
		return
	}
	ld := roundUp(len(bias))
	for r := range n {
		row := y[r*ld:][:len(bias)]
		for i, b := range bias {
			row[i] += b
		}
	}
}

// norm is the RMS norm of n rows of x, in a buffer of its own.
func (w *worker) norm(x, weight []float32, n int) []float32 {
	ld := roundUp(len(weight))
	to := sized(&w.normed, n*ld)
	for r := range n {
		normRow(to[r*ld:], x[r*ld:], weight, w.d.c.NormEpsilon)
	}
	return to
}

func normRow(to, x, weight []float32, epsilon float64) {
	x = x[:len(weight)]
	to = to[:len(weight)]
	scale := float32(1 / math.Sqrt(float64(sumSquares(x))/float64(len(x))+epsilon))
	for i, a := range x {
		to[i] = a * scale * weight[i]
	}
}

// turn applies the norms of query and key heads, where the family has them, and the rope;
// queries take the scale of the scores along.
func (w *worker) turn(l *layer, qkv []float32, ld int, positions []int32) {
	c, dim := &w.d.c, w.d.dim
	half := c.HeadDim / 2
	scale := float32(1 / math.Sqrt(float64(c.HeadDim)))
	for r, position := range positions {
		cos, sin := w.rope.cos[int(position)*half:][:half], w.rope.sin[int(position)*half:][:half]
		for h := range c.Heads + c.KVHeads {
			head, by, norm := qkv[r*ld+h*dim:][:c.HeadDim], scale, l.queryNorm
			if h >= c.Heads {
				by, norm = 1, l.keyNorm
			}
			if norm != nil {
				normRow(head, head, norm, c.NormEpsilon)
			}
			low, high := head[:half], head[half:]
			for i, a := range low {
				b := high[i]
				low[i] = (a*cos[i] - b*sin[i]) * by
				high[i] = (b*cos[i] + a*sin[i]) * by
			}
		}
	}
}

// store puts the rows' keys and values of a layer into their spans.
func (w *worker) store(layer int, p part, qkv []float32, ld int) {
	c, dim := &w.d.c, w.d.dim
	for r := range p.rows {
		s, position := p.shared, p.shared.length-p.rows+r
		if p.own != nil {
			s, position = p.own[r], p.own[r].length-1
		}
		for kv := range c.KVHeads {
			key := qkv[r*ld+(c.Heads+kv)*dim:]
			s.put(layer*c.KVHeads+kv, position, key[:dim], key[c.KVHeads*dim:][:dim])
		}
	}
}

// head makes the logits after n rows of the last forward pass, from row first on; rows of the
// result are the vocabulary rounded up.
func (w *worker) head(first, n int) (logits []float32, ld int) {
	d := w.d
	hidden := roundUp(d.c.Hidden)
	normed := w.norm(w.x[first*hidden:], d.norm, n)
	ld = d.head.count * lanes
	logits = sized(&w.logits, n*ld)
	multiply(logits, ld, normed, hidden, n, d.c.Hidden, d.head, false)
	return logits, ld
}
