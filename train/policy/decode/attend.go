package decode

// maxScores bounds the floats of scores that are made at a time.
const maxScores = 1 << 18

// attend is one layer's attention for a part: mixed gets the weighted values of each row's
// query heads. Every key-value head is one product for all rows and query heads that share it.
func (w *worker) attend(layer int, p part, qkv []float32, ld int, mixed []float32, ldMixed int) {
	own := 0
	for _, s := range p.own {
		own = max(own, roundUp(s.length))
	}
	ldScores := roundUp(p.shared.length) + own
	step := max(1, maxScores/(ldScores*w.d.group))
	for from := 0; from < p.rows; from += step {
		to := min(from+step, p.rows)
		for kv := range w.d.c.KVHeads {
			w.attendHead(layer, kv, p, from, to, ldScores, qkv, ld, mixed, ldMixed)
		}
	}
}

func (w *worker) attendHead(layer, kv int, p part, from, to, ldScores int, qkv []float32, ld int, mixed []float32, ldMixed int) {
	dim, group := w.d.dim, w.d.group
	head, n := layer*w.d.c.KVHeads+kv, (to-from)*group
	queries := sized(&w.queries, n*dim)
	for r := from; r < to; r++ {
		copy(queries[(r-from)*group*dim:][:group*dim], qkv[r*ld+kv*group*dim:])
	}
	scores := sized(&w.scores, n*ldScores)
	multiply(scores, ldScores, queries, dim, n, dim, p.shared.keysOf(head), false)
	after := roundUp(p.shared.length)
	for r := from; p.own != nil && r < to; r++ {
		at := (r - from) * group
		multiply(scores[at*ldScores+after:], ldScores, queries[at*dim:], dim, group, dim, p.own[r].keysOf(head), false)
	}
	out := sized(&w.out, n*dim)
	sums := w.soften(p, from, to, ldScores, scores)
	multiply(out, dim, scores, ldScores, n, p.shared.length, p.shared.valuesOf(head), false)
	for r := from; r < to; r++ {
		at := (r - from) * group
		if p.own != nil {
			multiply(out[at*dim:], dim, scores[at*ldScores+after:], ldScores, group, p.own[r].length, p.own[r].valuesOf(head), true)
		}
		for j := range group {
			scale := 1 / sums[at+j]
			to := mixed[r*ldMixed+(kv*group+j)*dim:][:dim]
			for i, x := range out[(at+j)*dim:][:dim] {
				to[i] = x * scale
			}
		}
	}
}

// soften turns each row of scores into weights that are not yet divided by their sum, which it
// returns. A row of a prompt sees the positions up to its own; what follows weighs 0.
func (w *worker) soften(p part, from, to, ldScores int, scores []float32) []float32 {
	group := w.d.group
	sums := sized(&w.sums, (to-from)*group)
	after := roundUp(p.shared.length)
	for r := from; r < to; r++ {
		seen := p.shared.length
		if p.own == nil {
			seen -= p.rows - 1 - r
		}
		for j := range group {
			at := (r-from)*group + j
			row := scores[at*ldScores:][:ldScores]
			shared, own := row[:seen], row[:0]
			if p.own != nil {
				own = row[after:][:p.own[r].length]
			}
			shift := max(most(shared), most(own))
			sums[at] = expSum(shared, shift) + expSum(own, shift)
			clear(row[seen:p.shared.length])
		}
	}
	return sums
}

// most is the largest value, or the least there is of none.
func most(x []float32) float32 {
	top := float32(-3e38)
	for _, a := range x {
		top = max(top, a)
	}
	return top
}
