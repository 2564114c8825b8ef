package dedup

import (
	"fmt"
	"math/bits"
)

// LeastThreshold is the lowest similarity that an Index can look for.
const LeastThreshold = 0.5

// An Index finds among the texts it has taken those that are near a new one: locality-sensitive
// hashing of signatures (Indyk and Motwani; chapter 3 of "Mining of Massive Datasets"). A
// signature is cut into b bands of r bytes; texts that agree in a whole band are compared. A
// pair of similarity s is found with probability 1-(1-s^r)^b:
//
//	threshold ≥ 0.75   b = 16, r = 8   0.7: 0.61   0.8: 0.95   0.9: 0.9999
//	threshold < 0.75   b = 32, r = 4   0.5: 0.87   0.6: 0.99   0.7: 0.9998
//
// It takes about 300 bytes a text (twice the bands: 450), kept texts alone.
type Index struct {
	threshold float64
	perWord   int // bands in a word of a signature: 1 or 2
	bands     int
	kept      []Signature
	groups    []uint64 // [kept]
	heads     []uint32 // by hash of a band: the last link with this hash, plus one
	links     []uint32 // [kept*bands]: the link before in the chain, plus one
}

// NewIndex returns an empty index that has room for so many texts.
func NewIndex(threshold float64, texts int) (*Index, error) {
	if !(threshold >= LeastThreshold && threshold <= 1) {
		return nil, fmt.Errorf("similarity %g is not in [%g, 1]", threshold, LeastThreshold)
	}
	x := &Index{threshold: threshold, perWord: 1}
	if threshold < 0.75 {
		x.perWord = 2
	}
	x.bands = x.perWord * signatureLen
	x.grow(max(texts, 64))
	return x, nil
}

// Add takes a text unless one of the same group that was taken before is at least as similar
// as the threshold: then it returns the number of the first such text, from 0, and how similar
// the two are.
func (x *Index) Add(s *Signature, group uint64) (near int, similarity float64, found bool) {
	near = -1
	for b := range x.bands {
		for at := x.heads[x.slot(s, b, group)]; at != 0; at = x.links[at-1] {
			i := int(at-1) / x.bands
			if near >= 0 && i >= near || int(at-1)%x.bands != b || x.groups[i] != group || x.band(&x.kept[i], b) != x.band(s, b) {
				continue
			}
			if sim := s.Similarity(&x.kept[i]); sim >= x.threshold {
				near, similarity = i, sim
			}
		}
	}
	if near >= 0 {
		return near, similarity, true
	}
	if (len(x.kept)+1)*x.bands > len(x.heads) {
		x.grow(2 * len(x.kept))
	}
	x.kept = append(x.kept, *s)
	x.groups = append(x.groups, group)
	x.link(len(x.kept) - 1)
	return len(x.kept) - 1, 0, false
}

// Len returns the number of texts taken.
func (x *Index) Len() int { return len(x.kept) }

func (x *Index) band(s *Signature, b int) uint64 {
	w := s[b/x.perWord]
	if x.perWord == 2 {
		return w >> (b % 2 * 32) & (1<<32 - 1)
	}
	return w
}

func (x *Index) slot(s *Signature, b int, group uint64) uint64 {
	h := mix(x.band(s, b) ^ mix(group+uint64(b)))
	return h & uint64(len(x.heads)-1)
}

func (x *Index) link(i int) {
	for b := range x.bands {
		slot := x.slot(&x.kept[i], b, x.groups[i])
		x.links = append(x.links, x.heads[slot])
		x.heads[slot] = uint32(i*x.bands+b) + 1
	}
}

// grow makes room for so many texts and links those it has anew.
func (x *Index) grow(texts int) {
	x.heads = make([]uint32, 1<<bits.Len(uint(texts*x.bands-1)))
	x.links = append(make([]uint32, 0, texts*x.bands), x.links[:0]...)
	for i := range x.kept {
		x.link(i)
	}
}
