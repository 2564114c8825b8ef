package bpe

import (
	"unicode/utf8"
)

// A pattern cuts text into the pieces that are tokenized one by one. The patterns of the known tokenizers are written out by
// hand, a file each; every other one runs on a regular expression engine (regex.go).
//
// next returns where the piece that begins at s[i:] ends; i < len(s), and the result is > i. A scanner keeps no state between
// pieces: no pattern looks behind, so that the text after a piece is cut as if it stood alone.
type pattern interface {
	next(s string, i int) int
}

// Sets of classes: \p{L}, \s and [^\s\p{L}\p{N}].
const (
	setLetter = 1<<clsUpper | 1<<clsLower | 1<<clsLetter
	setSpace  = 1<<clsSpace | 1<<clsNewline
	setOther  = 1<<clsMark | 1<<clsPunct | 1<<clsOther
)

func in(class byte, set uint) bool { return set>>class&1 != 0 }

// run returns the end of the run of characters of the set that begins at i.
func (t *classTable) run(s string, i int, set uint) int {
	for i < len(s) {
		if b := s[i]; b < utf8.RuneSelf {
			if !in(t.ascii[b], set) {
				return i
			}
			i++
			continue
		}
		c, n := t.wide(s, i)
		if !in(c, set) {
			return i
		}
		i += n
	}
	return i
}

// atMost is run for no more than n characters.
func (t *classTable) atMost(s string, i int, set uint, n int) int {
	for ; n > 0; n-- {
		c, size := t.at(s, i)
		if size == 0 || !in(c, set) {
			return i
		}
		i += size
	}
	return i
}

func newlines(s string, i int) int {
	for i < len(s) && (s[i] == '\n' || s[i] == '\r') {
		i++
	}
	return i
}

// spaces describes the run of white space at s[i:]: where it ends, where its last character begins, where its last newline
// ends (0 without one), and whether the text ends there.
func (t *classTable) spaces(s string, i int) (end, last, afterNewline int, atEnd bool) {
	for {
		c, n := t.at(s, i)
		switch c {
		case clsSpace:
		case clsNewline:
			afterNewline = i + n
		default:
			return i, last, afterNewline, c == clsEnd || c == clsInside
		}
		last = i
		i += n
	}
}

// blank matches \s+(?!\S)|\s+: all of the run at the end of the text, else all but its last character, if there are more.
func (t *classTable) blank(s string, i int) int {
	end, last, _, atEnd := t.spaces(s, i)
	if atEnd || last == i {
		return end
	}
	return last
}

// blankLines matches \s*[\r\n]+|\s+(?!\S)|\s+: up to the last newline of the run first.
func (t *classTable) blankLines(s string, i int) int {
	end, last, afterNewline, atEnd := t.spaces(s, i)
	switch {
	case afterNewline > 0:
		return afterNewline
	case atEnd || last == i:
		return end
	}
	return last
}

// contraction returns the length of 's, 't, 're, 've, 'm, 'll or 'd at s[i:], in any case, or 0. The long s (U+017F) is an s.
func contraction(s string, i int) int {
	if i+1 >= len(s) || s[i] != '\'' {
		return 0
	}
	a, b := s[i+1]|0x20, byte(0)
	if i+2 < len(s) {
		b = s[i+2] | 0x20
	}
	switch {
	case s[i+1] == 0xC5 && i+2 < len(s) && s[i+2] == 0xBF:
		return 3
	case s[i+1] >= utf8.RuneSelf:
		return 0
	case a == 's' || a == 't' || a == 'm' || a == 'd':
		return 2
	case (a == 'r' || a == 'v') && b == 'e' || a == 'l' && b == 'l':
		return 3
	}
	return 0
}

// lowerContraction is contraction for lower case only.
func lowerContraction(s string, i int) int {
	n := contraction(s, i)
	for _, b := range []byte(s[i : i+n]) {
		if b != '\'' && (b < 'a' || b > 'z') {
			return 0
		}
	}
	return n
}
