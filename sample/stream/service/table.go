package service

import (
	"fmt"
	"math"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/longctx/pipeline/sample/history"
)

// A table gives access to the columns of a batch by their names. Integers, floats, lists and
// texts of any width are taken: clients make them without a thought. Its first mistake stays.
type table struct {
	columns map[string]arrow.Array
	err     error
}

// readTable finds the columns of a batch; known says which there may be, and whether they must.
// An unknown one is refused, as it would be lost.
func readTable(rec arrow.Record, what string, known map[string]bool) (*table, error) {
	t := &table{columns: map[string]arrow.Array{}}
	for i, f := range rec.Schema().Fields() {
		if _, ok := known[f.Name]; !ok {
			return nil, badRequest("%s have no column %q", what, f.Name)
		}
		if t.columns[f.Name] != nil {
			return nil, badRequest("column %q is there twice", f.Name)
		}
		t.columns[f.Name] = rec.Column(i)
	}
	for name, must := range known {
		if must && t.columns[name] == nil {
			return nil, badRequest("%s lack the column %q", what, name)
		}
	}
	return t, nil
}

// decode reads the rows of a batch. What a damaged batch makes a decoder panic over is the
// client's mistake.
func decode[T any](rec arrow.Record, what string, known map[string]bool, read func(t *table, into *T, row int)) (out []T, err error) {
	defer func() {
		if r := recover(); r != nil {
			out, err = nil, badRequest("decoder: %v", r)
		}
	}()
	t, err := readTable(rec, what, known)
	if err != nil {
		return nil, err
	}
	out = make([]T, rec.NumRows())
	for i := range out {
		if read(t, &out[i], i); t.err != nil {
			return nil, badRequest("row %d: %w", i, t.err)
		}
	}
	return out, nil
}

func (t *table) fail(format string, args ...any) {
	if t.err == nil {
		t.err = fmt.Errorf(format, args...)
	}
}

// list returns the values of a list column and which of them are row i's.
func (t *table) list(name string, i int) (values arrow.Array, from, n int, ok bool) {
	col := t.columns[name]
	if col == nil || col.IsNull(i) {
		return nil, 0, 0, false
	}
	l, ok := col.(array.ListLike)
	if !ok {
		t.fail("%s is %s, not a list", name, col.DataType())
		return nil, 0, 0, false
	}
	begin, end := l.ValueOffsets(i)
	if begin < 0 || end < begin || end > int64(l.ListValues().Len()) {
		t.fail("%s: offsets [%d, %d) of %d values", name, begin, end, l.ListValues().Len())
		return nil, 0, 0, false
	}
	return l.ListValues(), int(begin), int(end - begin), true
}

func (t *table) text(name string, i int) string {
	if col := t.columns[name]; col != nil {
		return t.textOf(name, col, i)
	}
	return ""
}

func (t *table) textOf(name string, a arrow.Array, i int) string {
	if a.IsNull(i) {
		return ""
	}
	switch a := a.(type) {
	case *array.String:
		return string([]byte(a.Value(i))) // it outlives the batch
	case *array.LargeString:
		return string([]byte(a.Value(i)))
	case *array.StringView:
		return string([]byte(a.Value(i)))
	case *array.Dictionary:
		return t.textOf(name, a.Dictionary(), a.GetValueIndex(i))
	}
	t.fail("%s is %s, not text", name, a.DataType())
	return ""
}

func (t *table) integer(name string, i int, null int64) int64 {
	if col := t.columns[name]; col != nil {
		return t.integerOf(name, col, i, null)
	}
	return null
}

// integer32 is integer for what has 32 bits.
func (t *table) integer32(name string, i int, null int32) int32 {
	if col := t.columns[name]; col != nil {
		return t.integer32Of(name, col, i, null)
	}
	return null
}

func (t *table) integer32Of(name string, a arrow.Array, i int, null int32) int32 {
	v := t.integerOf(name, a, i, int64(null))
	if v != int64(int32(v)) {
		t.fail("%s %d does not fit 32 bits", name, v)
	}
	return int32(v)
}

func (t *table) integerOf(name string, a arrow.Array, i int, null int64) int64 {
	if a.IsNull(i) {
		return null
	}
	switch a := a.(type) {
	case *array.Int8:
		return int64(a.Value(i))
	case *array.Int16:
		return int64(a.Value(i))
	case *array.Int32:
		return int64(a.Value(i))
	case *array.Int64:
		return a.Value(i)
	case *array.Uint8:
		return int64(a.Value(i))
	case *array.Uint16:
		return int64(a.Value(i))
	case *array.Uint32:
		return int64(a.Value(i))
	case *array.Uint64:
		if v := a.Value(i); v <= math.MaxInt64 {
			return int64(v)
		}
		t.fail("%s %d does not fit 63 bits", name, a.Value(i))
		return null
	}
	t.fail("%s is %s, not an integer", name, a.DataType())
	return null
}

func (t *table) number(name string, i int) history.Number {
	if col := t.columns[name]; col != nil {
		return t.numberOf(name, col, i)
	}
	return history.Number{}
}

func (t *table) numberOf(name string, a arrow.Array, i int) history.Number {
	if a.IsNull(i) {
		return history.Number{}
	}
	switch a := a.(type) {
	case *array.Float32:
		return history.Known(a.Value(i))
	case *array.Float64:
		return history.Known(float32(a.Value(i)))
	case *array.Int64:
		return history.Known(float32(a.Value(i)))
	case *array.Int32:
		return history.Known(float32(a.Value(i)))
	}
	t.fail("%s is %s, not a number", name, a.DataType())
	return history.Number{}
}

func (t *table) time(i int) time.Time {
	col := t.columns["time"]
	if col == nil || col.IsNull(i) {
		return time.Time{}
	}
	a, ok := col.(*array.Timestamp)
	if !ok {
		t.fail("time is %s, not a timestamp", col.DataType())
		return time.Time{}
	}
	return a.Value(i).ToTime(col.DataType().(*arrow.TimestampType).Unit).UTC().Truncate(time.Microsecond)
}
