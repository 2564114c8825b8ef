package source

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// pyLiteral turns the text of a Python literal (lists, tuples, dicts, strings, numbers, True,
// False, None) into JSON: some published sets keep lists of questions as repr() wrote them.
// It computes nothing. false: the text is no such literal, or nests deeper than MaxDepth.
func pyLiteral(b []byte, text string) ([]byte, bool) {
	p := pyParser{b: b, s: text}
	ok := p.value(0)
	p.space()
	return p.b, ok && p.s == ""
}

type pyParser struct {
	b []byte // JSON so far
	s string // what is left of the literal
}

func (p *pyParser) space() { p.s = strings.TrimLeft(p.s, " \t\r\n") }

// take removes c if it comes next.
func (p *pyParser) take(c byte) bool {
	p.space()
	if p.s == "" || p.s[0] != c {
		return false
	}
	p.s = p.s[1:]
	return true
}

var pyWords = [...][2]string{{"None", "null"}, {"True", "true"}, {"False", "false"}, {"nan", "null"}}

func (p *pyParser) value(depth int) bool {
	if p.space(); p.s == "" || depth > MaxDepth {
		return false
	}
	switch c := p.s[0]; c {
	case '\'', '"':
		text, ok := p.text()
		p.b = appendQuoted(p.b, text)
		return ok
	case '[':
		return p.list(']', depth)
	case '(':
		return p.list(')', depth)
	case '{':
		return p.dict(depth)
	}
	for _, w := range pyWords {
		if rest, ok := strings.CutPrefix(p.s, w[0]); ok {
			p.b, p.s = append(p.b, w[1]...), rest
			return true
		}
	}
	return p.number()
}

func (p *pyParser) number() bool {
	n := 0
	for n < len(p.s) && strings.IndexByte("+-.0123456789eE", p.s[n]) >= 0 {
		n++
	}
	number := p.s[:n]
	if f, err := strconv.ParseFloat(number, 64); err != nil || f-f != 0 {
		return false
	}
	if !jsontext.Value(number).IsValid() { // such as 1. or +1
		f, _ := strconv.ParseFloat(number, 64)
		number = strconv.FormatFloat(f, 'g', -1, 64)
	}
	p.b, p.s = append(p.b, number...), p.s[n:]
	return true
}

func (p *pyParser) list(end byte, depth int) bool {
	p.s, p.b = p.s[1:], append(p.b, '[')
	for first := true; !p.take(end); first = false {
		if !first {
			if !p.take(',') {
				return false
			}
			if p.take(end) {
				break
			}
			p.b = append(p.b, ',')
		}
		if !p.value(depth + 1) {
			return false
		}
	}
	p.b = append(p.b, ']')
	return true
}

func (p *pyParser) dict(depth int) bool {
	p.s, p.b = p.s[1:], append(p.b, '{')
	for first := true; !p.take('}'); first = false {
		if !first {
			if !p.take(',') {
				return false
			}
			if p.take('}') {
				break
			}
			p.b = append(p.b, ',')
		}
		p.space()
		name, ok := p.text()
		if !ok || !p.take(':') {
			return false
		}
		p.b = append(appendQuoted(p.b, name), ':')
		if !p.value(depth + 1) {
			return false
		}
	}
	p.b = append(p.b, '}')
	return true
}

// text reads a string; strings side by side are one.
func (p *pyParser) text() (string, bool) {
	var b []byte
	n := 0
	for p.space(); p.s != "" && (p.s[0] == '\'' || p.s[0] == '"'); p.space() {
		quote := p.s[0]
		p.s = p.s[1:]
		for {
			i := strings.IndexAny(p.s, string(quote)+"\\\n")
			if i < 0 || p.s[i] == '\n' {
				return "", false
			}
			b = append(b, p.s[:i]...)
			c := p.s[i]
			if p.s = p.s[i+1:]; c == quote {
				break
			}
			var ok bool
			if b, ok = p.escape(b); !ok {
				return "", false
			}
		}
		n++
	}
	return string(b), n > 0
}

var pyEscapes = map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', 'a': '\a', 'b': '\b', 'f': '\f', 'v': '\v', '\\': '\\', '\'': '\'', '"': '"'}

// escape reads what follows a backslash. An unknown one stands for itself, as in Python.
func (p *pyParser) escape(b []byte) ([]byte, bool) {
	if p.s == "" {
		return b, false
	}
	c := p.s[0]
	p.s = p.s[1:]
	if e, ok := pyEscapes[c]; ok {
		return append(b, e), true
	}
	digits := 0
	switch c {
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	default:
		return append(b, '\\', c), true
	}
	if len(p.s) < digits {
		return b, false
	}
	n, err := strconv.ParseUint(p.s[:digits], 16, 32)
	if err != nil || !utf8.ValidRune(rune(n)) {
		return b, false
	}
	p.s = p.s[digits:]
	return utf8.AppendRune(b, rune(n)), true
}
