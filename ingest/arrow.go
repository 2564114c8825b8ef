package ingest

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/ingest/source"
)

// An arrowSource reads the rows of an Arrow IPC file or stream, such as datasets keeps, as JSON
// objects. It holds one record batch. Bytes that are not text are null. The format has no
// checksums and the library believes what metadata say: a file that is cut off is found, but
// one whose metadata are damaged on purpose can take all memory. Files of strangers are better
// had as Parquet.
type arrowSource struct {
	r         *Reader
	batches   batches
	maxRecord int64

	rec     arrow.Record
	damaged bool // some text of rec is not valid UTF-8
	row     int64
	count   int64
	done    bool
}

// batches are those of a file or of a stream; io.EOF at the end.
type batches interface{ Read() (arrow.Record, error) }

// maxArrowBuffer is the largest buffer of a column, uncompressed, that is believed to be one.
const maxArrowBuffer = 1 << 30

func openArrow(r *Reader, o Options) (a *arrowSource, err error) {
	defer func() {
		if p := recover(); p != nil { // what damaged metadata can cause in the library
			err = fmt.Errorf("corrupt Arrow file: %v", p)
		}
	}()
	a = &arrowSource{r: r, maxRecord: o.MaxRecord}
	var head [8]byte
	if _, err := r.file.ReadAt(head[:], 0); err != nil && err != io.EOF {
		return nil, reason(err)
	}
	isFile := bytes.HasPrefix(head[:], []byte("ARROW1"))
	if err := checkArrowSchema(r.file, r.in.Bytes, isFile); err != nil {
		return nil, fmt.Errorf("corrupt Arrow file: %w", err)
	}
	bounded := ipc.WithAllocator(dataset.BoundedAllocator{Max: min(maxArrowBuffer, 1<<20+1024*r.in.Bytes)})
	if isFile {
		a.batches, err = ipc.NewFileReader(r.file, bounded)
	} else {
		a.batches, err = ipc.NewReader(io.NewSectionReader(r.file, 0, r.in.Bytes), bounded)
	}
	if err != nil {
		return nil, fmt.Errorf("corrupt Arrow file: %w", err)
	}
	return a, nil
}

func (a *arrowSource) lines() int64 { return a.count }

func (a *arrowSource) close() error {
	a.drop()
	return nil
}

func (a *arrowSource) drop() {
	if a.rec != nil {
		a.rec.Release()
		a.rec = nil
	}
}

func (a *arrowSource) next() ([]byte, []record, error) {
	buf := newBuffer(chunkBytes)
	var records []record
	for !a.done && len(buf) < chunkBytes/2 && len(records) < lostAtOnce {
		if a.rec == nil {
			err := a.read()
			if err == io.EOF {
				a.done = true
			} else if err != nil {
				a.done = true
				records = append(records, record{line: a.count, offset: -1, excerpt: []byte{}, bad: source.NewProblem(
					dataset.ReasonCorruptInput, "%v; the rest of the file cannot be read", err)})
			}
			continue
		}
		buf, records = a.write(buf, records)
	}
	if len(records) > 0 {
		return buf, records, nil
	}
	if a.r.hashed == 0 {
		if err := a.r.accountRange(0, a.r.in.Bytes); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, io.EOF
}

// read takes the next batch that has rows.
func (a *arrowSource) read() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("corrupt Arrow file: %v", p)
		}
	}()
	rec, err := a.batches.Read()
	if err != nil {
		return err
	}
	rec.Retain() // a reader gives a batch only until the next one
	a.rec, a.row, a.damaged = rec, 0, false
	for _, c := range rec.Columns() {
		a.damaged = a.damaged || !validText(c.Data())
	}
	return nil
}

// validText reports whether all text in a column and below is valid UTF-8.
func validText(d arrow.ArrayData) bool {
	switch d.DataType().ID() {
	case arrow.STRING, arrow.LARGE_STRING:
		if b := d.Buffers()[2]; b != nil && !utf8.Valid(b.Bytes()) {
			return false
		}
	}
	for _, c := range d.Children() {
		if !validText(c) {
			return false
		}
	}
	return d.DataType().ID() != arrow.DICTIONARY || validText(d.Dictionary())
}

// write appends a row of the batch.
func (a *arrowSource) write(buf []byte, records []record) ([]byte, []record) {
	if a.row == a.rec.NumRows() {
		a.drop()
		return buf, records
	}
	rec := record{start: len(buf), line: a.count, offset: -1}
	buf, err := a.object(buf)
	rec.end = len(buf)
	switch n := int64(rec.end - rec.start); {
	case err != nil:
		rec.bad = source.NewProblem(dataset.ReasonCorruptInput, "row %d: %v", a.count, err)
	case n > a.maxRecord:
		rec.bad = tooLarge(n, a.maxRecord)
		rec.end = rec.start + longHead
		buf = buf[:rec.end]
	case a.damaged && bytes.ContainsRune(buf[rec.start:], utf8.RuneError):
		rec.bad = source.NewProblem(dataset.ReasonInvalidUTF8, "row %d: text that is not valid UTF-8", a.count)
	}
	a.row++
	a.count++
	return buf, append(records, rec)
}

// object appends the row; where it cannot, buf as it was.
func (a *arrowSource) object(buf []byte) (to []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			to, err = buf, fmt.Errorf("%v", p)
		}
	}()
	to = append(buf, '{')
	for i, c := range a.rec.Columns() {
		if i > 0 {
			to = append(to, ',')
		}
		to = append(appendString(to, []byte(a.rec.ColumnName(i))), ':')
		if to, err = appendArrow(to, c, int(a.row)); err != nil {
			return buf, fmt.Errorf("column %q: %w", a.rec.ColumnName(i), err)
		}
	}
	return append(to, '}'), nil
}

// appendArrow appends a value: text and lists, nearly all of what such files hold, without a
// detour, and the others as the library spells them.
func appendArrow(buf []byte, c arrow.Array, i int) ([]byte, error) {
	if c.IsNull(i) {
		return append(buf, "null"...), nil
	}
	switch c := c.(type) {
	case *array.String:
		return appendString(buf, []byte(c.Value(i))), nil
	case *array.LargeString:
		return appendString(buf, []byte(c.Value(i))), nil
	case *array.Binary, *array.LargeBinary, *array.FixedSizeBinary:
		return append(buf, "null"...), nil
	case *array.Float64:
		if math.IsNaN(c.Value(i)) || math.IsInf(c.Value(i), 0) {
			return append(buf, "null"...), nil
		}
	case *array.Float32:
		if f := float64(c.Value(i)); math.IsNaN(f) || math.IsInf(f, 0) {
			return append(buf, "null"...), nil
		}
	case *array.Struct:
		return appendStruct(buf, c, i)
	case *array.Dictionary:
		return appendArrow(buf, c.Dictionary(), c.GetValueIndex(i))
	case array.ListLike:
		if _, isMap := c.(*array.Map); !isMap {
			return appendList(buf, c, i)
		}
	}
	v, err := json.Marshal(c.GetOneForMarshal(i), jsontext.AllowInvalidUTF8(true))
	return append(buf, v...), err
}

func appendList(buf []byte, c array.ListLike, i int) (_ []byte, err error) {
	start, end := c.ValueOffsets(i)
	buf = append(buf, '[')
	for k := start; k < end; k++ {
		if k > start {
			buf = append(buf, ',')
		}
		if buf, err = appendArrow(buf, c.ListValues(), int(k)); err != nil {
			return buf, err
		}
	}
	return append(buf, ']'), nil
}

func appendStruct(buf []byte, c *array.Struct, i int) (_ []byte, err error) {
	t := c.DataType().(*arrow.StructType)
	buf = append(buf, '{')
	for f := range c.NumField() {
		if f > 0 {
			buf = append(buf, ',')
		}
		buf = append(appendString(buf, []byte(t.Field(f).Name)), ':')
		if buf, err = appendArrow(buf, c.Field(f), i); err != nil {
			return buf, err
		}
	}
	return append(buf, '}'), nil
}
