package reward

import (
	"strings"
	"unicode"
)

// compareChoice compares letters. A reference that has none is a text.
func compareChoice(answer, reference string, o *Options) Reason {
	want, reason := letter(plain(unwrap(reference)))
	if reason != ReasonNone {
		return compareText(answer, reference, o)
	}
	got, reason := letter(plain(answer))
	switch {
	case reason != ReasonNone:
		return reason
	case got == want:
		return Choice
	}
	return Different
}

// letter reads a choice: "(B)", "B", "B. the second", "option b)", "\text{B}". A letter that
// begins a phrase, as in "A dog", is not one.
func letter(s string) (byte, Reason) {
	s = strings.TrimLeft(s, " \t*_\"'`$[{")
	for _, word := range []string{"option", "choice", "answer", `\text{`, `\textbf{`, `\mathrm{`, `\mathbf{`} {
		if hasPrefixFold(s, word) {
			s = strings.TrimLeft(s[len(word):], " \t*_:\"'`{")
		}
	}
	s, open := strings.CutPrefix(s, "(")
	s = strings.TrimLeft(s, " *_\"'")
	if s == "" || s[0]|0x20 < 'a' || s[0]|0x20 > 'j' {
		return 0, Unparsed
	}
	c, rest := s[0]&^0x20, s[1:]
	alone := strings.TrimLeft(rest, ")]}*_.:,;\"'`$ \\\t") == ""
	switch {
	case alone:
	case rest[0] >= 0x80, isLetter(rest[0]), isDigit(rest[0]), rest[0] == '\'' || rest[0] == '-':
		return 0, Unparsed
	case rest[0] == ' ' && !open && !explains(rest[1:]):
		return 0, Unparsed
	case s[0] >= 'a' && !open && rest[0] != ')':
		return 0, Unparsed
	}
	if secondLetter(rest) {
		return 0, Ambiguous
	}
	return c, ReasonNone
}

// explains reports whether a text after a letter only gives reasons, or joins another letter.
func explains(s string) bool {
	word, _, _ := strings.Cut(s, " ")
	switch strings.ToLower(strings.TrimRight(word, ",.:;")) {
	case "because", "since", "as", "which", "and", "or", "-", "--", "is", "", "&":
		return true
	}
	return word[0] == '(' || word[0] == ':'
}

// secondLetter reports whether a text goes on with another choice: " and B", ", C)", " or (D)".
func secondLetter(s string) bool {
	s = strings.TrimLeft(s, ")]}*_\"' ")
	for _, joint := range []string{"and ", "or ", "&", ",", "/", "+"} {
		rest, ok := strings.CutPrefix(s, joint)
		if !ok {
			continue
		}
		rest = strings.TrimLeft(rest, " (*_\"'")
		rest = strings.TrimPrefix(strings.TrimPrefix(rest, "and "), "or ")
		rest = strings.TrimLeft(rest, " (*_\"'")
		return rest != "" && rest[0] >= 'A' && rest[0] <= 'J' && (len(rest) == 1 || !unicode.IsLetter(rune(rest[1])) && rest[1] != ' ' || strings.HasPrefix(rest[1:], " and ") || strings.HasPrefix(rest[1:], " or "))
	}
	return false
}
