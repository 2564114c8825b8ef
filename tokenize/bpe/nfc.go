package bpe

import (
	"slices"
	"unicode/utf8"
)

// Normalisation form C as the reference does it, whose tables are those of Unicode 9: a character that Unicode got later is
// left alone, where golang.org/x/text/unicode/norm would reorder or compose it.
//
// Text is normalised in clusters: an inert character (one that never changes and never joins what stands before it) begins a
// cluster, and all that are not inert follow it. Nearly all text is inert throughout and is returned as it came.

const (
	normMoves    = 1 << iota // has a combining class, changes by itself, or may join the character before it
	hangulBase   = 0xAC00
	hangulLast   = 0xD7A3
	jamoL        = 0x1100
	jamoV        = 0x1161
	jamoT        = 0x11A7
	jamoLCount   = 19
	jamoVCount   = 21
	jamoTCount   = 28
	hangulLCount = jamoVCount * jamoTCount
)

func (u *unicodeData) buildNorm() {
	flat := make([]byte, 0x110000)
	for i := range flat {
		if u.ccc.at(rune(i)) != 0 {
			flat[i] = normMoves
		}
	}
	for c, d := range u.decomp {
		if got := u.recompose(nil, u.sorted(slices.Clone(d))); len(got) != 1 || got[0] != c {
			flat[c] = normMoves
		}
	}
	for pair := range u.compose {
		flat[pair[1]] = normMoves
	}
	for i := range rune(jamoVCount) {
		flat[jamoV+i] = normMoves
	}
	for i := range rune(jamoTCount) {
		flat[jamoT+i] = normMoves
	}
	for c, d := range u.decomp {
		flat[c] |= flat[d[0]] // what its first part may join, it may join
	}
	u.norm.pack(flat)
}

// edit says that text[Start:End] became n bytes of the changed text.
type edit struct {
	Span
	n int
}

// nfcScratch is reused from text to text.
type nfcScratch struct {
	out   []byte
	runes []rune
	comp  []rune
	edits []edit
}

// nfc returns s normalised: s itself where nothing changes, else a string in the scratch's memory, which the next call
// overwrites. The scratch's edits tell what became of which bytes.
func (u *unicodeData) nfc(s string, w *nfcScratch) string {
	w.out, w.edits = w.out[:0], w.edits[:0]
	done := 0   // s[:done] is in out
	inert := -1 // where the last inert character stands, -1 if none stands directly before i
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			i += skipASCII(s[i:])
			inert = i - 1
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if u.norm.at(r)&normMoves == 0 {
			inert = i
			i += n
			continue
		}
		start := i
		if inert >= 0 {
			start = inert
		}
		end := i + n
		for end < len(s) && s[end] >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[end:])
			if u.norm.at(r)&normMoves == 0 {
				break
			}
			end += n
		}
		at := len(w.out) + start - done
		w.out = append(w.out, s[done:start]...)
		w.out = u.cluster(w.out, s[start:end], w)
		if string(w.out[at:]) == s[start:end] && len(w.edits) == 0 {
			w.out = w.out[:0] // nothing has changed so far: copy nothing
		} else {
			if string(w.out[at:]) != s[start:end] {
				w.edits = append(w.edits, edit{Span{start, end}, len(w.out) - at})
			}
			done = end
		}
		inert = -1
		i = end
	}
	if len(w.edits) == 0 {
		return s
	}
	w.out = append(w.out, s[done:]...)
	return unsafeString(w.out)
}

// cluster appends the normal form of one cluster.
func (u *unicodeData) cluster(dst []byte, s string, w *nfcScratch) []byte {
	w.runes = w.runes[:0]
	for _, r := range s {
		w.runes = u.decompose(w.runes, r)
	}
	w.comp = u.recompose(w.comp[:0], u.sorted(w.runes))
	for _, r := range w.comp {
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

func (u *unicodeData) decompose(dst []rune, r rune) []rune {
	if r >= hangulBase && r <= hangulLast {
		i := r - hangulBase
		dst = append(dst, jamoL+i/hangulLCount, jamoV+i%hangulLCount/jamoTCount)
		if t := i % jamoTCount; t > 0 {
			dst = append(dst, jamoT+t)
		}
		return dst
	}
	if d, ok := u.decomp[r]; ok {
		return append(dst, d...)
	}
	return append(dst, r)
}

// sorted brings each run of marks into canonical order.
func (u *unicodeData) sorted(runes []rune) []rune {
	for i := 0; i < len(runes); i++ {
		if u.ccc.at(runes[i]) == 0 {
			continue
		}
		j := i + 1
		for j < len(runes) && u.ccc.at(runes[j]) != 0 {
			j++
		}
		slices.SortStableFunc(runes[i:j], func(a, b rune) int { return int(u.ccc.at(a)) - int(u.ccc.at(b)) })
		i = j
	}
	return runes
}

// recompose joins what can be joined, by the algorithm of the standard (UAX 15, "Canonical Composition").
func (u *unicodeData) recompose(dst, runes []rune) []rune {
	starter := -1    // where in dst the last starter stands
	last := byte(0)  // the class of the last mark kept after it
	blocked := false // whether a mark is kept after it at all
	for _, r := range runes {
		class := u.ccc.at(r)
		if starter >= 0 && (!blocked || last < class) {
			if c, ok := u.join(dst[starter], r); ok {
				dst[starter] = c
				continue
			}
		}
		if class == 0 {
			starter, blocked = len(dst), false
		} else {
			last, blocked = class, true
		}
		dst = append(dst, r)
	}
	return dst
}

func (u *unicodeData) join(a, b rune) (rune, bool) {
	if l, v := a-jamoL, b-jamoV; l >= 0 && l < jamoLCount && v >= 0 && v < jamoVCount {
		return hangulBase + l*hangulLCount + v*jamoTCount, true
	}
	if a >= hangulBase && a <= hangulLast && (a-hangulBase)%jamoTCount == 0 && b > jamoT && b < jamoT+jamoTCount {
		return a + b - jamoT, true
	}
	c, ok := u.compose[[2]rune{a, b}]
	return c, ok
}
