package bpe

import "unicode/utf8"

// wordLevel is the model of the smallest tokenizers: each word that the pre-tokenizer leaves is looked up, an unknown one
// becomes the unknown token.
type wordLevel struct {
	ids     map[string]int32
	unknown int32
	// The steps: runs of \w and of [^\w\s] (Whitespace), or of \S (WhitespaceSplit); digits apart. None: the text is one word.
	words, blanks bool
	digits        *digits
}

func (m *wordLevel) append(e *encoder, dst []int32, s string, from, base int, edits []edit) []int32 {
	m.each(s, func(at Span) {
		id, ok := m.ids[s[at.Start:at.End]]
		if !ok {
			id = m.unknown
		}
		dst = append(dst, id)
		if e.offsets != nil {
			e.offsets.add(e.original(Span{at.Start + from, at.End + from}, base, edits))
		}
	})
	return dst
}

// each calls f with every word of s.
func (m *wordLevel) each(s string, f func(at Span)) {
	if !m.words && !m.blanks {
		m.part(s, Span{0, len(s)}, f)
		return
	}
	start, was := 0, 0
	for i, r := range s {
		if is := m.sort(r); is != was {
			if was != 0 {
				m.part(s, Span{start, i}, f)
			}
			start, was = i, is
		}
	}
	if was != 0 {
		m.part(s, Span{start, len(s)}, f)
	}
}

// sort tells the characters of a word from others: 0 is between words.
func (m *wordLevel) sort(r rune) int {
	props := tables().props.at(r)
	switch {
	case isSpaceRune(r):
		return 0
	case m.words && props&propWord != 0:
		return 1
	}
	return 2
}

func (m *wordLevel) part(s string, at Span, f func(at Span)) {
	if m.digits == nil {
		f(at)
		return
	}
	start := at.Start
	for _, end := range m.digits.split(nil, s[at.Start:at.End]) {
		f(Span{start, at.Start + end})
		start = at.Start + end
	}
}

// bytewise is the pattern of the tokenizer "bytes": every byte is a token.
type bytewise struct{}

func (bytewise) next(s string, i int) int {
	_, n := utf8.DecodeRuneInString(s[i:])
	return i + n
}
