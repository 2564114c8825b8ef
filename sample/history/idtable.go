package history

import "encoding/binary"

// An idTable numbers sample ids from 0 in the order they come: open addressing with 4 bytes a
// slot, at most 3/4 full, and 16 bytes an id. Sample ids are hashes already, so their first
// bytes are the hash.
type idTable struct {
	slots []int32 // number + 1; 0: empty
	ids   []SampleID
}

func (t *idTable) find(id SampleID) (int, bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	i := t.probe(id)
	return int(t.slots[i]) - 1, t.slots[i] != 0
}

// add returns the number of an id; fresh says that it was not there.
func (t *idTable) add(id SampleID) (number int, fresh bool) {
	if 4*(len(t.ids)+1) > 3*len(t.slots) {
		t.grow()
	}
	i := t.probe(id)
	if n := t.slots[i]; n != 0 {
		return int(n) - 1, false
	}
	t.ids = append(t.ids, id)
	t.slots[i] = int32(len(t.ids))
	return len(t.ids) - 1, true
}

// probe returns the slot of an id, or the empty one where it belongs.
func (t *idTable) probe(id SampleID) int {
	mask := len(t.slots) - 1
	i := int(binary.LittleEndian.Uint64(id[:])) & mask
	for t.slots[i] != 0 && t.ids[t.slots[i]-1] != id {
		i = (i + 1) & mask
	}
	return i
}

func (t *idTable) grow() {
	t.slots = make([]int32, max(64, 2*len(t.slots)))
	for n, id := range t.ids {
		t.slots[t.probe(id)] = int32(n + 1)
	}
}
