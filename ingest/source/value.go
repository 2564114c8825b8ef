package source

import (
	"bytes"
	"iter"
	"strconv"
	"strings"
)

// A Value is the text of one JSON value that [Checker.Check] has found valid. The
// functions of this file only cut it: on anything else they may return nonsense, but
// never read outside it.
type Value []byte

// A Kind is the type of a JSON value. Example: "a string"
type Kind string

// Kinds of values; a value that is not there has no kind.
const (
	KindNone   Kind = "missing"
	KindNull   Kind = "null"
	KindBool   Kind = "true or false"
	KindNumber Kind = "a number"
	KindString Kind = "a string"
	KindList   Kind = "a list"
	KindObject Kind = "an object"
)

// Kind returns the type of the value.
func (v Value) Kind() Kind {
	if len(v) == 0 {
		return KindNone
	}
	switch v[0] {
	case '"':
		return KindString
	case '{':
		return KindObject
	case '[':
		return KindList
	case 'n':
		return KindNull
	case 't', 'f':
		return KindBool
	}
	return KindNumber
}

// IsNone reports whether the value is missing or null: sources use both for "not said".
func (v Value) IsNone() bool { return len(v) == 0 || v[0] == 'n' }

// Items goes through the elements of a list; of anything else, none.
func (v Value) Items() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Kind() != KindList {
			return
		}
		for i := skipSpace(v, 1); i < len(v) && v[i] != ']'; {
			end := skipValue(v, i)
			if !yield(v[i:end]) {
				return
			}
			if i = skipSpace(v, end); i < len(v) && v[i] == ',' {
				i = skipSpace(v, i+1)
			}
		}
	}
}

// Fields goes through names and values of an object, in their order; of anything else, none.
func (v Value) Fields() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.Kind() != KindObject {
			return
		}
		for i := skipSpace(v, 1); i < len(v) && v[i] == '"'; {
			nameEnd := skipValue(v, i)
			name := v[i:nameEnd]
			i = skipSpace(v, nameEnd)
			i = skipSpace(v, i+1) // the colon
			end := skipValue(v, i)
			if i > end || !yield(fieldName(name), v[i:end]) {
				return
			}
			if i = skipSpace(v, end); i < len(v) && v[i] == ',' {
				i = skipSpace(v, i+1)
			}
		}
	}
}

// Len returns the number of elements of a list.
func (v Value) Len() int {
	n := 0
	for range v.Items() {
		n++
	}
	return n
}

// Get returns the field of an object, or an empty value.
func (v Value) Get(name string) Value {
	for n, f := range v.Fields() {
		if n == name {
			return f
		}
	}
	return nil
}

// fieldName unquotes a name. Names are short: a copy is cheap, and nearly always avoided.
func fieldName(quoted Value) string {
	if bytes.IndexByte(quoted, '\\') < 0 && len(quoted) >= 2 {
		return text(quoted[1 : len(quoted)-1])
	}
	return string(appendUnquoted(nil, quoted))
}

// lookup follows a path of names and list indices. A name that meets a list is looked up
// in each of its elements, and the results make a new list.
func (v Value) lookup(path []string) Value {
	for i, step := range path {
		if v.Kind() == KindList {
			n, err := strconv.Atoi(step)
			if err != nil {
				return v.collect(path[i:])
			}
			v = v.at(n)
			continue
		}
		v = v.Get(step)
	}
	return v
}

func (v Value) at(n int) Value {
	i := 0
	for item := range v.Items() {
		if i == n {
			return item
		}
		i++
	}
	return nil
}

func (v Value) collect(path []string) Value {
	list := Value{'['}
	for item := range v.Items() {
		if found := item.lookup(path); len(found) > 0 {
			if len(list) > 1 {
				list = append(list, ',')
			}
			list = append(list, found...)
		}
	}
	if len(list) == 1 {
		return nil
	}
	return append(list, ']')
}

// A Record is the object of one raw record, its fields cut once.
type Record struct {
	Value
	fields []field
}

type field struct {
	name  string
	value Value
}

func newRecord(v Value) *Record {
	r := &Record{}
	r.set(v)
	return r
}

func (r *Record) set(v Value) {
	r.Value, r.fields = v, r.fields[:0]
	for name, value := range v.Fields() {
		r.fields = append(r.fields, field{name, value})
	}
}

// Get returns a field of the record, or an empty value.
func (r *Record) Get(name string) Value {
	for i := range r.fields {
		if r.fields[i].name == name {
			return r.fields[i].value
		}
	}
	return nil
}

// first returns the first of the fields that says something.
func (r *Record) first(names ...string) Value {
	for _, name := range names {
		if v := r.Get(name); !v.IsNone() {
			return v
		}
	}
	return nil
}

func (r *Record) lookup(path []string) Value { return r.Get(path[0]).lookup(path[1:]) }

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipValue returns the end of the value that begins at i; it always advances.
func skipValue(b []byte, i int) int {
	if i >= len(b) {
		return len(b)
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		end, _ := skipNested(b, i)
		return end
	}
	for i++; i < len(b); i++ {
		switch b[i] {
		case ',', ']', '}', ' ', '\n', '\t', '\r':
			return i
		}
	}
	return i
}

// skipString returns the end of the string whose quote is at i. A quote ends a string
// unless an odd number of backslashes stands before it.
func skipString(b []byte, i int) int {
	for j := i + 1; ; j++ {
		k := bytes.IndexByte(b[j:], '"')
		if k < 0 {
			return len(b)
		}
		j += k
		n := j
		for n > i+1 && b[n-1] == '\\' {
			n--
		}
		if (j-n)%2 == 0 {
			return j + 1
		}
	}
}

// skipNested returns the end of the object or list that begins at i, and how deep it nests.
func skipNested(b []byte, i int) (end, deepest int) {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			i = skipString(b, i)
			continue
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1, deepest
			}
		}
		i++
	}
	return len(b), deepest
}

func pathName(path []string) string { return strings.Join(path, ".") }
