package history

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
)

// An index knows which outcomes the history has: 16 bytes for each, of which 8 are a hash of
// its identity and 8 of its content. Two identities with the same hash would be refused as
// contradicting each other; with ten million outcomes the chance of one such pair is 3e-6.
type index struct {
	seed   maphash.Seed
	stages map[[2]string]uint64 // hash of run and training stage
	shards [64]shard
}

// A shard grows alone, so that growing never doubles the whole index.
type shard struct {
	entries []entry
	n       int
}

type entry struct {
	identity uint64 // 0: empty
	content  int64
}

func newIndex() *index {
	return &index{seed: maphash.MakeSeed(), stages: map[[2]string]uint64{}}
}

// stage returns the hash of a run's training stage.
func (x *index) stage(run, trainStage string) uint64 {
	k := [2]string{run, trainStage}
	h, ok := x.stages[k]
	if !ok {
		h = maphash.Comparable(x.seed, k)
		x.stages[k] = h
	}
	return h
}

// identity hashes what makes an outcome the same; it is never 0.
func (x *index) identity(stage uint64, step, position int64, id SampleID) uint64 {
	var b [40]byte
	binary.LittleEndian.PutUint64(b[:], stage)
	binary.LittleEndian.PutUint64(b[8:], uint64(step))
	binary.LittleEndian.PutUint64(b[16:], uint64(position))
	copy(b[24:], id[:])
	return max(maphash.Bytes(x.seed, b[:]), 1)
}

// find returns the content of an identity.
func (x *index) find(identity uint64) (content int64, ok bool) {
	s := &x.shards[identity>>58]
	if len(s.entries) == 0 {
		return 0, false
	}
	e := &s.entries[s.probe(identity)]
	return e.content, e.identity != 0
}

// add remembers an identity, unless it is there.
func (x *index) add(identity uint64, content int64) {
	s := &x.shards[identity>>58]
	if 4*(s.n+1) > 3*len(s.entries) {
		s.grow()
	}
	if e := &s.entries[s.probe(identity)]; e.identity == 0 {
		*e = entry{identity, content}
		s.n++
	}
}

func (s *shard) probe(identity uint64) int {
	high, _ := bits.Mul64(identity<<6, uint64(len(s.entries)))
	for i := int(high); ; i++ {
		if i == len(s.entries) {
			i = 0
		}
		if e := s.entries[i].identity; e == 0 || e == identity {
			return i
		}
	}
}

func (s *shard) grow() {
	old := s.entries
	s.entries = make([]entry, max(16, len(old)+len(old)/2))
	for _, e := range old {
		if e.identity != 0 {
			s.entries[s.probe(e.identity)] = e
		}
	}
}

// clear forgets everything and keeps the memory.
func (x *index) clear() {
	for i := range x.shards {
		clear(x.shards[i].entries)
		x.shards[i].n = 0
	}
}
