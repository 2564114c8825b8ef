package stream

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/parquet-go/parquet-go"

	"github.com/longctx/pipeline/dataset"
)

// errEnough ends the building of a cache that nobody waits for any more.
var errEnough = errors.New("the source is closed")

// buildCache writes the cache file of a shard, whose bytes are checked against the manifest
// first. It appears by a rename, complete; it is not synced, as checksums find what a crash
// leaves of it. aside must be no other builder's.
func buildCache(fsys dataset.FS, s *shard, aside string, stop <-chan struct{}) error {
	if err := s.meta.Check(fsys); err != nil {
		return err
	}
	if err := s.open(); err != nil {
		return err
	}
	lengths, err := s.measured()
	if err != nil {
		return err
	}
	out, err := fsys.Create(aside)
	if err != nil {
		return err
	}
	w := &cacheWriter{w: bufio.NewWriterSize(out, 1<<20), lengths: lengths}
	err = guard(func() error {
		for g, group := range s.file.RowGroups() {
			select {
			case <-stop:
				return errEnough
			default:
			}
			if err := w.group(s, g, group); err != nil {
				return fmt.Errorf("row group %d: %w", g, err)
			}
		}
		return w.finish(&s.meta)
	})
	if err = errors.Join(err, out.Close()); err == nil {
		err = fsys.Rename(aside, cacheName(&s.meta))
	}
	if err != nil {
		fsys.Remove(aside)
	}
	return err
}

// A cacheWriter writes rows in their order.
type cacheWriter struct {
	w       *bufio.Writer
	lengths []int32
	rows    int32
	offset  int64
	index   []byte
	text    []byte
	ids     []int32
}

// group writes the rows of a row group, which is bounded in bytes.
func (c *cacheWriter) group(s *shard, g int, group parquet.RowGroup) error {
	chunks := group.ColumnChunks()
	var err error
	if c.ids, err = appendInts(c.ids[:0], chunks[s.columns.promptTokens]); err != nil {
		return err
	}
	samples := make([]sample, group.NumRows())
	for _, col := range []struct {
		column int
		set    func(o *sample, v []parquet.Value) error
	}{
		{s.columns.sampleID, (*sample).setID},
		{s.columns.question, func(o *sample, v []parquet.Value) error { return o.question.set(v) }},
		{s.columns.dataSource, func(o *sample, v []parquet.Value) error { return o.dataSource.set(v) }},
		{s.columns.answers, (*sample).setAnswers},
	} {
		if col.column < 0 {
			continue
		}
		n := 0
		err := eachRow(chunks[col.column], func(_ int, v []parquet.Value) error {
			if n == len(samples) {
				return fmt.Errorf("%w: more rows than it says", dataset.ErrCorrupt)
			}
			n++
			return col.set(&samples[n-1], v)
		})
		if err == nil && n != len(samples) {
			err = fmt.Errorf("%w: a column has %d rows of %d", dataset.ErrCorrupt, n, len(samples))
		}
		if err != nil {
			return err
		}
	}
	from := 0
	for i := range samples {
		to := from + int(c.lengths[s.first[g]+int64(i)])
		if to > len(c.ids) {
			return fmt.Errorf("%w: fewer ids than its lengths say", dataset.ErrCorrupt)
		}
		if err := c.row(&samples[i], c.ids[from:to]); err != nil {
			return err
		}
		from = to
	}
	if from != len(c.ids) {
		return fmt.Errorf("%w: more ids than its lengths say", dataset.ErrCorrupt)
	}
	return nil
}

func (c *cacheWriter) row(s *sample, ids []int32) error {
	c.text = encodeSample(c.text[:0], s)
	for (c.offset+int64(len(c.text)))%4 != 0 { // ids are aligned, for who maps the file
		c.text = append(c.text, 0)
	}
	data := bytesOf(ids)
	e := entry{c.offset, uint32(len(c.text)), uint32(len(ids)), checksum(c.rows, c.text, data)}
	c.index = e.encode(c.index)
	c.offset += int64(len(c.text) + len(data))
	c.rows++
	if _, err := c.w.Write(c.text); err != nil {
		return err
	}
	_, err := c.w.Write(data)
	return err
}

// finish writes index, lengths and footer.
func (c *cacheWriter) finish(s *dataset.Shard) error {
	lengths := bytesOf(c.lengths)
	f := footer{rows: int64(c.rows), index: c.offset, lengths: c.offset + int64(len(c.index)), lengthsSum: crc32.Checksum(lengths, castagnoli)}
	if _, err := hex.Decode(f.shard[:], []byte(s.SHA256)); err != nil {
		return err
	}
	for _, b := range [][]byte{c.index, lengths, f.encode()} {
		if _, err := c.w.Write(b); err != nil {
			return err
		}
	}
	return c.w.Flush()
}
