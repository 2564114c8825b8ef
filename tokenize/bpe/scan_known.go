package bpe

import "unicode/utf8"

// plainClasses leaves the classes as they are.
func plainClasses() *classTable {
	return newClassTable(func(_ rune, props byte) byte { return props & propClass })
}

// digitClasses makes every numeric character an end: what an individual-digits splitter leaves to the pattern after it.
func digitClasses() *classTable {
	return newClassTable(func(_ rune, props byte) byte {
		if props&propNumeric != 0 {
			return clsEnd
		}
		return props & propClass
	})
}

// gpt2 is the pattern of GPT-2, r50k_base and p50k_base, and what ByteLevel splits by:
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// With digitClasses it is that pattern behind Digits(individual_digits), the splitter of SmolLM2.
type gpt2 struct{ *classTable }

func (p gpt2) next(s string, i int) int {
	c, n := p.at(s, i)
	if n > 0 && c == clsEnd {
		return i + n
	}
	start := i
	switch s[i] {
	case '\'':
		if n := lowerContraction(s, i); n > 0 {
			return i + n
		}
	case ' ':
		c2, n2 := p.at(s, i+1)
		if in(c2, setLetter|1<<clsNumber|setOther) {
			c, n, start = c2, n2, i+1
		}
	}
	switch {
	case in(c, setLetter):
		return p.run(s, start+n, setLetter)
	case c == clsNumber:
		return p.run(s, start+n, 1<<clsNumber)
	case in(c, setSpace):
		return p.blank(s, i)
	}
	return p.run(s, start+n, setOther)
}

// cl100k is the family of
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// with one digit (Qwen) or three (cl100k_base, Llama 3). wholeEnd is tiktoken's newer way of writing it, \s++$ before the
// newlines: white space that ends the text is one piece, newlines or not.
type cl100k struct {
	*classTable
	digits   int
	wholeEnd bool
}

func (p cl100k) next(s string, i int) int {
	c, n := p.at(s, i)
	switch {
	case in(c, setLetter):
		return p.run(s, i+n, setLetter)
	case c == clsNumber:
		return p.atMost(s, i+n, 1<<clsNumber, p.digits-1)
	case c == clsNewline:
		return p.space(s, i)
	}
	if n := contraction(s, i); n > 0 {
		return i + n
	}
	c2, n2 := p.at(s, i+n)
	switch {
	case in(c2, setLetter):
		return p.run(s, i+n+n2, setLetter)
	case c == clsSpace:
		if s[i] != ' ' || !in(c2, setOther) {
			return p.space(s, i)
		}
	}
	return newlines(s, p.run(s, i+n, setOther))
}

func (p cl100k) space(s string, i int) int {
	if p.wholeEnd {
		if end, _, _, _ := p.spaces(s, i); end == len(s) {
			return end
		}
	}
	return p.blankLines(s, i)
}

// o200k is the pattern of o200k_base, with U for [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] and L for [\p{Ll}\p{Lm}\p{Lo}\p{M}]:
//
//	[^\r\n\p{L}\p{N}]?U*L+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?U+L*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|
//	\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
type o200k struct{ *classTable }

const (
	setU = 1<<clsUpper | 1<<clsLetter | 1<<clsMark
	setL = 1<<clsLower | 1<<clsLetter | 1<<clsMark
)

func (p o200k) next(s string, i int) int {
	c, n := p.at(s, i)
	if c == clsNumber {
		return p.atMost(s, i+n, 1<<clsNumber, 2)
	}
	if c != clsNewline {
		if end := p.word(s, i, n, c); end > 0 {
			return end + contraction(s, end)
		}
	}
	if in(c, setSpace) {
		if c2, _ := p.at(s, i+1); s[i] != ' ' || !in(c2, setOther) {
			return p.blankLines(s, i)
		}
	}
	end := p.run(s, i+n, setOther)
	for end < len(s) && (s[end] == '\n' || s[end] == '\r' || s[end] == '/') {
		end++
	}
	return end
}

// word tries the first two alternatives, each with the leading character taken as such and then, if that fails, as a part of
// the word. It returns 0 if neither matches.
func (p o200k) word(s string, i, n int, c byte) int {
	after := -1
	if !in(c, setLetter) {
		after = i + n
		if end := p.endsLow(s, after); end > 0 {
			return end
		}
		if !in(c, setU|setL) { // it can only lead
			if up := p.run(s, after, setU); up > after {
				return up
			}
			return 0
		}
	}
	if end := p.endsLow(s, i); end > 0 {
		return end
	}
	if after >= 0 {
		if up := p.run(s, after, setU); up > after {
			return up
		}
	}
	if up := p.run(s, i, setU); up > i {
		return up
	}
	return 0
}

// endsLow matches U*L+ at i, or returns 0. If no lower-case letter follows the U*, it must give back its characters down to
// the last that is in L too.
func (p o200k) endsLow(s string, i int) int {
	shared := 0 // the end of the last character that is in U and in L
	for {
		c, n := p.at(s, i)
		switch {
		case c == clsLower:
			return p.run(s, i+n, setL)
		case in(c, setU&setL):
			shared = i + n
		case c != clsUpper:
			return shared
		}
		i += n
	}
}

// deepseek is the splitter of DeepSeek V3 and R1, three patterns one after the other: \p{N}{1,3}, then a run of Chinese and
// Japanese [一-龥぀-ゟ゠-ヿ]+, then in each of the parts
//
//	[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|
//	\s*[\r\n]+|\s+(?!\S)|\s+
//
// Numbers, and the edges of the Chinese runs, are ends to that one. It does not match everything: what it leaves out between
// two matches is a piece.
type deepseek struct{ outside, inside *classTable }

func newDeepseek() deepseek {
	chinese := func(r rune) bool { return r >= 0x4E00 && r <= 0x9FA5 || r >= 0x3040 && r <= 0x30FF }
	return deepseek{
		outside: newClassTable(func(r rune, props byte) byte {
			switch {
			case props&propClass == clsNumber:
				return clsEnd
			case chinese(r):
				return clsInside
			}
			return props & propClass
		}),
		inside: newClassTable(func(r rune, props byte) byte {
			if !chinese(r) {
				return clsEnd
			}
			return props & propClass
		}),
	}
}

const setLetterMark = setLetter | 1<<clsMark

func (p deepseek) next(s string, i int) int {
	t := p.outside
	c, n := t.at(s, i)
	switch c {
	case clsEnd:
		return t.atMost(s, i+n, 1<<clsEnd, 2)
	case clsInside:
		t = p.inside
		c, n = t.at(s, i)
	}
	if b := s[i]; c == clsPunct && b < utf8.RuneSelf && isASCIILetter(s, i+1) {
		i += 2
		for isASCIILetter(s, i) {
			i++
		}
		return i
	}
	if in(c, setLetterMark) {
		return t.run(s, i+n, setLetterMark)
	}
	c2, n2 := t.at(s, i+n)
	switch {
	case c == clsPunct:
		return t.run(s, t.run(s, i+n, 1<<clsPunct), 1<<clsNewline) // of the same part: there are none behind Japanese punctuation
	case c != clsNewline && in(c2, setLetterMark):
		return t.run(s, i+n+n2, setLetterMark)
	case s[i] == ' ' && c2 == clsPunct:
		return t.run(s, t.run(s, i+n+n2, 1<<clsPunct), 1<<clsNewline)
	case in(c, setSpace):
		return t.blankLines(s, i)
	}
	return unmatched(t, s, i+n)
}

// unmatched returns where the next match begins, after a character that is in none.
func unmatched(t *classTable, s string, i int) int {
	for {
		c, n := t.at(s, i)
		if c != clsOther {
			return i
		}
		if c2, _ := t.at(s, i+n); in(c2, setLetterMark) {
			return i
		}
		i += n
	}
}

func isASCIILetter(s string, i int) bool {
	return i < len(s) && s[i]|0x20 >= 'a' && s[i]|0x20 <= 'z'
}

// whole takes the segment as one piece: ByteLevel without a pattern.
type whole struct{}

func (whole) next(s string, _ int) int { return len(s) }
