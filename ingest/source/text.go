package source

import (
	"bytes"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
)

// text views bytes as a string without copying: both live as long as the record, and
// nothing writes to them in that time.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// A scratch is memory for the texts of one record. Texts stay valid until reset, also when
// the scratch grows: the old memory is then left to them.
type scratch struct{ buf []byte }

// scratchKeep bounds the memory that a parser holds on to between records.
const scratchKeep = 8 << 20

func (s *scratch) reset() {
	if cap(s.buf) > scratchKeep {
		s.buf = nil
	}
	s.buf = s.buf[:0]
}

// unquote returns the text of a JSON string: a view of it if it has no escapes.
func (s *scratch) unquote(v Value) string {
	if len(v) < 2 {
		return ""
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return text(v[1 : len(v)-1])
	}
	return s.build(len(v), func(b []byte) []byte { return appendUnquoted(b, v) })
}

// build returns the text that f appends; size is a guess of its length.
func (s *scratch) build(size int, f func([]byte) []byte) string {
	s.buf = slices.Grow(s.buf, size)
	from := len(s.buf)
	s.buf = f(s.buf)
	return text(s.buf[from:len(s.buf):len(s.buf)])
}

// appendUnquoted appends the text of a valid JSON string.
func appendUnquoted(dst []byte, v Value) []byte {
	if len(v) < 2 {
		return dst
	}
	v = v[1 : len(v)-1]
	for {
		i := bytes.IndexByte(v, '\\')
		if i < 0 || i+1 >= len(v) {
			return append(dst, v...)
		}
		dst = append(dst, v[:i]...)
		switch c := v[i+1]; c {
		case 'n':
			dst = append(dst, '\n')
		case 't':
			dst = append(dst, '\t')
		case 'r':
			dst = append(dst, '\r')
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'u':
			r, n := escapedRune(v[i:])
			dst = utf8.AppendRune(dst, r)
			v = v[i+n:]
			continue
		default: // quote, slash, backslash
			dst = append(dst, c)
		}
		v = v[i+2:]
	}
}

// escapedRune reads \uXXXX, or two of them that make a surrogate pair.
func escapedRune(v []byte) (r rune, n int) {
	r, ok := hex4(v)
	if !ok {
		return utf8.RuneError, min(2, len(v))
	}
	if utf16.IsSurrogate(r) {
		if low, ok := hex4(v[6:]); ok {
			return utf16.DecodeRune(r, low), 12
		}
	}
	return r, 6
}

func hex4(v []byte) (rune, bool) {
	if len(v) < 6 || v[0] != '\\' || v[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(text(v[2:6]), 16, 32)
	return rune(n), err == nil
}

// scalar returns the text of a string, number or bool; numbers keep their spelling.
func (s *scratch) scalar(v Value) (string, bool) {
	switch v.Kind() {
	case KindString:
		return s.unquote(v), true
	case KindNumber, KindBool:
		return text(v), true
	}
	return "", false
}

// compact returns a JSON value without spaces and with its strings in their shortest
// spelling, so that two spellings of one value are one text.
func (s *scratch) compact(v Value) string {
	return s.build(len(v), func(b []byte) []byte { return appendCompact(b, v) })
}

func appendCompact(b []byte, v Value) []byte {
	from := len(b)
	b, err := jsontext.AppendFormat(b, jsontext.Value(v))
	if err != nil { // cannot be: the value was checked
		return append(b[:from], "null"...)
	}
	return b
}

func appendQuoted(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}
