package dataset

import (
	"fmt"
	"io/fs"
	"iter"

	"github.com/apache/arrow/go/v17/arrow"
)

// ReadBatches reads a shard of a stage without phases as the Arrow batches that its stage
// made, about a megabyte of text at a time. The caller releases them.
func ReadBatches(fsys fs.FS, s Shard, layout Layout) iter.Seq2[arrow.Record, error] {
	switch layout {
	case LayoutIngest:
		return readBatches(fsys, s.Path, func(r ingestRow) (Sample, Place, Tokens) {
			return r.sample(r.Meta), r.place(), Tokens{}
		}, false)
	case LayoutTokenize:
		return readBatches(fsys, s.Path, func(r tokenRow) (Sample, Place, Tokens) {
			return r.sample(r.Meta), r.place(), r.tokens()
		}, true)
	}
	return func(yield func(arrow.Record, error) bool) {
		yield(nil, fmt.Errorf("read shard %s: a finished dataset has no stage after it", s.Path))
	}
}

// batchBytes is about how much text a batch holds.
const batchBytes = 1 << 20

func readBatches[R record](fsys fs.FS, name string, split func(R) (Sample, Place, Tokens), tokens bool) iter.Seq2[arrow.Record, error] {
	return func(yield func(arrow.Record, error) bool) {
		b, t := NewBatchBuilder(), NewTokenBuilder()
		defer b.Release()
		defer t.Release()
		flush := func() bool {
			if b.Rows() == 0 {
				return true
			}
			rec := b.Batch()
			if tokens {
				samples := rec
				rec = Extend(samples, TokenizeSchema, t.Columns()...)
				samples.Release()
			}
			return yield(rec, nil)
		}
		for rows, err := range ReadRows[R](fsys, name) {
			if err != nil {
				yield(nil, err)
				return
			}
			for _, r := range rows {
				sample, place, tok := split(r)
				b.Append(&sample, place)
				if tokens {
					t.Append(tok)
				}
				if b.Bytes() >= batchBytes && !flush() {
					return
				}
			}
		}
		flush()
	}
}

// BatchBytes returns about how much memory a batch takes.
func BatchBytes(rec arrow.Record) int64 {
	var n int64
	for _, c := range rec.Columns() {
		for _, b := range c.Data().Buffers() {
			if b != nil {
				n += int64(b.Len())
			}
		}
		for _, child := range c.Data().Children() {
			for _, b := range child.Buffers() {
				if b != nil {
					n += int64(b.Len())
				}
			}
		}
	}
	return n
}
