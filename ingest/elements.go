package ingest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/ingest/source"
)

// An elementSource cuts one JSON text into records: the elements of a list, or the values of
// an object, whose names become the field "id" of records that have none.
//
//	[{..}, {..}]      {"1909.00694": {..}, "1909.01214": {..}}
//
// It only finds where elements end, and holds one chunk and one element of up to maxRecord
// bytes; whether they are valid is found by the check of records. The number of an element
// takes the place of a line's.
type elementSource struct {
	in        io.Reader
	maxRecord int
	chunk     int

	window []byte // read, not used yet
	block  []byte // memory of windows
	offset int64  // in the text, of window[0]
	opener byte   // '[' or '{'; 0 before it was read
	count  int64
	done   bool
}

// maxElementName is the longest name of an element of an object.
const maxElementName = 4 << 10

// errCutOff means that the text ends inside the list or object.
var errCutOff = errors.New("cut off at the end of the file")

func (e *elementSource) lines() int64 { return e.count }

func (e *elementSource) next() ([]byte, []record, error) {
	if e.done {
		return nil, nil, io.EOF
	}
	buf := newBuffer(e.chunk)
	var records []record
	for !e.done && len(buf) < e.chunk/2 {
		var err error
		buf, records, err = e.element(buf, records)
		switch corrupt, damaged := errors.AsType[*corruptError](err); {
		case err == nil:
		case damaged:
			records = e.broken(records, dataset.ReasonCorruptInput, corrupt)
		case errors.Is(err, errCutOff) || errors.As(err, new(*strayError)):
			records = e.broken(records, dataset.ReasonInvalidJSON, err)
		default:
			return nil, nil, err
		}
	}
	if len(records) == 0 {
		return nil, nil, io.EOF
	}
	return buf, records, nil
}

// broken rejects all that follows in one.
func (e *elementSource) broken(records []record, why dataset.Reason, err error) []record {
	e.done = true
	return append(records, record{
		line: e.count, offset: e.offset, excerpt: slices.Clone(e.window[:min(len(e.window), longHead)]),
		bad: source.NewProblem(why, "%v; the rest of the file cannot be read", err),
	})
}

// A strayError is a character where none can be.
type strayError struct {
	got    byte
	at     int64
	wanted string
}

func (e *strayError) Error() string {
	return fmt.Sprintf("%q at byte %d of the file where %s should be", e.got, e.at, e.wanted)
}

// element appends the next element to buf, or sets done at the end of the text.
func (e *elementSource) element(buf []byte, records []record) ([]byte, []record, error) {
	more, err := e.step()
	if err != nil || !more {
		e.done = e.done || err == nil
		return buf, records, err
	}
	var name []byte
	if e.opener == '{' {
		if name, err = e.name(); err != nil {
			return buf, records, err
		}
	}
	if _, err := e.peek(); err != nil {
		return buf, records, err
	}
	rec := record{start: len(buf), line: e.count, offset: e.offset}
	buf, size, err := e.value(buf)
	if err != nil {
		return buf[:rec.start], records, err
	}
	e.count++
	if size > int64(e.maxRecord) {
		rec.bad = tooLarge(size, int64(e.maxRecord))
	} else if name != nil {
		buf = named(buf, rec.start, name)
	}
	rec.end = len(buf)
	return buf, append(records, rec), nil
}

// named puts a field "id" in front of an object that begins at buf[start:] and has none.
func named(buf []byte, start int, name []byte) []byte {
	v := source.Value(buf[start:])
	if v.Kind() != source.KindObject || len(v.Get("id")) > 0 {
		return buf
	}
	field := append([]byte(`"id":`), name...)
	if rest := bytes.TrimLeft(v[1:], " \t\r\n"); len(rest) > 0 && rest[0] != '}' {
		field = append(field, ',')
	}
	return slices.Insert(buf, start+1, field...)
}

// step goes to where the next element begins; false at the end of the text.
func (e *elementSource) step() (bool, error) {
	c, err := e.peek()
	if err != nil {
		return false, err
	}
	if e.opener == 0 {
		e.opener = c
		e.advance(1)
		if c, err = e.peek(); err != nil {
			return false, err
		}
	} else if c == ',' {
		e.advance(1)
		_, err = e.peek()
		return true, err
	} else if c != e.closer() {
		return false, &strayError{c, e.offset, fmt.Sprintf("a comma or %q", e.closer())}
	}
	if c != e.closer() {
		return true, nil
	}
	e.advance(1)
	if c, err = e.peek(); err == nil {
		return false, &strayError{c, e.offset, "the end of the file"}
	}
	if errors.Is(err, errCutOff) {
		return false, nil
	}
	return false, err
}

func (e *elementSource) closer() byte { return e.opener + 2 } // '[' + 2 is ']', and '{' + 2 is '}'

// name reads the name of an element with its quotes, and the colon.
func (e *elementSource) name() ([]byte, error) {
	if c, err := e.peek(); err != nil || c != '"' {
		return nil, cmp.Or[error](err, &strayError{c, e.offset, "a name"})
	}
	at := e.offset
	var s valueScanner
	var name []byte
	for done := false; !done; {
		if err := e.fill(); err != nil {
			return nil, err
		}
		var n int
		n, done = s.scan(e.window)
		name = append(name, e.window[:n]...)
		if len(name) > maxElementName {
			return nil, &strayError{'"', at, fmt.Sprintf("a name of at most %d bytes", maxElementName)}
		}
		e.advance(n)
	}
	if c, err := e.peek(); err != nil || c != ':' {
		return nil, cmp.Or[error](err, &strayError{c, e.offset, "a colon"})
	}
	e.advance(1)
	return name, nil
}

// value appends a value to buf; of one over the limit only the head. size is that of all of it.
func (e *elementSource) value(buf []byte) (_ []byte, size int64, err error) {
	var s valueScanner
	start := len(buf)
	for done := false; !done; {
		if err := e.fill(); err != nil {
			return buf, size, err
		}
		var n int
		n, done = s.scan(e.window)
		size += int64(n)
		if size <= int64(e.maxRecord) {
			buf = append(buf, e.window[:n]...)
		} else {
			buf = append(buf, e.window[:n]...)[:min(len(buf)+n, start+longHead)]
		}
		if size == 0 {
			return buf, size, &strayError{e.window[0], e.offset, "a value"}
		}
		e.advance(n)
	}
	return buf, size, nil
}

// peek skips white space and returns the character after it, or errCutOff at the end.
func (e *elementSource) peek() (byte, error) {
	for {
		if err := e.fill(); err != nil {
			return 0, err
		}
		for i, c := range e.window {
			if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
				e.advance(i)
				return c, nil
			}
		}
		e.advance(len(e.window))
	}
}

// fill makes sure that the window holds something; errCutOff at the end of the text.
func (e *elementSource) fill() error {
	if e.block == nil {
		e.block = make([]byte, 256<<10)
	}
	for len(e.window) == 0 {
		n, err := e.in.Read(e.block)
		e.window = e.block[:n]
		if e.offset == 0 && bytes.HasPrefix(e.window, []byte(bom)) {
			e.advance(len(bom))
		}
		if n > 0 {
			return nil // an error comes again with the next read
		}
		if err == io.EOF {
			return errCutOff
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *elementSource) advance(n int) {
	e.window = e.window[n:]
	e.offset += int64(n)
}

// A valueScanner finds the end of a JSON value that comes in pieces.
type valueScanner struct {
	depth    int
	inString bool
	escaped  bool
	scalar   bool // inside a number or a word
}

// scan returns how many bytes of b belong to the value, and whether it ends there.
func (s *valueScanner) scan(b []byte) (n int, done bool) {
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case s.escaped:
			s.escaped = false
		case s.inString:
			for i < len(b) && b[i] != '"' && b[i] != '\\' {
				i++
			}
			if i == len(b) {
				return i, false
			}
			s.escaped = b[i] == '\\'
			s.inString = s.escaped
			if !s.inString && s.depth == 0 {
				return i + 1, true
			}
		case s.scalar && strings.IndexByte(" \t\r\n,]}:\"[{", c) >= 0:
			return i, true
		case s.scalar:
		case c == '"':
			s.inString = true
		case c == '{' || c == '[':
			s.depth++
		case s.depth == 0 && strings.IndexByte(",:]}", c) >= 0:
			return i, true // no value at all
		case c == '}' || c == ']':
			if s.depth--; s.depth == 0 {
				return i + 1, true
			}
		case s.depth == 0:
			s.scalar = true
		}
	}
	return len(b), false
}
