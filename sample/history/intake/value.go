package intake

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
)

// A checker proves a record to be one JSON object.
type checker struct {
	dec *jsontext.Decoder
	in  bytes.Buffer
}

func newChecker() *checker {
	c := new(checker)
	c.dec = jsontext.NewDecoder(&c.in)
	return c
}

// object returns the record as a value that fields can be cut from.
func (c *checker) object(record []byte, cutOff bool) (value, *problem) {
	if !utf8.Valid(record) {
		return nil, bad(dataset.ReasonInvalidUTF8, "the record is not UTF-8")
	}
	c.in = *bytes.NewBuffer(record) // the decoder reads a bytes.Buffer in place
	c.dec.Reset(&c.in)
	v, err := c.dec.ReadValue()
	if err != nil {
		return nil, syntaxProblem(record, err, cutOff)
	}
	if _, err := c.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, bad(dataset.ReasonInvalidJSON, "more text after the JSON value")
	}
	if v.Kind() != '{' {
		return nil, bad(dataset.ReasonWrongType, "the record is not an object")
	}
	return value(v), nil
}

func syntaxProblem(record []byte, err error, cutOff bool) *problem {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		if cutOff {
			return bad(dataset.ReasonInvalidJSON, "cut off at the end of the file")
		}
		return bad(dataset.ReasonInvalidJSON, "the JSON value does not end")
	}
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok {
		return bad(dataset.ReasonInvalidJSON, "%v", err)
	}
	at := min(max(int(syntax.ByteOffset), 0), len(record))
	for _, word := range []string{"NaN", "nan", "Infinity", "-Infinity", "inf", "-inf"} {
		for back := range min(at, len(word)) + 1 { // the decoder may stop inside the word
			if bytes.HasPrefix(record[at-back:], []byte(word)) {
				return bad(ReasonNotANumber, "%s in %s", word, syntax.JSONPointer)
			}
		}
	}
	return bad(dataset.ReasonInvalidJSON, "%v at byte %d of the record", syntax.Err, syntax.ByteOffset)
}

// A value is the text of one JSON value that the checker has found valid.
type value []byte

func (v value) missing() bool { return len(v) == 0 || v[0] == 'n' }

// fields goes through the members of an object. Names with escapes are unescaped.
func (v value) fields(yield func(name []byte, v value) bool) {
	if len(v) == 0 || v[0] != '{' {
		return
	}
	for i := skipSpace(v, 1); v[i] != '}'; {
		end := skipString(v, i)
		name := v[i+1 : end-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			name = []byte(v[i:end].unquoted())
		}
		i = skipSpace(v, skipSpace(v, end)+1) // the colon
		end = skipValue(v, i)
		if !yield(name, v[i:end]) {
			return
		}
		if i = skipSpace(v, end); v[i] == ',' {
			i = skipSpace(v, i+1)
		}
	}
}

// items goes through the elements of a list.
func (v value) items(yield func(value) bool) {
	if len(v) == 0 || v[0] != '[' {
		return
	}
	for i := skipSpace(v, 1); v[i] != ']'; {
		end := skipValue(v, i)
		if !yield(v[i:end]) {
			return
		}
		if i = skipSpace(v, end); v[i] == ',' {
			i = skipSpace(v, i+1)
		}
	}
}

// field returns a member of an object, nothing where it is not there.
func (v value) field(name string) value {
	for n, f := range v.fields {
		if string(n) == name {
			return f
		}
	}
	return nil
}

// unquoted returns the text of a string.
func (v value) unquoted() string {
	if bytes.IndexByte(v, '\\') < 0 {
		return string(v[1 : len(v)-1])
	}
	b, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return string(v)
	}
	return string(b)
}

// text returns a string; nothing where it is missing.
func (v value) text(name string) (string, *problem) {
	if v.missing() {
		return "", nil
	}
	if v[0] != '"' {
		return "", bad(dataset.ReasonWrongType, "%s is not a string: %.40s", name, v)
	}
	return v.unquoted(), nil
}

// id returns a string, or an integer as one.
func (v value) id(name string) (string, *problem) {
	if !v.missing() && v[0] != '"' && v.isNumber() && !bytes.ContainsAny(v, ".eE") {
		return string(v), nil
	}
	return v.text(name)
}

func (v value) isNumber() bool { return v[0] == '-' || v[0] >= '0' && v[0] <= '9' }

// integer returns a whole number; ok is false where it is missing.
func (v value) integer(name string, limit int64) (n int64, ok bool, p *problem) {
	if v.missing() {
		return 0, false, nil
	}
	if !v.isNumber() {
		return 0, false, bad(dataset.ReasonWrongType, "%s is not a number: %.40s", name, v)
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil {
		f, _ := strconv.ParseFloat(string(v), 64) // 12.0, as some writers have it
		if n = int64(f); float64(n) != f {
			return 0, false, bad(ReasonInvalidValue, "%s is not a whole number: %.40s", name, v)
		}
	}
	if n < -1 || n > limit {
		return 0, false, bad(ReasonInvalidValue, "%s %d is out of range", name, n)
	}
	return n, true, nil
}

// number returns a number; null and what is missing are unknown.
func (v value) number(name string) (float64, bool, *problem) {
	switch {
	case v.missing():
		return 0, false, nil
	case len(v) == 1 && v[0] >= '0' && v[0] <= '9':
		return float64(v[0] - '0'), true, nil
	case v.isNumber():
		f, err := strconv.ParseFloat(string(v), 64)
		if err != nil || math.IsInf(f, 0) {
			return 0, false, bad(ReasonNotANumber, "%s is not finite: %.40s", name, v)
		}
		return f, true, nil
	case v[0] == '"' && isNaN(v.unquoted()):
		return 0, false, bad(ReasonNotANumber, "%s is %.40s", name, v)
	}
	return 0, false, bad(dataset.ReasonWrongType, "%s is not a number: %.40s", name, v)
}

func isNaN(s string) bool {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	return err == nil && (math.IsNaN(f) || math.IsInf(f, 0))
}

// A Range maps rewards as a file has them to [0, 1], linearly.
type Range struct{ Low, High float64 }

// UnitRange takes rewards as they are.
var UnitRange = Range{0, 1}

// reward returns a reward in [0, 1], or unknown.
func (r Range) reward(v value, name string) (history.Number, *problem) {
	f, ok, p := v.number(name)
	if p != nil || !ok {
		return history.Number{}, p
	}
	if f < r.Low || f > r.High {
		return history.Number{}, bad(ReasonOutOfRange, "%s %v is outside [%v, %v]", name, f, r.Low, r.High)
	}
	return history.Known(float32((f - r.Low) / (r.High - r.Low))), nil
}

func skipSpace(v value, i int) int {
	for v[i] == ' ' || v[i] == '\t' || v[i] == '\n' || v[i] == '\r' {
		i++
	}
	return i
}

func skipString(v value, i int) int {
	for i++; ; i++ {
		n := bytes.IndexByte(v[i:], '"')
		i += n
		slashes := 0
		for v[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i + 1
		}
	}
}

func skipValue(v value, i int) int {
	switch v[i] {
	case '"':
		return skipString(v, i)
	case '{', '[':
		for depth := 0; ; {
			switch v[i] {
			case '"':
				i = skipString(v, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
	}
	for i < len(v) && v[i] != ',' && v[i] != ']' && v[i] != '}' && v[i] > ' ' {
		i++
	}
	return i
}
