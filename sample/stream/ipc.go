package stream

import (
	"errors"
	"io"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// Copied counts what a stream gave.
type Copied struct {
	Batches, Rows, Tokens int64
	End                   Cursor // where the stream ended
}

// WriteIPC writes a stream as an Arrow IPC stream. After the last batch comes one without rows:
// a reader of Arrow IPC takes the death of its producer between two batches for a clean end, and
// knows by that batch that nothing is missing.
func (r *Reader) WriteIPC(w io.Writer) (Copied, error) {
	out := ipc.NewWriter(w, ipc.WithSchema(r.schema))
	c, err := r.Each(func(b *Batch) error { return out.Write(b.Record) })
	if err == nil {
		end := EndMarker(r.schema)
		defer end.Release()
		err = out.Write(end)
	}
	if err != nil {
		return c, err
	}
	return c, out.Close()
}

// Each hands out all batches that are left and releases them.
func (r *Reader) Each(use func(*Batch) error) (c Copied, err error) {
	for {
		b, err := r.Next()
		if errors.Is(err, io.EOF) {
			c.End, _ = r.End()
			return c, nil
		}
		if err != nil {
			return c, err
		}
		rows := b.Record.NumRows()
		err = use(b)
		b.Release()
		if err != nil {
			return c, err
		}
		c.Batches++
		c.Rows += rows
		c.Tokens += b.Tokens
	}
}

// EndMarker returns the batch without rows that ends a stream.
func EndMarker(schema *arrow.Schema) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	return b.NewRecord()
}
