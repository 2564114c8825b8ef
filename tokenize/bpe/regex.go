package bpe

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// regexSplitter cuts by a pattern that is not written out by hand: matches, and what lies between them, as Split with the
// behaviour "Isolated". It is some 50 times slower. The classes of characters are spelt out from the reference's tables before
// the pattern is compiled, so that they are not those of Go's Unicode.
type regexSplitter struct{ re *regexp2.Regexp }

func newRegex(path, pattern string) (splitter, error) {
	spelt, err := spellOut(pattern)
	if err == nil {
		var re *regexp2.Regexp
		if re, err = regexp2.Compile(spelt, regexp2.None); err == nil {
			return regexSplitter{re}, nil
		}
	}
	return nil, unsupported(path+".pattern", fmt.Sprintf("the regular expression %q (%v)", pattern, err),
		"the engine on daulet/tokenizers (build tag hf) does it")
}

func (r regexSplitter) split(ends []int, s string) []int {
	runes := []rune(s)
	at, done := 0, 0 // the same place in bytes and in characters
	to := func(n int) {
		for ; done < n; done++ {
			at += utf8.RuneLen(runes[done])
		}
		if at > 0 && (len(ends) == 0 || ends[len(ends)-1] != at) {
			ends = append(ends, at)
		}
	}
	first := len(ends)
	ends = append(ends, 0)
	for m, err := r.re.FindRunesMatch(runes); m != nil && err == nil; m, err = r.re.FindNextMatch(m) {
		to(m.Index)
		to(m.Index + m.Length)
	}
	to(len(runes))
	return append(ends[:first], ends[first+1:]...)
}

// classSets are the classes that a pattern can name, as sets of ours.
var classSets = map[string]uint{
	"L": setLetter, "Ll": 1 << clsLower, "M": 1 << clsMark, "N": 1 << clsNumber,
}

// spellOut replaces \p{L}, \p{N}, \p{M}, \p{Ll}, \s and \S by ranges of characters. A class that the table cannot tell from
// another is an error.
func spellOut(pattern string) (string, error) {
	var b strings.Builder
	inSet := 0
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '[':
			inSet++
		case c == ']' && inSet > 0:
			inSet--
		case c == '\\' && i+1 < len(pattern):
			i++
			set, n, err := namedClass(pattern[i:])
			if err != nil {
				return "", err
			}
			if n == 0 {
				b.WriteByte('\\')
				b.WriteByte(pattern[i])
				continue
			}
			i += n - 1
			if inSet > 0 {
				writeRanges(&b, set)
			} else {
				b.WriteByte('[')
				writeRanges(&b, set)
				b.WriteByte(']')
			}
			continue
		}
		b.WriteByte(pattern[i])
	}
	return b.String(), nil
}

// namedClass reads what stands behind a backslash. n is 0 if it is no class.
func namedClass(s string) (set uint, n int, err error) {
	const all = 1<<(clsOther+1) - 2
	switch s[0] {
	case 's':
		return setSpace, 1, nil
	case 'S':
		return all &^ setSpace, 1, nil
	case 'p', 'P':
		end := strings.IndexByte(s, '}')
		if len(s) < 3 || s[1] != '{' || end < 0 {
			return 0, 0, fmt.Errorf("the class \\%.3s is not known", s)
		}
		set, ok := classSets[s[2:end]]
		if !ok {
			return 0, 0, fmt.Errorf("the class \\%s is not known", s[:end+1])
		}
		if s[0] == 'P' {
			set = all &^ set
		}
		return set, end + 1, nil
	case 'w', 'W', 'd', 'D', 'h', 'H', 'R', 'X', 'b', 'B':
		return 0, 0, fmt.Errorf("the class \\%c is not known", s[0])
	}
	return 0, 0, nil
}

func writeRanges(b *strings.Builder, set uint) {
	props := &tables().props
	for lo := rune(0); lo <= utf8.MaxRune; lo++ {
		if !in(props.at(lo)&propClass, set) {
			continue
		}
		hi := lo
		for hi < utf8.MaxRune && in(props.at(hi+1)&propClass, set) {
			hi++
		}
		writeChar(b, lo)
		if hi > lo {
			b.WriteByte('-')
			writeChar(b, hi)
		}
		lo = hi
	}
}

func writeChar(b *strings.Builder, r rune) {
	if r > 0xFFFF {
		b.WriteRune(r)
	} else {
		fmt.Fprintf(b, "\\u%04X", r)
	}
}
