package bpe

import "math/bits"

// merger joins the bytes of a piece by the merges of the model: of all neighbours that a merge joins, the pair with the lowest
// rank first, the leftmost of equals, until none is left.
type merger struct {
	byteID [256]int32 // the token of each byte, -1 for none: such a byte is left out, as the reference does
	bytes  []uint32   // the rank at which the bytes a, b join: bytes[a<<8|b]
	pairs  []uint64   // the rank at which any two tokens join: left id (20 bits) | right id (20) | rank+1 (24); 0 is empty
	result []int32    // the token that the merge of each rank gives; nil: rank + first
	first  int32
	maybe  []uint64 // a bit for each hash that some pair has: most neighbours join at no rank, and this is small enough to stay close
	used   int
}

const (
	notJoined = ^uint32(0) // no rank

	pairIDBits = 20
	rankBits   = 24
	rankMask   = 1<<rankBits - 1
	maybeBits  = 1 << 20
)

func newMerger(n int) *merger {
	m := &merger{bytes: make([]uint32, 1<<16), pairs: make([]uint64, 1<<bits.Len(uint(n)*3/2+16))}
	for i := range m.byteID {
		m.byteID[i] = -1
	}
	for i := range m.bytes {
		m.bytes[i] = notJoined
	}
	return m
}

func pairKey(left, right int32) uint64 {
	return uint64(left)<<(pairIDBits+rankBits) | uint64(right)<<rankBits
}

func pairHash(key uint64) uint64 {
	h, l := bits.Mul64(key, 0x9E3779B97F4A7C15)
	return h ^ l
}

// add sets the rank of a pair; the last word about a pair counts, as in the reference.
func (m *merger) add(left, right int32, rank uint32) {
	key := pairKey(left, right)
	mask := uint64(len(m.pairs) - 1)
	i := pairHash(key) & mask
	for m.pairs[i] != 0 && m.pairs[i]&^rankMask != key {
		i = (i + 1) & mask
	}
	if m.pairs[i] == 0 {
		m.used++
	}
	m.pairs[i] = key | uint64(rank+1)
	if 4*m.used > 3*len(m.pairs) {
		m.grow()
	}
}

func (m *merger) grow() {
	old := m.pairs
	m.pairs = make([]uint64, 2*len(old))
	mask := uint64(len(m.pairs) - 1)
	for _, p := range old {
		if p == 0 {
			continue
		}
		i := pairHash(p&^rankMask) & mask
		for m.pairs[i] != 0 {
			i = (i + 1) & mask
		}
		m.pairs[i] = p
	}
}

// finish fills the table of byte pairs, once all tokens and merges are known.
func (m *merger) finish() {
	m.plainResults()
	m.maybe = make([]uint64, maybeBits/64)
	for _, p := range m.pairs {
		if p != 0 {
			h := pairHash(p&^rankMask) >> 32
			m.maybe[h%maybeBits/64] |= 1 << (h % 64)
		}
	}
	for a, left := range m.byteID {
		for b, right := range m.byteID {
			if left >= 0 && right >= 0 {
				m.bytes[a<<8|b] = m.pair(left, right)
			}
		}
	}
}

// plainResults drops the list of results where each merge gives the next token, as in most vocabularies: to add is quicker
// than to look up, and every step of merging waits for it.
func (m *merger) plainResults() {
	if len(m.result) == 0 {
		return
	}
	first := m.result[0]
	for rank, id := range m.result {
		if id != first+int32(rank) {
			return
		}
	}
	m.first, m.result = first, nil
}

// pair returns the rank at which two tokens join.
func (m *merger) pair(left, right int32) uint32 {
	key := pairKey(left, right)
	pairs := m.pairs
	mask := uint64(len(pairs) - 1)
	hash := pairHash(key)
	if h := hash >> 32; m.maybe[h%maybeBits/64]>>(h%64)&1 == 0 {
		return notJoined
	}
	for i := hash & mask; ; i = (i + 1) & mask {
		p := pairs[i&uint64(len(pairs)-1)]
		if p&^rankMask == key && p != 0 {
			return uint32(p&rankMask) - 1
		}
		if p == 0 {
			return notJoined
		}
	}
}

// joined returns the token that the merge of a rank gives.
func (m *merger) joined(rank uint32) int32 {
	if m.result == nil {
		return m.first + int32(rank)
	}
	return m.result[rank]
}

// maxScan is the number of bytes up to which looking through all pairs for the lowest beats keeping them in a heap.
const maxScan = 64

// mergeScratch is reused from piece to piece.
type mergeScratch struct {
	few  [maxScan]symbol // of a piece of up to maxScan bytes
	ids  []int32         // of a longer one
	rank []uint32
	prev []int32
	next []int32
	heap []uint64 // rank<<32 | position
}

// symbol is a token and the rank at which it joins the one on its right.
type symbol struct {
	id   int32
	rank uint32
}

// append appends the tokens of the piece.
func (m *merger) append(dst []int32, s string, w *mergeScratch) []int32 {
	if len(s) <= lanes {
		return m.shortMerge(dst, s)
	}
	if len(s) > maxScan {
		return m.heapMerge(dst, s, w)
	}
	few := &w.few
	n, before := 0, 0
	for i := range len(s) {
		id := m.byteID[s[i]]
		if id < 0 {
			continue
		}
		if n > 0 {
			few[(n-1)&(maxScan-1)].rank = m.bytes[before<<8|int(s[i])]
		}
		before = int(s[i])
		few[n&(maxScan-1)] = symbol{id, notJoined}
		n++
	}
	for {
		// The rank with the position behind it: the lowest of these is the leftmost lowest, found without a branch.
		low := uint64(notJoined) << 8
		for i := range few[:n] {
			low = min(low, uint64(few[i].rank)<<8|uint64(i))
		}
		rank, at := uint32(low>>8), int(low&(maxScan-1))
		if rank == notJoined {
			break
		}
		id := m.joined(rank)
		n--
		for i := at + 1; i < n; i++ { // shorter than a call of memmove
			few[i&(maxScan-1)] = few[(i+1)&(maxScan-1)]
		}
		few[at] = symbol{id, notJoined}
		if at+1 < n {
			few[at].rank = m.pair(id, few[(at+1)&(maxScan-1)].id)
		}
		if at > 0 {
			few[at-1].rank = m.pair(few[at-1].id, id)
		}
	}
	for i := range few[:n] {
		dst = append(dst, few[i].id)
	}
	return dst
}

// lanes is the length of piece for which shortMerge has room.
const lanes = 16

// shortMerge does the same for a piece of up to 16 bytes, nearly all there are, without loops whose length the processor would
// have to guess: the lowest of always 16 lanes, each a rank with its position behind it, and links in place of moving.
func (m *merger) shortMerge(dst []int32, s string) []int32 {
	var ids [lanes]int32
	var next, prev [lanes]uint8
	var lane [lanes]uint32
	for i := range lane {
		lane[i] = notJoined
	}
	n, before := 0, 0
	for i := range len(s) {
		id := m.byteID[s[i]]
		if id < 0 {
			continue
		}
		at := n & (lanes - 1)
		if n > 0 {
			lane[at-1] = inLane(m.bytes[before<<8|int(s[i])], at-1)
		}
		before = int(s[i])
		ids[at], next[at], prev[at] = id, uint8(n+1), uint8(n-1)
		n++
	}
	for {
		a, b := min(lane[0], lane[1], lane[2], lane[3]), min(lane[4], lane[5], lane[6], lane[7])
		c, d := min(lane[8], lane[9], lane[10], lane[11]), min(lane[12], lane[13], lane[14], lane[15])
		low := min(min(a, b), min(c, d))
		if low == notJoined {
			break
		}
		at := int(low & (lanes - 1))
		id := m.joined(low / lanes)
		gone := next[at] & (lanes - 1)
		right := int(next[gone])
		ids[at], next[at] = id, uint8(right)
		lane[gone], lane[at] = notJoined, notJoined
		if right < n {
			right &= lanes - 1
			prev[right] = uint8(at)
			lane[at] = inLane(m.pair(id, ids[right]), at)
		}
		if at > 0 {
			left := int(prev[at] & (lanes - 1))
			lane[left] = inLane(m.pair(ids[left], id), left)
		}
	}
	for i := 0; i < n; i = int(next[i&(lanes-1)]) {
		dst = append(dst, ids[i&(lanes-1)])
	}
	return dst
}

// inLane puts the position behind a rank; no rank stays the highest number.
func inLane(rank uint32, at int) uint32 {
	if rank == notJoined {
		return notJoined
	}
	return rank*lanes | uint32(at)
}

// heapMerge does the same for a long piece in n log n steps: positions stay, neighbours are linked, and an entry of the heap
// counts only if its pair still has that rank.
func (m *merger) heapMerge(dst []int32, s string, w *mergeScratch) []int32 {
	ids, ranks := w.ids[:0], w.rank[:0]
	before := 0
	for i := range len(s) {
		id := m.byteID[s[i]]
		if id < 0 {
			continue
		}
		if len(ids) > 0 {
			ranks[len(ranks)-1] = m.bytes[before<<8|int(s[i])]
		}
		before = int(s[i])
		ids, ranks = append(ids, id), append(ranks, notJoined)
	}
	w.ids, w.rank = ids, ranks
	n := len(ids)
	prev, next, heap := w.prev[:0], w.next[:0], w.heap[:0]
	for i, r := range ranks {
		prev, next = append(prev, int32(i-1)), append(next, int32(i+1))
		if r != notJoined {
			heap = append(heap, uint64(r)<<32|uint64(i))
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
		at, rank := int(uint32(top)), uint32(top>>32)
		if ranks[at] != rank {
			continue
		}
		gone := int(next[at])
		right := int(next[gone])
		ids[at], ranks[at] = m.joined(rank), notJoined
		ranks[gone] = notJoined
		next[at] = int32(right)
		if right < n {
			prev[right] = int32(at)
			if ranks[at] = m.pair(ids[at], ids[right]); ranks[at] != notJoined {
				heap = push(heap, uint64(ranks[at])<<32|uint64(at))
			}
		}
		if left := int(prev[at]); left >= 0 {
			if ranks[left] = m.pair(ids[left], ids[at]); ranks[left] != notJoined {
				heap = push(heap, uint64(ranks[left])<<32|uint64(left))
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
