package bpe

import "math/bits"

// merger joins the bytes of a piece by the merges of the model: of all neighbours that a merge joins, the pair with the lowest
// rank first, the leftmost of equals, until none is left.
type merger struct {
	byteID [256]int32 // the token of each byte, -1 for none: such a byte is left out, as the reference does
	bytes  []uint64   // what the pair of bytes a, b becomes: bytes[a<<8|b]
	pairs  []pairSlot // what every other pair becomes
	used   int
}

// A joined pair is rank<<32 | id, so that the lowest rank is the lowest number; notJoined is above all.
type pairSlot struct {
	key    uint64 // left id+1 << 32 | right id
	joined uint64
}

const notJoined = ^uint64(0)

func newMerger(n int) *merger {
	m := &merger{bytes: make([]uint64, 1<<16), pairs: make([]pairSlot, 1<<bits.Len(uint(n)*3/2+16))}
	for i := range m.byteID {
		m.byteID[i] = -1
	}
	for i := range m.bytes {
		m.bytes[i] = notJoined
	}
	return m
}

func pairHash(key uint64) uint64 {
	h, l := bits.Mul64(key, 0x9E3779B97F4A7C15)
	return h ^ l
}

// add sets what a pair becomes; the last word about a pair counts, as in the reference.
func (m *merger) add(left, right int32, rank uint32, id int32) {
	key := uint64(left+1)<<32 | uint64(uint32(right))
	mask := uint64(len(m.pairs) - 1)
	i := pairHash(key) & mask
	for m.pairs[i].key != 0 && m.pairs[i].key != key {
		i = (i + 1) & mask
	}
	if m.pairs[i].key == 0 {
		m.used++
	}
	m.pairs[i] = pairSlot{key, uint64(rank)<<32 | uint64(id)}
	if 4*m.used > 3*len(m.pairs) {
		m.grow()
	}
}

func (m *merger) grow() {
	old := m.pairs
	m.pairs = make([]pairSlot, 2*len(old))
	mask := uint64(len(m.pairs) - 1)
	for _, p := range old {
		if p.key == 0 {
			continue
		}
		i := pairHash(p.key) & mask
		for m.pairs[i].key != 0 {
			i = (i + 1) & mask
		}
		m.pairs[i] = p
	}
}

// finish fills the table of byte pairs, once all tokens and merges are known.
func (m *merger) finish() {
	for a, left := range m.byteID {
		for b, right := range m.byteID {
			if left >= 0 && right >= 0 {
				m.bytes[a<<8|b] = m.pair(left, right)
			}
		}
	}
}

func (m *merger) pair(left, right int32) uint64 {
	key := uint64(left+1)<<32 | uint64(uint32(right))
	mask := uint64(len(m.pairs) - 1)
	for i := pairHash(key) & mask; ; i = (i + 1) & mask {
		p := &m.pairs[i]
		if p.key == key {
			return p.joined
		}
		if p.key == 0 {
			return notJoined
		}
	}
}

// maxScan is the length of piece up to which looking through all pairs for the lowest beats keeping them in a heap.
const maxScan = 64

// mergeScratch is reused from piece to piece.
type mergeScratch struct {
	ids    []int32
	joined []uint64 // what ids[i] and its right neighbour become
	prev   []int32
	next   []int32
	heap   []uint64 // rank<<32 | position
}

// append appends the tokens of the piece.
func (m *merger) append(dst []int32, s string, w *mergeScratch) []int32 {
	ids, joined := w.ids[:0], w.joined[:0]
	before := -1
	for i := range len(s) {
		b := s[i]
		if m.byteID[b] < 0 {
			continue
		}
		if before >= 0 {
			joined = append(joined, m.bytes[before<<8|int(b)])
		}
		ids = append(ids, m.byteID[b])
		before = int(b)
	}
	w.ids = ids
	if len(ids) == 0 {
		return dst
	}
	joined = append(joined, notJoined)
	w.joined = joined
	if len(ids) > maxScan {
		return m.heapMerge(dst, w)
	}
	for {
		low, at := notJoined, 0
		for i, j := range joined {
			if j < low {
				low, at = j, i
			}
		}
		if low == notJoined {
			return append(dst, ids...)
		}
		copy(ids[at+1:], ids[at+2:])
		copy(joined[at+1:], joined[at+2:])
		ids, joined = ids[:len(ids)-1], joined[:len(joined)-1]
		id := int32(uint32(low))
		ids[at] = id
		joined[at] = notJoined
		if at+1 < len(ids) {
			joined[at] = m.pair(id, ids[at+1])
		}
		if at > 0 {
			joined[at-1] = m.pair(ids[at-1], id)
		}
	}
}

// heapMerge does the same for a long piece in n log n steps: positions stay, neighbours are linked, and an entry of the heap
// counts only if its pair still has that rank.
func (m *merger) heapMerge(dst []int32, w *mergeScratch) []int32 {
	ids, joined := w.ids, w.joined
	n := len(ids)
	prev, next, heap := w.prev[:0], w.next[:0], w.heap[:0]
	for i := range n {
		prev, next = append(prev, int32(i-1)), append(next, int32(i+1))
		if joined[i] != notJoined {
			heap = append(heap, joined[i]>>32<<32|uint64(i))
		}
	}
	for i := len(heap)/2 - 1; i >= 0; i-- {
		siftDown(heap, i)
	}
	for len(heap) > 0 {
		top := heap[0]
		heap[0] = heap[len(heap)-1]
		heap = heap[:len(heap)-1]
		siftDown(heap, 0)
		at := int(uint32(top))
		if joined[at] == notJoined || joined[at]>>32 != top>>32 {
			continue
		}
		gone := int(next[at])
		ids[at] = int32(uint32(joined[at]))
		joined[gone] = notJoined
		ids[gone] = -1
		right := int(next[gone])
		next[at] = int32(right)
		joined[at] = notJoined
		if right < n {
			prev[right] = int32(at)
			if joined[at] = m.pair(ids[at], ids[right]); joined[at] != notJoined {
				heap = push(heap, joined[at]>>32<<32|uint64(at))
			}
		}
		if left := int(prev[at]); left >= 0 {
			if joined[left] = m.pair(ids[left], ids[at]); joined[left] != notJoined {
				heap = push(heap, joined[left]>>32<<32|uint64(left))
			}
		}
	}
	w.prev, w.next, w.heap = prev, next, heap
	for i := 0; i < n; i = int(next[i]) {
		dst = append(dst, ids[i])
	}
	return dst
}

func siftDown(h []uint64, i int) {
	for {
		c := 2*i + 1
		if c >= len(h) {
			return
		}
		if c+1 < len(h) && h[c+1] < h[c] {
			c++
		}
		if h[i] <= h[c] {
			return
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
}

func push(h []uint64, v uint64) []uint64 {
	h = append(h, v)
	for i := len(h) - 1; i > 0; {
		p := (i - 1) / 2
		if h[p] <= h[i] {
			break
		}
		h[p], h[i] = h[i], h[p]
		i = p
	}
	return h
}
