package source

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/longctx/pipeline/dataset"
)

// MaxDepth is how deep the lists and objects of a record may nest.
const MaxDepth = 100

// A Checker proves records valid. It is not safe for use by several goroutines.
type Checker struct {
	dec *jsontext.Decoder
	in  bytes.Buffer
}

// NewChecker returns a Checker.
func NewChecker() *Checker {
	c := &Checker{}
	c.dec = jsontext.NewDecoder(&c.in)
	return c
}

// Check returns the record as a value: one JSON object, valid UTF-8 in bytes and escapes,
// no name twice in an object, at most MaxDepth deep. Anything else is a problem. cutOff
// says that the input ended without a newline after this record.
func (c *Checker) Check(record []byte, cutOff bool) (Value, *Problem) {
	if !utf8.Valid(record) {
		return nil, problem(dataset.ReasonInvalidUTF8, "invalid UTF-8 at byte %d of the record", invalidAt(record))
	}
	c.in = *bytes.NewBuffer(record) // the decoder reads a bytes.Buffer in place
	c.dec.Reset(&c.in)
	v, err := c.dec.ReadValue()
	if err != nil {
		return nil, syntaxProblem(err, cutOff)
	}
	end := c.dec.InputOffset()
	if _, err := c.dec.ReadToken(); err != io.EOF {
		return nil, problem(dataset.ReasonInvalidJSON, "more text after the JSON value, which ends at byte %d of the record", end)
	}
	value := Value(v)
	if k := value.Kind(); k != KindObject {
		return nil, problem(dataset.ReasonWrongType, "the record is %s, not an object", k)
	}
	if _, deep := skipNested(value, 0); deep > MaxDepth {
		return nil, problem(dataset.ReasonInvalidJSON, "nested %d deep; %d is the limit", deep, MaxDepth)
	}
	return value, nil
}

// IsObject reports whether a line is one JSON object.
func IsObject(line []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) > 0 && line[0] == '{' && jsontext.Value(line).IsValid()
}

// IsBegun reports whether a line is the beginning of a JSON value that may go on in the next
// line, so not one that breaks off inside a string.
func IsBegun(line []byte) bool {
	d := jsontext.NewDecoder(io.MultiReader(bytes.NewReader(line), strings.NewReader("\n")))
	_, err := d.ReadValue()
	return errors.Is(err, io.ErrUnexpectedEOF)
}

func syntaxProblem(err error, cutOff bool) *Problem {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		if cutOff {
			return problem(dataset.ReasonInvalidJSON, "cut off at the end of the file")
		}
		return problem(dataset.ReasonInvalidJSON, "the JSON value does not end")
	}
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok {
		return problem(dataset.ReasonInvalidJSON, "%v", err)
	}
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return problem(dataset.ReasonInvalidJSON, "field %q stands twice", syntax.JSONPointer.LastToken())
	}
	what := syntax.Err.Error()
	if strings.Contains(what, "surrogate") {
		return problem(dataset.ReasonInvalidUTF8, "half a surrogate pair at byte %d of the record", syntax.ByteOffset)
	}
	return problem(dataset.ReasonInvalidJSON, "%s at byte %d of the record", what, syntax.ByteOffset)
}

func invalidAt(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(b)
}

// excerptRunes is how much of a record a reject shows.
const excerptRunes = 120

// Excerpt returns the first characters of a record, invalid bytes replaced.
func Excerpt(record []byte) string {
	n := 0
	var b strings.Builder
	for i := 0; i < len(record) && n < excerptRunes; n++ {
		r, size := utf8.DecodeRune(record[i:])
		b.WriteRune(r)
		i += size
	}
	return b.String()
}
