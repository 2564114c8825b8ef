package dedup

// commonMost is the number of different texts of one owner in which an n-gram may stand: one
// that is more frequent is a phrase of a template, and says nothing.
const commonMost = 10

// Grams is an index of word n-grams, by which a text is found that holds a part of another one.
// First Add, then Seal, then Find, which may run on many goroutines.
type Grams struct {
	n      int
	first  map[uint64]gram
	filter []uint64 // a bit for each hash, before the map is asked
}

type gram struct {
	origin int32 // the first text it stood in
	last   int32
	texts  int32
}

// NewGrams returns an empty index of runs of n words.
func NewGrams(n int) *Grams { return &Grams{n: n, first: map[uint64]gram{}} }

// N returns the number of words in an n-gram.
func (g *Grams) N() int { return g.n }

// Add takes every stride-th n-gram of a text. A text of fewer words has none: false. Texts are
// numbered by their caller, each number after the one before.
func (g *Grams) Add(words []uint64, origin, stride int) bool {
	if len(words) < g.n {
		return false
	}
	i := 0
	grams(words, g.n, func(h uint64) {
		if i%stride == 0 {
			g.add(mix(h), int32(origin))
		}
		i++
	})
	return true
}

func (g *Grams) add(h uint64, origin int32) {
	e, ok := g.first[h]
	switch {
	case !ok:
		e = gram{origin, origin, 1}
	case e.last == origin:
		return
	default:
		e.last = origin
		e.texts++
	}
	g.first[h] = e
}

// Seal leaves out the n-grams that stand in more than 10 texts: phrases of a template.
func (g *Grams) Seal() {
	size := 1
	for size < len(g.first)/4 {
		size *= 2
	}
	g.filter = make([]uint64, size)
	for h, e := range g.first {
		if e.texts > commonMost {
			delete(g.first, h)
			continue
		}
		g.filter[h>>6&uint64(size-1)] |= 1 << (h & 63)
	}
}

// Find returns the first n-gram of the words that is in the index: where it begins, and the
// text it came from.
func (g *Grams) Find(words []uint64) (at, origin int, found bool) {
	if len(words) < g.n || len(g.first) == 0 {
		return 0, 0, false
	}
	i, mask := 0, uint64(len(g.filter)-1)
	grams(words, g.n, func(h uint64) {
		if !found {
			h = mix(h)
			if g.filter[h>>6&mask]&(1<<(h&63)) != 0 {
				if e, ok := g.first[h]; ok {
					at, origin, found = i, int(e.origin), true
				}
			}
		}
		i++
	})
	return at, origin, found
}
