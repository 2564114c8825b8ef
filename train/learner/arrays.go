package learner

// arrays are a micro-batch as the graph takes it. A row is [length], a slot is one predicted token.
type arrays struct {
	shape     Shape
	ids       []int32 // [rows][length]
	positions []int32 // [rows][length]; of the token in its own branch
	segments  []int32 // [rows][length]; 0 padding, else the tree's number in the row
	branches  []int32 // [rows][length]; 0 prompt, else the branch's number in its tree

	sources []int32 // [rows][slots]; index in [rows*length] of the token that predicts
	targets []int32 // [rows][slots]; the id that it should predict

	weights    []float32 // [rows][slots]; share of the loss; 0 in padding
	advantages []float32 // [rows][slots]
	old        []float32 // [rows][slots]; logprobs of the policy that wrote it
	reference  []float32 // [rows][slots]

	places []place // [used slots], in the order of trees, branches and tokens
	tokens int     // that are not padding
}

// place says which tree, branch and token of the response a slot is.
type place struct{ slot, tree, branch, token int }

// weigher gives the share of the loss that each token of a response has.
type weigher func(tree, branch int) float32

// layOut writes the trees of a micro-batch into arrays.
func layOut(trees []Tree, m micro, weigh weigher) *arrays {
	s := m.shape
	a := &arrays{shape: s}
	for _, p := range []*[]int32{&a.ids, &a.positions, &a.segments, &a.branches} {
		*p = make([]int32, s.Rows*s.Length)
	}
	for _, p := range []*[]int32{&a.sources, &a.targets} {
		*p = make([]int32, s.Rows*s.Slots)
	}
	for _, p := range []*[]float32{&a.weights, &a.advantages, &a.old, &a.reference} {
		*p = make([]float32, s.Rows*s.Slots)
	}
	for i, r := range m.rows {
		w := writer{arrays: a, at: i * s.Length, slot: i * s.Slots}
		for j, index := range r.trees {
			w.segment = int32(j + 1)
			w.tree(index, &trees[index], weigh)
		}
		a.tokens += r.length
	}
	return a
}

// writer appends to one row.
type writer struct {
	*arrays
	at, slot int // where the next token and the next slot go
	segment  int32
}

func (w *writer) tree(index int, t *Tree, weigh weigher) {
	w.run(t.Prompt, 0, 0)
	last := w.at - 1 // the prompt's last token predicts the first of every branch
	for i := range t.Branches {
		b := &t.Branches[i]
		begin := w.at
		w.run(b.Tokens, len(t.Prompt), int32(i+1))
		share := weigh(index, i)
		for j, id := range b.Response() {
			source := begin + b.Given + j - 1
			if source < begin {
				source = last
			}
			w.predict(source, id, share, b, j)
			w.places = append(w.places, place{w.slot - 1, index, i, j})
		}
	}
}

// run writes tokens whose positions go on at first.
func (w *writer) run(ids []int32, first int, branch int32) {
	for i, id := range ids {
		w.ids[w.at], w.positions[w.at] = id, int32(first+i)
		w.segments[w.at], w.branches[w.at] = w.segment, branch
		w.at++
	}
}

// predict writes one slot: token j of a response.
func (w *writer) predict(source int, id int32, share float32, b *Branch, j int) {
	w.sources[w.slot], w.targets[w.slot] = int32(source), id
	w.weights[w.slot], w.advantages[w.slot] = share, b.Advantage
	if b.Logprobs != nil {
		w.old[w.slot] = b.Logprobs[j]
	}
	if b.Reference != nil {
		w.reference[w.slot] = b.Reference[j]
	}
	w.slot++
}
