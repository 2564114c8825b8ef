package template

import "strings"

// pythonSpace is every character that Python's str.strip removes. Go's unicode.IsSpace lacks U+001C to U+001F.
const pythonSpace = "\t\n\v\f\r\x1c\x1d\x1e\x1f \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"

// Strip removes whitespace from both ends as Python's str.strip does.
func Strip(s string) string { return strings.Trim(s, pythonSpace) }

// A trimming is what a chat template does to the ends of a content.
type trimming int

const (
	keep trimming = iota
	stripBoth
	stripLeft
	stripRight
)

var trimmings = []trimming{keep, stripBoth, stripLeft, stripRight}

func (t trimming) apply(s string) string {
	switch t {
	case stripBoth:
		return Strip(s)
	case stripLeft:
		return strings.TrimLeft(s, pythonSpace)
	case stripRight:
		return strings.TrimRight(s, pythonSpace)
	}
	return s
}

// cutLeft is the number of bytes that apply takes off the front.
func (t trimming) cutLeft(s string) int {
	if t == stripBoth || t == stripLeft {
		return len(s) - len(strings.TrimLeft(s, pythonSpace))
	}
	return 0
}
