package bpe

import (
	"math/bits"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// quick is what a pattern allows the loop to decide without its scanner. It is not written down for each pattern but asked
// from it, so that it cannot disagree.
type quick struct {
	// first tells how long a plain word beginning with a byte must be: 1 for letters, 2 for what may lead a word (a space, for
	// some patterns punctuation too), 0 for what may not. A plain word is an optional leading byte and ASCII letters; if an ASCII character that
	// is no letter comes behind it, it is one piece.
	first [256]uint8
	// capped: that holds only if no letter but the first is a capital, and no apostrophe comes behind.
	capped bool
	// single has a bit for each two ASCII characters of which the first is a piece by itself, whatever comes behind them.
	single [utf8.RuneSelf][2]uint64
}

// named are the ASCII characters that patterns name, or know the case of; all others of a class are alike.
const named = "'/ \r\nSTMDRVELstmdrvel"

// alike returns, for each ASCII character, the first that no pattern tells from it.
func alike() (same [utf8.RuneSelf]byte) {
	var first [clsInside + 1]byte
	for c := range byte(utf8.RuneSelf) {
		same[c] = c
		if strings.IndexByte(named, c) >= 0 {
			continue
		}
		class := tables().ascii[c] & propClass
		if first[class] == 0 {
			first[class] = c
		}
		same[c] = first[class]
	}
	return same
}

// behind returns what may follow two characters, for asking: every kind of ASCII character, and one of each class that is
// twice there or stands before a letter, and the end.
func behind(same *[utf8.RuneSelf]byte) []string {
	out := []string{""}
	for c, first := range same {
		if c == int(first) {
			out = append(out, string(rune(c)))
		}
	}
	for _, c := range []string{"a", "A", "1", " ", "\n", "\r", "\t", ".", "'", "/", "\x00", "é", "É", "中", "ー", "ʰ", "１", "\u0301", "\u2028", "\u00a0", "…", "\u200b", "ſ"} {
		out = append(out, c, c+c, c+"a")
	}
	return out
}

// newQuick asks the pattern.
func newQuick(p pattern, byteID *[256]int32) *quick {
	if _, ok := p.(whole); ok {
		return nil
	}
	q := new(quick)
	pieceIs := func(s string, n int) bool { return p.next(s, 0) == n }
	var text [16]byte
	q.capped = !pieceIs("aBc ", 3) || !pieceIs("ab's", 2)
	same := alike()
	more := behind(&same)
	single := func(b, c byte) bool {
		for _, m := range more {
			if !pieceIs(unsafeString(append(append(text[:0], b, c), m...)), 1) {
				return false
			}
		}
		return true
	}
	for b := range byte(utf8.RuneSelf) {
		if isLetterByte(b) {
			q.first[b] = 1
		} else if lead := string(b); pieceIs(lead+"a ", 2) && pieceIs(lead+"sa ", 3) && pieceIs(lead+"rea ", 4) && pieceIs(lead+"lla.", 4) {
			q.first[b] = 2
		}
		for c := range byte(utf8.RuneSelf) {
			like, as := same[b], same[c]
			switch {
			case like == b && as == c:
				if single(b, c) {
					q.single[b][c>>6] |= 1 << (c & 63)
				}
			default:
				q.single[b][c>>6] |= q.single[like][as>>6] >> (as & 63) & 1 << (c & 63)
			}
		}
	}
	for b := range q.single {
		if byteID[b] < 0 {
			q.single[b] = [2]uint64{} // the piece has no token
		}
	}
	return q
}

// margin is how far the loop looks ahead: 16 bytes of a word and the byte behind it.
const margin = 17

// appendScan is the loop that all the time goes to. A plain word is found by classifying 16 bytes at once, without a branch on its
// length, and the words just loaded are its key in the vocabulary. A character that is a piece by itself is its own token.
// Everything else goes by the scanner.
func (t *Tokenizer) appendScan(dst []int32, s string, p pattern, w *scratch) []int32 {
	w.cache.init()
	q := t.quick
	last := len(s) - margin
	if q == nil {
		last = -1
	}
	short := t.vocab.short
	mask := uint64(len(short) - 1)
	i := 0
	for i <= last {
		x := load64(s, i)
		b := byte(x)
		if need := int(q.first[b]); need != 0 {
			y := load64(s, i+8)
			n := bits.TrailingZeros64(notLetters(x)&^0xff) >> 3
			m := bits.TrailingZeros64(notLetters(y)) >> 3
			if n != 8 {
				m = 0
			}
			lo := x & (1<<(8*uint(n)) - 1)
			hi := y & (1<<(8*uint(m)) - 1)
			n += m
			if c := s[i+n]; n >= need && n <= maxShort && c < utf8.RuneSelf && (!q.capped || isCapped(b, lo, hi, n, c)) {
				hi |= uint64(n) << 40
				h := shortHash(lo, hi)
				slot := &short[h&mask]
				if e := atomic.LoadUint64(&slot.hi); slot.lo == lo && e&(keyMask|3<<stateBits) == hi|stateSingle<<stateBits {
					dst = append(dst, int32(e>>idShift&(1<<idBits-1)))
				} else {
					dst = t.shortPiece(dst, s[i:i+n], lo, hi, h, w)
				}
				i += n
				continue
			}
		}
		if b < utf8.RuneSelf {
			if c := byte(x >> 8); c < utf8.RuneSelf && q.single[b][c>>6]>>(c&63)&1 != 0 {
				dst = append(dst, t.merger.byteID[b])
				i++
				continue
			}
		}
		end := p.next(s, i)
		dst = t.piece(dst, s, i, end, w)
		i = end
	}
	for i < len(s) {
		end := p.next(s, i)
		dst = t.piece(dst, s, i, end, w)
		i = end
	}
	return dst
}

// isCapped reports whether a plain word has no capital but its first letter, and no apostrophe c behind it.
func isCapped(b byte, lo, hi uint64, n int, c byte) bool {
	up := ^lo & (0x20 * ones)
	if n < 8 {
		up &= 1<<(8*uint(n)&63) - 1
	}
	up &^= 0xff
	if !isLetterByte(b) {
		up &^= 0xff00
	}
	if n > 8 {
		up |= ^hi & (0x20 * ones) & (1<<(8*uint(n-8)&63) - 1)
	}
	return up == 0 && c != '\''
}

func isLetterByte(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }
