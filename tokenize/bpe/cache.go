package bpe

// pieceCache remembers what the pieces that are no token by themselves become. It is direct-mapped: a piece has one slot, the
// latest that comes keeps it. It belongs to one worker and is never larger than this:
const (
	cacheSlots = 1 << 13
	maxCached  = 36
	maxIDs     = 10
)

// cacheSlot is 80 bytes: 8192 of them are 640 KB.
type cacheSlot struct {
	size uint8
	n    uint8
	key  [maxCached]byte
	ids  [maxIDs]int32
}

type pieceCache struct{ slots []cacheSlot }

func (c *pieceCache) slot(s string) *cacheSlot {
	if c.slots == nil {
		c.slots = make([]cacheSlot, cacheSlots)
	}
	var h uint64
	if len(s) < 8 {
		h = shortHash(shortKey(s))
	} else {
		h = longHash(s)
	}
	return &c.slots[h>>32%cacheSlots]
}

func (c *cacheSlot) holds(s string) bool {
	return int(c.size) == len(s) && string(c.key[:c.size]) == s
}

func (c *cacheSlot) keep(s string, ids []int32) {
	if len(ids) > maxIDs {
		return
	}
	c.size, c.n = uint8(len(s)), uint8(len(ids))
	copy(c.key[:], s)
	copy(c.ids[:], ids)
}
