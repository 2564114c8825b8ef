package bpe

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

// AddedToken is a token that is cut out of the text before the model sees it. The flags are those of Hugging Face.
type AddedToken struct {
	ID         int32
	Content    string
	SingleWord bool // matches only where no word character stands beside it
	LStrip     bool // takes the white space on its left with it
	RStrip     bool // and that on its right
	Normalized bool // is looked for in the normalised text, else in the text as it came
	Special    bool // Decode can skip it
}

// addedSet is the added tokens, as two sets to look for.
type addedSet struct {
	all        []AddedToken
	byID       map[int32]int
	raw        *matcher // nil without any
	normalized *matcher
}

func newAddedSet(all []AddedToken, normalize bool) addedSet {
	a := addedSet{all: all, byID: make(map[int32]int, len(all))}
	var raw, norm []AddedToken
	for i, t := range all {
		a.byID[t.ID] = i
		if !t.Normalized {
			raw = append(raw, t)
			continue
		}
		if normalize {
			t.Content = strings.Clone(tables().nfc(t.Content, new(nfcScratch)))
		}
		norm = append(norm, t)
	}
	a.raw, a.normalized = newMatcher(raw), newMatcher(norm)
	return a
}

// matcher finds the leftmost of its tokens in a text, the longest where several begin: a trie, entered only at bytes that
// begin a token. Where all tokens begin with the same byte, the standard library's search finds those.
type matcher struct {
	tokens []AddedToken
	nodes  []trieNode
	first  [256]bool
	only   int // the byte that every token begins with, -1 if there are several
}

type trieNode struct {
	labels []byte
	kids   []int32
	token  int32 // index of the token that ends here, -1
}

func newMatcher(tokens []AddedToken) *matcher {
	if len(tokens) == 0 {
		return nil
	}
	m := &matcher{tokens: tokens, nodes: []trieNode{{token: -1}}, only: int(tokens[0].Content[0])}
	for i, t := range tokens {
		m.first[t.Content[0]] = true
		if int(t.Content[0]) != m.only {
			m.only = -1
		}
		at := int32(0)
		for _, b := range []byte(t.Content) {
			kid := m.nodes[at].kid(b)
			if kid < 0 {
				kid = int32(len(m.nodes))
				n := &m.nodes[at]
				j, _ := slices.BinarySearch(n.labels, b)
				n.labels, n.kids = slices.Insert(n.labels, j, b), slices.Insert(n.kids, j, kid)
				m.nodes = append(m.nodes, trieNode{token: -1})
			}
			at = kid
		}
		m.nodes[at].token = int32(i)
	}
	return m
}

func (n *trieNode) kid(b byte) int32 {
	if len(n.labels) == 1 {
		if n.labels[0] == b {
			return n.kids[0]
		}
		return -1
	}
	if i, ok := slices.BinarySearch(n.labels, b); ok {
		return n.kids[i]
	}
	return -1
}

// find returns the first match in s[from:], -1 if there is none. plain is ascending; a match that touches it is none.
func (m *matcher) find(s string, from int, plain []Span) (token int32, at Span) {
	for i := from; i < len(s); i++ {
		if m.only >= 0 {
			n := strings.IndexByte(s[i:], byte(m.only))
			if n < 0 {
				break
			}
			i += n
		} else if !m.first[s[i]] {
			continue
		}
		for len(plain) > 0 && plain[0].End <= i {
			plain = plain[1:]
		}
		limit := len(s)
		if len(plain) > 0 {
			if plain[0].Start <= i {
				i = plain[0].End - 1
				continue
			}
			limit = plain[0].Start
		}
		if token, end := m.match(s, i, limit); token >= 0 {
			return token, Span{i, end}
		}
	}
	return -1, Span{}
}

// match returns the longest token at s[i:limit] and its end.
func (m *matcher) match(s string, i, limit int) (token int32, end int) {
	token = -1
	for node := int32(0); ; i++ {
		if t := m.nodes[node].token; t >= 0 {
			token, end = t, i
		}
		if i >= limit {
			return token, end
		}
		if node = m.nodes[node].kid(s[i]); node < 0 {
			return token, end
		}
	}
}

// split hands the parts of s to emit: added tokens with their id, what lies between them with id -1. It follows the
// reference step by step: a match that single_word refuses is jumped over, stripping never reaches back behind the last match.
func (e *encoder) split(m *matcher, s string, plain []Span, emit func(id int32, at Span)) {
	done := 0
	for from := 0; ; {
		i, at := m.find(s, from, plain)
		if i < 0 {
			break
		}
		t := &m.tokens[i]
		from = at.End
		if t.SingleWord && (wordBefore(s, at.Start) || wordAfter(s, at.End)) {
			continue
		}
		if t.LStrip {
			at.Start = max(stripLeft(s, at.Start, plain), done)
		}
		if t.RStrip {
			at.End = stripRight(s, at.End, plain)
		}
		if done < at.Start {
			emit(-1, Span{done, at.Start})
		}
		emit(t.ID, at)
		done = at.End
	}
	if done < len(s) {
		emit(-1, Span{done, len(s)})
	}
}

func wordBefore(s string, i int) bool {
	r, n := utf8.DecodeLastRuneInString(s[:i])
	return n > 0 && tables().props.at(r)&propWord != 0
}

func wordAfter(s string, i int) bool {
	r, n := utf8.DecodeRuneInString(s[i:])
	return n > 0 && tables().props.at(r)&propWord != 0
}

func isSpaceRune(r rune) bool {
	return in(tables().props.at(r)&propClass, setSpace)
}

// stripLeft returns where the white space before i begins, not reaching into a plain span.
func stripLeft(s string, i int, plain []Span) int {
	for i > 0 {
		r, n := utf8.DecodeLastRuneInString(s[:i])
		if !isSpaceRune(r) || touches(plain, Span{i - n, i}) {
			break
		}
		i -= n
	}
	return i
}

func stripRight(s string, i int, plain []Span) int {
	for i < len(s) {
		r, n := utf8.DecodeRuneInString(s[i:])
		if !isSpaceRune(r) || touches(plain, Span{i, i + n}) {
			break
		}
		i += n
	}
	return i
}

// touches reports whether the span shares a byte with one of the ascending spans.
func touches(spans []Span, at Span) bool {
	i, _ := slices.BinarySearchFunc(spans, at.Start, func(s Span, start int) int { return cmp.Compare(s.End, start+1) })
	return i < len(spans) && spans[i].Start < at.End
}

// within returns the parts of the spans inside [base, base+n), moved to begin at 0.
func within(spans []Span, base, n int) []Span {
	var out []Span
	for _, s := range spans {
		s.Start, s.End = max(s.Start-base, 0), min(s.End-base, n)
		if s.Start < s.End {
			out = append(out, s)
		}
	}
	return out
}

// moved carries spans of a text over to the text with its edits; a span that shares a byte with an edit takes in all of it.
func moved(spans []Span, edits []edit) []Span {
	out := make([]Span, 0, len(spans))
	for _, s := range spans {
		s = Span{shifted(s.Start, edits, false), shifted(s.End, edits, true)}
		if n := len(out); n > 0 && out[n-1].End > s.Start {
			out[n-1].End = max(out[n-1].End, s.End)
			continue
		}
		out = append(out, s)
	}
	return out
}

// shifted moves a position of the text to the edited text; inside an edit, to its end or to its beginning.
func shifted(i int, edits []edit, up bool) int {
	shift := 0
	for _, e := range edits {
		if i <= e.Start {
			break
		}
		if i < e.End {
			if up {
				return e.Start + shift + e.n
			}
			return e.Start + shift
		}
		shift += e.n - (e.End - e.Start)
	}
	return i + shift
}
