package audit

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable makes a text of a document safe to show: control characters become their pictures,
// and characters that change the direction or the look of what stands around them are spelled
// out. Line ends and tabs stay.
func Printable(text string) string {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, hidden) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\r':
		case !hidden(r):
			b.WriteRune(r)
		case r < ' ':
			b.WriteRune('␀' + r)
		case r == 0x7f:
			b.WriteRune('␡')
		default:
			fmt.Fprintf(&b, "⟨U+%04X⟩", r)
		}
	}
	return b.String()
}

// PrintableLine is Printable in one line.
func PrintableLine(text string) string { return strings.Join(strings.Fields(Printable(text)), " ") }

// hidden reports whether a character cannot be seen, or changes what is around it: controls,
// format characters (bidi overrides and isolates, zero-width joiners, tags, byte order marks)
// and the two separators that are no line ends to most programs.
func hidden(r rune) bool {
	switch r {
	case '\n', '\t':
		return false
	case 0x2028, 0x2029:
		return true
	}
	return r < ' ' || r == 0x7f || unicode.In(r, unicode.Cc, unicode.Cf)
}
