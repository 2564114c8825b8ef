package bpe

// pieceCache remembers what the pieces that are no token by themselves become. Both its tables are direct-mapped: a piece has
// one slot, the latest that comes keeps it. A cache belongs to one worker and never grows: 1.1 MB.
type pieceCache struct {
	short []shortEntry // pieces of up to maxShort bytes and maxShortIDs tokens
	long  []longEntry  // others, up to maxLong bytes and maxLongIDs tokens
}

const (
	shortEntries = 1 << 14
	maxShortIDs  = 4
	longEntries  = 1 << 12
	maxLong      = 58
	maxLongIDs   = 17
)

// shortEntry is half a cache line. hi holds the number of ids above the key.
type shortEntry struct {
	lo, hi uint64
	ids    [maxShortIDs]int32
}

// longEntry is two cache lines.
type longEntry struct {
	size, n uint8
	key     [maxLong]byte
	ids     [maxLongIDs]int32
}

func (c *pieceCache) init() {
	if c.short == nil {
		c.short = make([]shortEntry, shortEntries)
		c.long = make([]longEntry, longEntries)
	}
}

func (c *pieceCache) shortSlot(hash uint64) *shortEntry { return &c.short[hash>>40%shortEntries] }

func (c *pieceCache) longSlot(hash uint64) *longEntry { return &c.long[hash>>40%longEntries] }

func (e *shortEntry) keep(lo, hi uint64, ids []int32) {
	e.lo, e.hi = lo, hi|uint64(len(ids))<<keyBits
	copy(e.ids[:], ids)
}

func (e *longEntry) holds(s string) bool {
	return int(e.size) == len(s) && string(e.key[:e.size]) == s
}

func (e *longEntry) keep(s string, ids []int32) {
	if len(ids) > maxLongIDs {
		return
	}
	e.size, e.n = uint8(len(s)), uint8(len(ids))
	copy(e.key[:], s)
	copy(e.ids[:], ids)
}
