package decode

// A span holds the keys and values of consecutive positions, for every layer and key-value
// head: those of a prompt, shared by its responses, or those of one response.
//
// Keys lie as panels [position/16][dim][16], so that scores are one product; values as panels
// [dim/16][position][16], so that the weighted sum is one too.
type span struct {
	dim, heads int // heads over all layers
	length     int
	capacity   int // a multiple of 16
	keys       []float32
	values     []float32
}

func newSpan(heads, dim, capacity int) *span {
	capacity = roundUp(capacity)
	return &span{
		dim: dim, heads: heads, capacity: capacity,
		keys: make([]float32, heads*dim*capacity), values: make([]float32, heads*dim*capacity),
	}
}

// reserve makes room for n positions, by doubling.
func (s *span) reserve(n int) {
	if n <= s.capacity {
		return
	}
	bigger := newSpan(s.heads, s.dim, max(n, 2*s.capacity))
	bigger.length = s.length
	for h := range s.heads {
		copy(bigger.keysOf(h).data, s.keysOf(h).data[:s.dim*s.capacity])
		for p := range s.dim / lanes {
			from, to := s.valuesOf(h), bigger.valuesOf(h)
			copy(to.data[p*to.stride:], from.data[p*from.stride:][:s.length*lanes])
		}
	}
	*s = *bigger
}

// keysOf are a head's keys as a matrix of dim rows and a column for each position.
func (s *span) keysOf(head int) panels {
	return panels{s.keys[head*s.dim*s.capacity:], roundUp(s.length) / lanes, s.dim * lanes}
}

// valuesOf are a head's values as a matrix of a row for each position and dim columns.
func (s *span) valuesOf(head int) panels {
	return panels{s.values[head*s.dim*s.capacity:], s.dim / lanes, s.capacity * lanes}
}

// put stores one head's key and value of a position.
func (s *span) put(head, position int, key, value []float32) {
	keys := s.keys[head*s.dim*s.capacity+position/lanes*s.dim*lanes+position%lanes:]
	for d, x := range key {
		keys[d*lanes] = x
	}
	m := s.valuesOf(head)
	for p := range m.count {
		copy(m.data[p*m.stride+position*lanes:], value[p*lanes:(p+1)*lanes])
	}
}
