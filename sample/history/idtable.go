package history

import "encoding/binary"

// An idTable finds a sample's number in a list of summaries: open addressing, 8 bytes a slot,
// at most 3/4 full. Sample ids are hashes already, so their first bytes are the hash, and the
// next four tell a neighbour apart without a look at the list.
type idTable struct {
	slots []slot
}

type slot struct {
	tag    uint32
	number int32 // + 1; 0: empty
}

func (t *idTable) find(list []Summary, id SampleID) (int, bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	s := t.slots[t.probe(list, id)]
	return int(s.number) - 1, s.number != 0
}

// add returns the number of an id; fresh says that the caller has to append it to the list.
func (t *idTable) add(list []Summary, id SampleID) (number int, fresh bool) {
	if 4*(len(list)+1) > 3*len(t.slots) {
		t.grow(list)
	}
	s := &t.slots[t.probe(list, id)]
	if s.number != 0 {
		return int(s.number) - 1, false
	}
	*s = slot{tagOf(id), int32(len(list)) + 1}
	return len(list), true
}

func tagOf(id SampleID) uint32 { return binary.LittleEndian.Uint32(id[8:]) }

// probe returns the slot of an id, or the empty one where it belongs.
func (t *idTable) probe(list []Summary, id SampleID) int {
	mask := len(t.slots) - 1
	tag := tagOf(id)
	for i := int(binary.LittleEndian.Uint64(id[:])) & mask; ; i = (i + 1) & mask {
		s := t.slots[i]
		if s.number == 0 || s.tag == tag && list[s.number-1].SampleID == id {
			return i
		}
	}
}

func (t *idTable) grow(list []Summary) {
	t.slots = make([]slot, max(64, 2*len(t.slots)))
	for n := range list {
		t.slots[t.probe(list, list[n].SampleID)] = slot{tagOf(list[n].SampleID), int32(n) + 1}
	}
}
