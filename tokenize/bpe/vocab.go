package bpe

import (
	"math/bits"
	"sync/atomic"
)

// vocab finds a token by its bytes, and the bytes of a token.
//
// Short tokens (up to 13 bytes, nearly all that text asks for) lie in an open-addressing table whose slots are two words:
//
//	lo: bytes 0-7    hi: bytes 8-12 (40 bits) | length (4) | id (18) | state (2)
//
// so that a look-up is one multiplication, one cache line and two compares. Longer ones, and ids from 2^18 on, lie in a second
// table of (hash, id) that compares with the bytes themselves.
//
// The state says whether merging the token's bytes gives the token: not every token of a vocabulary can be reached by its
// merges. It is found out when the piece is first met, and kept; that is the only thing ever written after loading.
type vocab struct {
	text  []byte   // all tokens, one after the other
	start []uint32 // token id is text[start[id]:start[id+1]]; empty for an id that no token has
	short []shortSlot
	long  []uint64 // hash (32 bits) | state (2) | id+1 (30); 0 is empty
	longs int      // entries of long
	wide  bool     // some short tokens are in long, their ids are from 2^18 on
}

type shortSlot struct{ lo, hi uint64 }

const (
	maxShort  = 13
	keyBits   = 44
	keyMask   = 1<<keyBits - 1
	idShift   = keyBits
	idBits    = 18
	stateBits = 62

	longIDBits    = 30
	longIDMask    = 1<<longIDBits - 1
	longStateBits = 30
)

// The states of a token.
const (
	stateUnknown = iota
	stateSingle  // the piece is this one token
	stateMerges  // the piece becomes other tokens
)

func shortHash(lo, hi uint64) uint64 {
	h, l := bits.Mul64(lo^0x9E3779B97F4A7C15, hi^0xD6E8FEB86659FD93)
	return h ^ l
}

// longHash hashes a piece of eight bytes or more.
func longHash(s string) uint64 {
	h := uint64(len(s)) * 0x9E3779B97F4A7C15
	i := 0
	for ; i+8 < len(s); i += 8 {
		hi, lo := bits.Mul64(h^load64(s, i), 0xD6E8FEB86659FD93)
		h = hi ^ lo
	}
	hi, lo := bits.Mul64(h^load64(s, len(s)-8), 0xA0761D6478BD642F)
	return hi ^ lo
}

// shortKey returns the words of a piece of at most maxShort bytes.
func shortKey(s string) (lo, hi uint64) {
	var b [16]byte
	copy(b[:], s)
	p := unsafeString(b[:])
	return load64(p, 0), load64(p, 8) | uint64(len(s))<<40
}

// newVocab makes room for n tokens of size bytes in all.
func newVocab(n, size int) *vocab {
	return &vocab{
		text:  make([]byte, 0, size),
		start: make([]uint32, 1, n+1),
		short: make([]shortSlot, 1<<bits.Len(uint(n)*3/2)),
		long:  make([]uint64, 1<<bits.Len(uint(n)/2+16)),
	}
}

func (v *vocab) size() int { return len(v.start) - 1 }

// bytes returns the token's bytes, empty for an id that no token has.
func (v *vocab) bytes(id int32) []byte {
	if uint(id) >= uint(v.size()) {
		return nil
	}
	return v.text[v.start[id]:v.start[id+1]]
}

// append gives the next id to a token; one that is not matched (find never returns it) may be any text.
func (v *vocab) append(token []byte) {
	v.text = append(v.text, token...)
	v.start = append(v.start, uint32(len(v.text)))
}

// insert makes a token findable. It returns the id that has the same bytes already, or -1.
func (v *vocab) insert(id int32, state uint64) (same int32) {
	token := unsafeString(v.bytes(id))
	if got, _ := v.find(token); got >= 0 {
		return got
	}
	if len(token) <= maxShort && id < 1<<idBits {
		lo, hi := shortKey(token)
		mask := uint64(len(v.short) - 1)
		i := shortHash(lo, hi) & mask
		for v.short[i].hi != 0 {
			i = (i + 1) & mask
		}
		v.short[i] = shortSlot{lo, hi | uint64(id)<<idShift | state<<stateBits}
		return -1
	}
	v.wide = v.wide || len(token) <= maxShort
	h := v.hash(token)
	mask := uint64(len(v.long) - 1)
	i := h & mask
	for v.long[i] != 0 {
		i = (i + 1) & mask
	}
	v.long[i] = h>>32<<32 | state<<longStateBits | uint64(id+1)
	if v.longs++; 2*v.longs > len(v.long) {
		v.growLong()
	}
	return -1
}

func (v *vocab) hash(token string) uint64 {
	if len(token) < 8 {
		return shortHash(shortKey(token))
	}
	return longHash(token)
}

// growLong doubles the second table; the first is made large enough.
func (v *vocab) growLong() {
	old := v.long
	v.long = make([]uint64, 2*len(old))
	mask := uint64(len(v.long) - 1)
	for _, e := range old {
		if e == 0 {
			continue
		}
		i := v.hash(unsafeString(v.bytes(int32(e&longIDMask)-1))) & mask
		for v.long[i] != 0 {
			i = (i + 1) & mask
		}
		v.long[i] = e
	}
}

// place is where a found token's state is kept.
type place struct {
	word  *uint64
	shift uint
}

func (p place) set(state uint64) {
	for {
		old := atomic.LoadUint64(p.word)
		if atomic.CompareAndSwapUint64(p.word, old, old&^(3<<p.shift)|state<<p.shift) {
			return
		}
	}
}

func (p place) state() uint64 { return atomic.LoadUint64(p.word) >> p.shift & 3 }

// find returns the id of the token with these bytes and where its state is kept, or -1.
func (v *vocab) find(s string) (int32, place) {
	if len(s) <= maxShort {
		lo, hi := shortKey(s)
		if slot := v.findShort(lo, hi, shortHash(lo, hi)); slot != nil {
			return int32(atomic.LoadUint64(&slot.hi) >> idShift & (1<<idBits - 1)), place{&slot.hi, stateBits}
		}
		if !v.wide {
			return -1, place{}
		}
	}
	return v.findLong(s)
}

// findLong is find in the second table.
func (v *vocab) findLong(s string) (int32, place) {
	h := v.hash(s)
	mask := uint64(len(v.long) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		e := atomic.LoadUint64(&v.long[i])
		if e == 0 {
			return -1, place{}
		}
		if id := int32(e&longIDMask) - 1; e>>32 == h>>32 && string(v.bytes(id)) == s {
			return id, place{&v.long[i], longStateBits}
		}
	}
}

func (v *vocab) findShort(lo, hi, hash uint64) *shortSlot {
	mask := uint64(len(v.short) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		slot := &v.short[i]
		got := atomic.LoadUint64(&slot.hi)
		if slot.lo == lo && got&keyMask == hi {
			return slot
		}
		if got == 0 {
			return nil
		}
	}
}
