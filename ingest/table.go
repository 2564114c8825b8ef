package ingest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/ingest/source"
	"github.com/parquet-go/parquet-go"
)

// rowsAtOnce is how many rows are asked of parquet-go at a time: few, as one may be large.
const rowsAtOnce = 16

// lostAtOnce is how many rows that cannot be read are rejected in a chunk.
const lostAtOnce = 4096

// openParquet reads the footer of a Parquet file and checks that it makes sense. The
// footer is read before anything else, so a file without a sound one is no input at all.
func openParquet(f io.ReaderAt, size int64) (file *parquet.File, err error) {
	defer recoverCorrupt(&err)
	var tail [8]byte
	if size < 12 {
		return nil, errors.New("corrupt Parquet file: shorter than any footer")
	}
	if _, err := f.ReadAt(tail[:], size-8); err != nil {
		return nil, reason(err)
	}
	if string(tail[4:]) != "PAR1" {
		return nil, errors.New("corrupt Parquet file: it does not end with a footer")
	}
	if n := int64(binary.LittleEndian.Uint32(tail[:4])); n > size-12 {
		return nil, fmt.Errorf("corrupt Parquet file: a footer of %d bytes in a file of %d", n, size)
	}
	file, err = parquet.OpenFile(f, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fmt.Errorf("corrupt Parquet file: %w", err)
	}
	for i, g := range file.RowGroups() {
		if g.NumRows() < 0 {
			return nil, fmt.Errorf("corrupt Parquet file: row group %d has %d rows", i, g.NumRows())
		}
	}
	return file, nil
}

// recoverCorrupt turns a panic of the Parquet library, which damaged data can cause, into an error.
func recoverCorrupt(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("corrupt Parquet file: %v", p)
	}
}

// rowGroupStarts returns where each row group's bytes begin, and the file's size at the
// end. The first begins at 0, so that neighbouring groups cover the file. It is nil if
// groups do not stand in their order: then only the whole file is a range of bytes.
func rowGroupStarts(file *parquet.File) []int64 {
	starts := []int64{0}
	for i, g := range file.Metadata().RowGroups {
		start := file.Size()
		for _, c := range g.Columns {
			start = min(start, c.MetaData.DataPageOffset)
			if d := c.MetaData.DictionaryPageOffset; d > 0 {
				start = min(start, d)
			}
		}
		if i == 0 {
			continue
		}
		if start < starts[i-1] {
			return nil
		}
		starts = append(starts, start)
	}
	if len(file.RowGroups()) > 0 {
		starts = append(starts, file.Size())
	}
	return starts
}

// cutTable groups row groups up to splitBytes of the file's bytes, at least one to a split.
func cutTable(f *os.File, in Planned, index int, splitBytes int64) ([]dataset.Split, error) {
	file, err := openParquet(f, in.Bytes)
	if err != nil {
		return nil, err
	}
	groups := int64(len(file.RowGroups()))
	starts := rowGroupStarts(file)
	if starts == nil || groups == 0 {
		return []dataset.Split{{Input: index, End: groups}}, nil
	}
	var splits []dataset.Split
	first := int64(0)
	for g := int64(1); g <= groups; g++ {
		if g == groups || starts[g+1]-starts[first] > splitBytes {
			splits = append(splits, dataset.Split{Input: index, Start: first, End: g})
			first = g
		}
	}
	return splits, nil
}

// A tableSource reads the rows of some row groups as JSON objects. Their hash is of the
// bytes from the first row group to the first of the next split; the first split has the
// file's head, the last one its footer, so a change anywhere in the file changes a hash.
type tableSource struct {
	r         *Reader
	in        *faultReader
	file      *parquet.File
	writer    *rowWriter
	maxRecord int64
	from, to  int64 // bytes of the file that the split owns
	rowsInAll int64

	group    int64 // row group in work
	first    int64 // row number of its first row in the split
	row      int64 // rows read of it
	rows     parquet.Rows
	buf      []parquet.Row
	have     []parquet.Row   // read, not yet written
	lost     int64           // rows of the group that cannot be read and are not rejected yet
	damage   *source.Problem // of the next of them
	after    *source.Problem // of those that follow it
	finished bool
}

// faultReader remembers an error that is the disk's, not the data's.
type faultReader struct {
	in  io.ReaderAt
	err error
}

func (f *faultReader) ReadAt(b []byte, at int64) (int, error) {
	n, err := f.in.ReadAt(b, at)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

func openTable(r *Reader, o Options) (*tableSource, error) {
	in := &faultReader{in: r.file}
	file, err := openParquet(in, r.in.Bytes)
	if err != nil {
		return nil, err
	}
	t := &tableSource{
		r: r, in: in, file: file, writer: newRowWriter(file), maxRecord: o.MaxRecord,
		to: file.Size(), group: r.split.Start, buf: make([]parquet.Row, rowsAtOnce),
	}
	if starts := rowGroupStarts(file); len(starts) > 1 {
		t.from, t.to = starts[r.split.Start], starts[r.split.End]
	}
	for _, g := range file.RowGroups()[r.split.Start:r.split.End] {
		t.rowsInAll += g.NumRows()
	}
	return t, nil
}

func (t *tableSource) lines() int64 { return t.first }

func (t *tableSource) close() error {
	if t.rows != nil {
		return t.rows.Close()
	}
	return nil
}

func (t *tableSource) next() ([]byte, []record, error) {
	buf := newBuffer(chunkBytes)
	var records []record
	for len(buf) < chunkBytes/2 && len(records) < lostAtOnce && t.group < t.r.split.End {
		if t.lost > 0 {
			records = t.reject(records)
			continue
		}
		if err := t.read(); err != nil {
			if t.in.err != nil {
				return nil, nil, t.in.err
			}
			t.lose(err)
			continue
		}
		if len(t.have) == 0 {
			t.nextGroup()
			continue
		}
		buf, records = t.write(buf, records)
	}
	if len(records) > 0 {
		return buf, records, nil
	}
	if !t.finished {
		t.finished = true
		if err := t.r.accountRange(t.from, t.to); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, io.EOF
}

// lose gives up the rest of the row group: each of its rows is a reject, so that the ledger
// counts them. Where the footer is damaged too, there are no more rows than any column has values.
func (t *tableSource) lose(err error) {
	t.lost = t.file.RowGroups()[t.group].NumRows() - t.row
	for _, c := range t.file.Metadata().RowGroups[t.group].Columns {
		t.lost = min(t.lost, c.MetaData.NumValues-t.row)
	}
	t.lost = max(t.lost, 1)
	t.damage = source.NewProblem(dataset.ReasonCorruptInput, "row group %d, row %d: %v; the rest of the row group cannot be read", t.group, t.row, err)
	t.after = source.NewProblem(dataset.ReasonCorruptInput, "row group %d cannot be read from row %d on", t.group, t.row)
}

// reject appends the rows that are lost, or as many as fit in a chunk.
func (t *tableSource) reject(records []record) []record {
	for ; t.lost > 0 && len(records) < lostAtOnce; t.lost-- {
		records = append(records, record{line: t.first + t.row, offset: -1, bad: t.damage, excerpt: []byte{}})
		t.row++
		t.damage = t.after
	}
	if t.lost == 0 {
		t.nextGroup()
	}
	return records
}

// read makes sure that there are rows to write; none are left at the end of the row group.
func (t *tableSource) read() (err error) {
	defer recoverCorrupt(&err)
	if len(t.have) > 0 {
		return nil
	}
	g := t.file.RowGroups()[t.group]
	if t.rows == nil {
		t.rows = g.Rows()
	}
	want := g.NumRows() - t.row
	if want == 0 {
		return nil
	}
	n, err := t.rows.ReadRows(t.buf[:min(want, rowsAtOnce)])
	t.have = t.buf[:n]
	if n > 0 {
		return nil // an error comes again with the next read
	}
	if err == io.EOF || err == nil {
		err = fmt.Errorf("the row group ends %d rows early", want)
	}
	return err
}

func (t *tableSource) nextGroup() {
	if t.rows != nil {
		t.rows.Close()
	}
	t.first += t.file.RowGroups()[t.group].NumRows()
	t.group++
	t.row, t.rows, t.have, t.lost = 0, nil, nil, 0
}

// write appends the rows at hand as JSON objects, until the chunk is full.
func (t *tableSource) write(buf []byte, records []record) ([]byte, []record) {
	for len(t.have) > 0 && len(buf) < chunkBytes/2 {
		rec := record{start: len(buf), line: t.first + t.row, offset: -1}
		var err error
		if buf, err = t.writer.append(buf, t.have[0]); err != nil {
			rec.bad = source.NewProblem(dataset.ReasonCorruptInput, "row group %d, row %d: %v", t.group, t.row, err)
		}
		rec.end = len(buf)
		if n := int64(rec.end - rec.start); n > t.maxRecord {
			rec.bad = tooLarge(n, t.maxRecord)
			rec.end = rec.start + int(min(n, longHead))
			buf = buf[:rec.end]
		}
		records = append(records, rec)
		t.have = t.have[1:]
		t.row++
	}
	return buf, records
}

// bytesRead guesses how much of the split's bytes the rows so far have taken.
func (t *tableSource) bytesRead() int64 {
	if t.rowsInAll <= 0 {
		return 0
	}
	return int64(float64(t.to-t.from) * (float64(t.first+t.row) / float64(t.rowsInAll)))
}
