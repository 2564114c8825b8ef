package dedup

import (
	"encoding/binary"
	"math/bits"
)

// ShingleWords is the number of words in a shingle: the sets that are compared are those of
// the shingles of two documents, and their similarity is the Jaccard index |A∩B| / |A∪B|.
const ShingleWords = 5

const (
	bins         = 128
	signatureLen = bins / 8
)

// A Signature stands for the set of a document's shingles: 128 bytes, of which two documents
// have about as large a share in common as their sets.
//
// It is filled as in "Fast Similarity Sketching" (Dahlgaard, Knudsen, Thorup, arXiv 1704.04370):
// a shingle falls into one bin, each bin keeps its smallest value, and bins that are empty
// after all shingles are filled in further rounds with other hashes, so that short documents
// are compared as well as long ones. Of each value 8 bits are kept ("b-Bit Minwise Hashing",
// Li and König, arXiv 0910.3349). The standard error of a similarity J is √(J(1-J)/128):
// 0.035 at 0.8.
type Signature [signatureLen]uint64

// Bytes is the size of a Signature as bytes.
const Bytes = bins

// Append appends the signature's bytes.
func (s *Signature) Append(dst []byte) []byte {
	for _, w := range s {
		dst = binary.LittleEndian.AppendUint64(dst, w)
	}
	return dst
}

// SignatureOf reads what Append wrote; ok is false where the length is another.
func SignatureOf(b []byte) (s Signature, ok bool) {
	if len(b) != Bytes {
		return s, false
	}
	for i := range s {
		s[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return s, true
}

// Similarity estimates the Jaccard index of the two documents' shingles, in [0, 1].
func (s *Signature) Similarity(t *Signature) float64 {
	equal := 0
	const low = 0x7f7f7f7f7f7f7f7f
	for i := range s {
		x := s[i] ^ t[i]
		equal += bits.OnesCount64(^((x&low + low) | x | low)) // bytes of x that are zero
	}
	// One of 256 bytes is equal by chance.
	const chance = 1.0 / 256
	return max(0, (float64(equal)/bins-chance)/(1-chance))
}

// radix and its power make the rolling hash of a shingle.
const radix = 0x9e3779b97f4a7c15 | 1

func power(n int) uint64 {
	p := uint64(1)
	for range n {
		p *= radix
	}
	return p
}

// grams yields the rolling hash of each run of n words; of fewer words, one of all of them.
func grams(words []uint64, n int, yield func(h uint64)) {
	if len(words) == 0 {
		return
	}
	n = min(n, len(words))
	var h uint64
	for _, w := range words[:n] {
		h = h*radix + w
	}
	yield(h)
	out := power(n - 1)
	for i, w := range words[n:] {
		h = (h-words[i]*out)*radix + w
		yield(h)
	}
}

// Sign returns the signature of a document's words. A document without words has the zero one.
func Sign(words []uint64) (s Signature) {
	if len(words) == 0 {
		return s
	}
	var least [bins]uint64
	for i := range least {
		least[i] = empty
	}
	left := bins
	grams(words, ShingleWords, func(h uint64) {
		v := mix(h)
		if b, v := v>>(64-7), v&valueMask; v < least[b] {
			if least[b] == empty {
				left--
			}
			least[b] = v
		}
	})
	if left > 0 {
		fill(&least, words)
	}
	for i, v := range least {
		s[i/8] |= v & 0xff << (i % 8 * 8)
	}
	return s
}

const (
	empty     = 1<<64 - 1
	valueMask = 1<<57 - 1
)

// distinctMost bounds the shingles that further rounds look at. More distinct ones leave a bin
// empty with a probability below 10⁻¹¹.
const distinctMost = 4096

// fill goes on with the rounds after the first, until no bin is empty.
func fill(least *[bins]uint64, words []uint64) {
	seen := map[uint64]struct{}{}
	grams(words, ShingleWords, func(h uint64) {
		if len(seen) < distinctMost {
			seen[h] = struct{}{}
		}
	})
	for round := uint64(1); round <= 2*bins; round++ {
		var now [bins]uint64
		for i := range now {
			now[i] = empty
		}
		for h := range seen {
			v := mix(h + round*prime)
			b := v >> (64 - 7)
			if round > bins { // one bin a round: none stays empty
				b = round - bins - 1
			}
			now[b] = min(now[b], v&valueMask)
		}
		left := 0
		for i := range least {
			if least[i] == empty {
				least[i] = now[i]
			}
			if least[i] == empty {
				left++
			}
		}
		if left == 0 {
			return
		}
	}
}
