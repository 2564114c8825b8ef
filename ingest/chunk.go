package ingest

import (
	"sync"

	"github.com/longctx/pipeline/ingest/source"
)

// chunkBytes is the size of a chunk, unless one record is longer.
const chunkBytes = 512 << 10

// A Chunk is consecutive raw records of one split. It owns its memory.
type Chunk struct {
	Index int // number of the chunk in its split, from 0
	Input int // index into the plan's inputs

	buf     []byte
	records []record
}

// A record is a range of its chunk's memory, and where it stands in the split.
type record struct {
	start, end int
	line       int64           // lines or rows before it in the split
	offset     int64           // byte offset in the input as it is read; -1 for tables
	bad        *source.Problem // the reader already knows that it cannot be parsed
	excerpt    []byte          // of a bad record whose bytes were skipped; else nil
	cutOff     bool            // the input ended without a newline after it
}

// Bytes returns the memory that the chunk holds.
func (c *Chunk) Bytes() int64 { return int64(cap(c.buf)) }

// Records returns the number of records in the chunk.
func (c *Chunk) Records() int { return len(c.records) }

func (c *Chunk) bytes(r record) []byte { return c.buf[r.start:r.end:r.end] }

// Release gives the chunk's memory back for reuse. The chunk must not be used after it.
func (c *Chunk) Release() {
	if cap(c.buf) == chunkBytes {
		buffers.Put((*[chunkBytes]byte)(c.buf[:chunkBytes]))
	}
	c.buf, c.records = nil, nil
}

// buffers holds chunk buffers of the usual size; longer ones are left to the collector.
var buffers = sync.Pool{New: func() any { return new([chunkBytes]byte) }}

func newBuffer(size int) []byte {
	if size == chunkBytes {
		return buffers.Get().(*[chunkBytes]byte)[:0]
	}
	return make([]byte, 0, size)
}
