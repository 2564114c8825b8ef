package template

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/ardanlabs/jinja"
)

// pythonString is Python's str(v); undefined is empty, as in Jinja2.
func pythonString(v jinja.Value) string {
	switch {
	case v.IsString():
		return v.AsString()
	case v.IsUndefined():
		return ""
	}
	return pythonRepr(v)
}

func pythonRepr(v jinja.Value) string { return reprTo(v, maxNesting) }

// reprTo stops at a depth: a namespace can hold itself.
func reprTo(v jinja.Value, depth int) string {
	switch {
	case depth == 0:
		return "..."
	case v.IsNone():
		return "None"
	case v.IsFloat():
		return pythonFloat(v.AsFloat())
	case v.IsString():
		return quotePython(v.AsString())
	case v.IsList():
		parts := make([]string, 0, v.AsList().Len())
		for _, item := range v.AsList().Items {
			parts = append(parts, reprTo(item, depth-1))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case v.IsDict():
		parts := make([]string, 0, v.AsDict().Len())
		for _, key := range v.AsDict().Keys {
			parts = append(parts, quotePython(key)+": "+reprTo(v.AsDict().Data[key], depth-1))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return v.String()
}

func pythonFloat(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if exp := strings.IndexByte(s, 'e'); exp >= 0 {
		if n, err := strconv.Atoi(s[exp+1:]); err == nil && n >= -4 && n < 16 {
			s = strconv.FormatFloat(f, 'f', -1, 64)
		}
	}
	if !strings.ContainsAny(s, ".enIN") {
		s += ".0"
	}
	return s
}

func quotePython(s string) string {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	var b strings.Builder
	b.WriteByte(quote)
	for _, r := range s {
		switch {
		case r == '\\' || r == rune(quote):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == ' ' || unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte(quote)
	return b.String()
}
