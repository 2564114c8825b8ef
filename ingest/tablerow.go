package ingest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

// A rowWriter writes rows of a table as JSON objects, fields in the order of the schema.
// Annotated lists become lists and maps objects; the levels in between are not seen.
// Decimals keep their digits; dates, timestamps (RFC 3339, UTC) and UUIDs become text, NaN
// and infinities null. A column of bytes that is not said to be text gives null where its
// bytes are not valid UTF-8: pictures beside a question do not spoil it. In a column of text
// such bytes are passed on as they are: the check of records rejects them with the right reason.
type rowWriter struct {
	root    *columnNode
	columns [][]parquet.Value // what is left of the row, by leaf column
}

// A columnNode is a column or group with what its values need to be put together again.
type columnNode struct {
	name     string // quoted, with a colon
	optional bool
	repeated bool
	def, rep int // levels at which it is there, and repeats
	leaf     int // first leaf column under it
	leaves   int // number of leaf columns under it
	children []*columnNode
	shape    shape
	scale    int             // of a decimal
	unit     format.TimeUnit // of a timestamp
}

type shape int

const (
	shapeLeaf shape = iota
	shapeGroup
	shapeList // children[0] is the repeated level
	shapeMap  // children[0] is the repeated level, of a key and a value
	shapeDecimal
	shapeDate
	shapeTimestamp
	shapeUnsigned
	shapeUUID
	shapeFloat16
	shapeBytes // text or not, nobody says
)

func newRowWriter(file *parquet.File) *rowWriter {
	s := schema{elements: file.Metadata().Schema}
	w := &rowWriter{root: s.node(file.Root())}
	w.columns = make([][]parquet.Value, s.leaves)
	return w
}

// A schema goes through the columns of a file, parents first, as the footer lists them.
type schema struct {
	elements []format.SchemaElement // not seen yet
	leaves   int                    // seen
}

func (s *schema) node(c *parquet.Column) *columnNode {
	var element format.SchemaElement
	if len(s.elements) > 0 {
		element, s.elements = s.elements[0], s.elements[1:]
	}
	n := &columnNode{
		name: string(appendString(nil, []byte(c.Name()))) + ":", optional: c.Optional(), repeated: c.Repeated(),
		def: c.MaxDefinitionLevel(), rep: c.MaxRepetitionLevel(), leaf: s.leaves,
	}
	if c.Leaf() {
		s.leaves++
		n.leaves = 1
		n.setShape(c.Type(), element)
		return n
	}
	for _, child := range c.Columns() {
		n.children = append(n.children, s.node(child))
	}
	n.leaves = s.leaves - n.leaf
	n.shape = shapeGroup
	if len(n.children) != 1 || !n.children[0].repeated || c.Depth() == 0 {
		return n
	}
	inner := n.children[0]
	switch {
	case annotated(c, "LIST", deprecated.List):
		n.shape = shapeList
	case annotated(c, "MAP", deprecated.Map) && len(inner.children) == 2:
		n.shape = shapeMap
	}
	return n
}

func annotated(c *parquet.Column, logical string, converted deprecated.ConvertedType) bool {
	if t := c.Type().LogicalType(); t != nil {
		return t.String() == logical
	}
	t := c.Type().ConvertedType()
	return t != nil && *t == converted
}

// setShape says how a leaf is written. What old writers declare with a converted type alone
// has a logical type here, too; parquet-go drops only that of half-precision numbers.
func (n *columnNode) setShape(t parquet.Type, element format.SchemaElement) {
	logical := &element.LogicalType
	if l := t.LogicalType(); l != nil {
		logical = l
	}
	switch v := logical.Value.(type) {
	case *format.DecimalType:
		n.shape, n.scale = shapeDecimal, int(v.Scale)
	case *format.DateType:
		n.shape = shapeDate
	case *format.TimestampType:
		n.shape, n.unit = shapeTimestamp, v.Unit
	case *format.IntType:
		if !v.IsSigned {
			n.shape = shapeUnsigned
		}
	case *format.UUIDType:
		n.shape = shapeUUID
	case *format.Float16Type:
		n.shape = shapeFloat16
	case *format.StringType, *format.EnumType, *format.JsonType:
	default:
		if k := t.Kind(); k == parquet.ByteArray || k == parquet.FixedLenByteArray {
			n.shape = shapeBytes
		}
	}
}

var errRow = errors.New("the row's columns do not fit together")

// append writes one row.
func (w *rowWriter) append(b []byte, row parquet.Row) (_ []byte, err error) {
	defer recoverCorrupt(&err)
	clear(w.columns)
	for len(row) > 0 {
		c, n := row[0].Column(), 1
		for n < len(row) && row[n].Column() == c {
			n++
		}
		if c < 0 || c >= len(w.columns) {
			return b, errRow
		}
		w.columns[c], row = row[:n], row[n:]
	}
	return w.group(b, w.root)
}

func (w *rowWriter) group(b []byte, n *columnNode) (_ []byte, err error) {
	b = append(b, '{')
	for i, child := range n.children {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, child.name...)
		if b, err = w.value(b, child); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

// present reports whether a node's value is there; if not, its place holders are dropped.
func (w *rowWriter) present(n *columnNode) (bool, error) {
	for leaf := n.leaf; leaf < n.leaf+n.leaves; leaf++ {
		if len(w.columns[leaf]) == 0 {
			return false, errRow
		}
	}
	if n.leaves == 0 || w.columns[n.leaf][0].DefinitionLevel() >= n.def {
		return true, nil
	}
	for leaf := n.leaf; leaf < n.leaf+n.leaves; leaf++ {
		w.columns[leaf] = w.columns[leaf][1:]
	}
	return false, nil
}

func (w *rowWriter) value(b []byte, n *columnNode) ([]byte, error) {
	if n.repeated {
		return w.repeated(b, n, '[', ']', w.element)
	}
	if n.optional {
		if ok, err := w.present(n); !ok {
			return append(b, "null"...), err
		}
	}
	return w.element(b, n)
}

// repeated writes the values of a repeated node.
func (w *rowWriter) repeated(b []byte, n *columnNode, open, end byte, each func([]byte, *columnNode) ([]byte, error)) ([]byte, error) {
	b = append(b, open)
	ok, err := w.present(n)
	if !ok {
		return append(b, end), err
	}
	for first := true; ; first = false {
		if !first {
			b = append(b, ',')
		}
		if b, err = each(b, n); err != nil {
			return b, err
		}
		if n.leaves == 0 || len(w.columns[n.leaf]) == 0 || w.columns[n.leaf][0].RepetitionLevel() != n.rep {
			return append(b, end), nil
		}
	}
}

// element writes one value that is there.
func (w *rowWriter) element(b []byte, n *columnNode) ([]byte, error) {
	switch n.shape {
	case shapeGroup:
		return w.group(b, n)
	case shapeList:
		return w.repeated(b, n.children[0], '[', ']', w.listElement)
	case shapeMap:
		return w.repeated(b, n.children[0], '{', '}', w.mapEntry)
	}
	if len(w.columns[n.leaf]) == 0 {
		return b, errRow
	}
	v := w.columns[n.leaf][0]
	w.columns[n.leaf] = w.columns[n.leaf][1:]
	return appendLeaf(b, n, v), nil
}

// listElement unwraps the repeated level of a list: a group of one field stands for that
// field, anything else is the element itself (lists of old writers, as one named "array").
func (w *rowWriter) listElement(b []byte, n *columnNode) ([]byte, error) {
	if n.shape == shapeGroup && len(n.children) == 1 && n.name != `"array":` {
		return w.value(b, n.children[0])
	}
	return w.element(b, n)
}

func (w *rowWriter) mapEntry(b []byte, n *columnNode) (_ []byte, err error) {
	from := len(b)
	if b, err = w.value(b, n.children[0]); err != nil {
		return b, err
	}
	if len(b) > from && b[from] != '"' { // names of JSON objects are strings
		key := slices.Clone(b[from:])
		b = appendString(b[:from], key)
	}
	return w.value(append(b, ':'), n.children[1])
}

func appendLeaf(b []byte, n *columnNode, v parquet.Value) []byte {
	if v.IsNull() {
		return append(b, "null"...)
	}
	switch n.shape {
	case shapeDecimal:
		return appendDecimal(b, v, n.scale)
	case shapeDate:
		day := time.Unix(int64(v.Int32())*86400, 0).UTC()
		return append(day.AppendFormat(append(b, '"'), time.DateOnly), '"')
	case shapeTimestamp:
		return append(moment(v.Int64(), n.unit).AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
	case shapeUnsigned:
		return appendUnsigned(b, v)
	case shapeUUID, shapeFloat16, shapeBytes:
		return appendBytes(b, n.shape, v.ByteArray())
	}
	switch v.Kind() {
	case parquet.Boolean:
		return strconv.AppendBool(b, v.Boolean())
	case parquet.Int32:
		return strconv.AppendInt(b, int64(v.Int32()), 10)
	case parquet.Int64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case parquet.Float:
		return appendFloat(b, float64(v.Float()), 32)
	case parquet.Double:
		return appendFloat(b, v.Double(), 64)
	case parquet.ByteArray, parquet.FixedLenByteArray:
		return appendString(b, v.ByteArray())
	}
	return appendString(b, fmt.Append(nil, v))
}

// moment is a count of units since 1970 as time in UTC.
func moment(n int64, unit format.TimeUnit) time.Time {
	switch unit.Value.(type) {
	case *format.MilliSeconds:
		return time.UnixMilli(n).UTC()
	case *format.MicroSeconds:
		return time.UnixMicro(n).UTC()
	}
	return time.Unix(0, n).UTC()
}

func appendUnsigned(b []byte, v parquet.Value) []byte {
	if v.Kind() == parquet.Int32 {
		return strconv.AppendUint(b, uint64(v.Uint32()), 10)
	}
	return strconv.AppendUint(b, v.Uint64(), 10)
}

// appendBytes writes bytes that are not known to be text; null if they mean nothing.
func appendBytes(b []byte, s shape, raw []byte) []byte {
	switch {
	case s == shapeUUID && len(raw) == 16:
		return fmt.Appendf(b, `"%x-%x-%x-%x-%x"`, raw[:4], raw[4:6], raw[6:8], raw[8:10], raw[10:])
	case s == shapeFloat16 && len(raw) == 2:
		return appendFloat(b, float64(half(binary.LittleEndian.Uint16(raw))), 32)
	case s == shapeBytes && utf8.Valid(raw):
		return appendString(b, raw)
	}
	return append(b, "null"...)
}

// half returns a half-precision number (IEEE 754 binary16: 1 bit of sign, 5 of exponent, 10 of fraction).
func half(bits uint16) float32 {
	exponent, fraction := int(bits>>10&31), float64(bits&1023)
	var f float64
	switch exponent {
	case 0:
		f = math.Ldexp(fraction, -24)
	case 31:
		f = math.Inf(1)
		if fraction != 0 {
			f = math.NaN()
		}
	default:
		f = math.Ldexp(1024+fraction, exponent-25)
	}
	if bits>>15 == 1 {
		f = -f
	}
	return float32(f)
}

func appendFloat(b []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(b, f, 'e', -1, bits)
	}
	return strconv.AppendFloat(b, f, 'f', -1, bits)
}

// appendDecimal writes an unscaled number with its point.
func appendDecimal(b []byte, v parquet.Value, scale int) []byte {
	var n big.Int
	switch v.Kind() {
	case parquet.Int32:
		n.SetInt64(int64(v.Int32()))
	case parquet.Int64:
		n.SetInt64(v.Int64())
	default: // two's complement, big end first
		raw := v.ByteArray()
		n.SetBytes(raw)
		if len(raw) > 0 && raw[0] >= 0x80 {
			n.Sub(&n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(raw))))
		}
	}
	if scale <= 0 || scale > 1000 {
		return n.Append(b, 10)
	}
	if n.Sign() < 0 {
		b = append(b, '-')
		n.Neg(&n)
	}
	digits := n.Append(nil, 10)
	for len(digits) <= scale {
		digits = slices.Insert(digits, 0, '0')
	}
	b = append(b, digits[:len(digits)-scale]...)
	return append(append(b, '.'), digits[len(digits)-scale:]...)
}

const hexDigits = "0123456789abcdef"

// appendString quotes bytes as a JSON string and changes none but those that must be escaped.
func appendString(b, s []byte) []byte {
	b = append(slices.Grow(b, len(s)+2), '"')
	from := 0
	for i, c := range s {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(b, s[from:]...), '"')
}
