package template

import (
	"fmt"
	"regexp"
	"strings"
)

type pieceKind int

const (
	dataPiece pieceKind = iota // literal text
	exprPiece                  // {{ }}
	stmtPiece                  // {% %}
)

// A piece is literal text or the inside of one tag. Comments and raw blocks are gone, whitespace control is done.
type piece struct {
	kind pieceKind
	text string
	line int
}

// A lexer cuts Jinja source into pieces as Jinja2's own does with trim_blocks and lstrip_blocks on: whitespace next to tags is
// settled here, because engines differ in it and every newline is a token.
type lexer struct {
	src    string
	pos    int
	pieces []piece
	// lineStart is whether the last tag took its newline with it, so that lstrip_blocks sees the start of a line.
	lineStart bool
}

var (
	rawBegin = regexp.MustCompile(`^\{%[-+]?\s*raw\s*(-%\}\s*|%\})`)
	rawEnd   = regexp.MustCompile(`\{%([-+]?)\s*endraw\s*(\+%\}|-%\}\s*|%\}\n?)`)
	newlines = strings.NewReplacer("\r\n", "\n", "\r", "\n")
)

func lex(source string) ([]piece, error) {
	source = strings.TrimSuffix(newlines.Replace(source), "\n")
	l := &lexer{src: source, lineStart: true}
	for l.pos < len(l.src) {
		start := l.nextTag()
		if start < 0 {
			l.add(dataPiece, l.src[l.pos:], l.pos)
			break
		}
		data, dataAt := l.src[l.pos:start], l.pos
		open := l.src[start : start+2]
		l.pos = start + 2
		sign := byte(0)
		if l.pos < len(l.src) && (l.src[l.pos] == '-' || l.src[l.pos] == '+') {
			sign = l.src[l.pos]
			l.pos++
		}
		l.add(dataPiece, l.beforeTag(data, open, sign), dataAt)
		if err := l.tag(open, start); err != nil {
			return nil, err
		}
	}
	return l.pieces, nil
}

// nextTag finds the next place where a tag opens, or -1.
func (l *lexer) nextTag() int {
	for at := l.pos; ; at++ {
		i := strings.IndexByte(l.src[at:], '{')
		if i < 0 || at+i+1 >= len(l.src) {
			return -1
		}
		at += i
		if c := l.src[at+1]; c == '{' || c == '%' || c == '#' {
			return at
		}
	}
}

func (l *lexer) beforeTag(data, open string, sign byte) string {
	if sign == '-' {
		return strings.TrimRight(data, pythonSpace)
	}
	if sign == '+' || open == "{{" {
		return data
	}
	line := strings.LastIndexByte(data, '\n') + 1
	if (line > 0 || l.lineStart) && Strip(data[line:]) == "" {
		return data[:line]
	}
	return data
}

func (l *lexer) tag(open string, start int) error {
	switch open {
	case "{#":
		end := strings.Index(l.src[l.pos:], "#}")
		if end < 0 {
			return l.errorf(start, "this comment is never closed; close it with #}")
		}
		inside := l.src[l.pos : l.pos+end]
		l.pos += end + 2
		l.afterTag(lastSign(inside), true)
		return nil
	case "{%":
		if m := rawBegin.FindString(l.src[start:]); m != "" {
			return l.raw(start, start+len(m))
		}
	}
	end, err := l.closing(open, start)
	if err != nil {
		return err
	}
	inside := l.src[l.pos:end]
	l.pos = end + 2
	sign := lastSign(inside)
	if sign != 0 {
		inside = inside[:len(inside)-1]
	}
	kind := exprPiece
	if open == "{%" {
		kind = stmtPiece
	}
	l.add(kind, strings.Trim(inside, " \t\n"), start)
	l.afterTag(sign, kind == stmtPiece)
	return nil
}

func lastSign(inside string) byte {
	if n := len(inside); n > 0 && (inside[n-1] == '-' || inside[n-1] == '+') {
		return inside[n-1]
	}
	return 0
}

// afterTag eats the whitespace that a closing tag takes with it.
func (l *lexer) afterTag(sign byte, block bool) {
	before := l.pos
	rest := l.src[l.pos:]
	switch {
	case sign == '-':
		l.pos += len(rest) - len(strings.TrimLeft(rest, pythonSpace))
	case block && sign != '+' && strings.HasPrefix(rest, "\n"):
		l.pos++
	}
	l.lineStart = l.pos > before && l.src[l.pos-1] == '\n'
}

// raw takes everything up to endraw as literal text.
func (l *lexer) raw(start, bodyAt int) error {
	m := rawEnd.FindStringSubmatchIndex(l.src[bodyAt:])
	if m == nil {
		return l.errorf(start, "this raw block is never closed; close it with {%% endraw %%}")
	}
	body := l.src[bodyAt : bodyAt+m[0]]
	l.lineStart = strings.HasSuffix(l.src[start:bodyAt], "\n")
	var sign byte
	if m[3] > m[2] {
		sign = l.src[bodyAt+m[2]]
	}
	l.add(dataPiece, l.beforeTag(body, "{%", sign), bodyAt)
	l.pos = bodyAt + m[1]
	l.lineStart = l.src[l.pos-1] == '\n'
	return nil
}

// closing finds where the tag ends: the first closing mark outside of strings and brackets.
func (l *lexer) closing(open string, start int) (int, error) {
	mark := "}}"
	if open == "{%" {
		mark = "%}"
	}
	depth := 0
	for i := l.pos; i < len(l.src); i++ {
		if depth == 0 && strings.HasPrefix(l.src[i:], mark) {
			return i, nil
		}
		switch c := l.src[i]; c {
		case '\'', '"':
			end := stringEnd(l.src, i)
			if end < 0 {
				return 0, l.errorf(i, "this string is never closed")
			}
			i = end - 1
		case '(', '[', '{':
			if depth++; depth > maxNesting {
				return 0, l.errorf(i, "brackets are nested deeper than %d; write it flatter", maxNesting)
			}
		case ')', ']', '}':
			if depth--; depth < 0 {
				return 0, l.errorf(i, "unexpected %c", c)
			}
		}
	}
	return 0, l.errorf(start, "this tag is never closed; close it with %s", mark)
}

// stringEnd is the offset after the string literal that starts at i, or -1.
func stringEnd(s string, i int) int {
	quote := s[i]
	for i++; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case quote:
			return i + 1
		}
	}
	return -1
}

func (l *lexer) add(kind pieceKind, text string, at int) {
	if text != "" || kind != dataPiece {
		l.pieces = append(l.pieces, piece{kind, text, 1 + strings.Count(l.src[:at], "\n")})
	}
}

func (l *lexer) errorf(at int, format string, args ...any) error {
	return fmt.Errorf("line %d: "+format, append([]any{1 + strings.Count(l.src[:at], "\n")}, args...)...)
}
