package bpe

import (
	"math/bits"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"
	"unsafe"
)

// quick is what a pattern allows the loop to decide without its scanner. It is not written down for each pattern but asked
// from it, so that it cannot disagree.
type quick struct {
	// first tells how long a plain word beginning with a byte must be: 1 for letters, 2 for what may lead a word (a space, for
	// some patterns punctuation too), 0 for what may not. A plain word is an optional leading byte and ASCII letters; if an ASCII character that
	// is no letter comes behind it, it is one piece.
	first [256]uint8
	// upper has the bits by which capitals are told, in the bytes where a plain word must have none: by what its first byte
	// needs (1 or 2), and at 3 for its bytes from the eighth on. All 0 for patterns that do not look at case.
	upper [4]uint64
	// stop is a character that must not come behind a plain word: an apostrophe, or 0xff for none.
	stop byte
	// single has a bit for each two ASCII characters of which the first is a piece by itself, whatever comes behind them.
	single [utf8.RuneSelf][2]uint64
	byteID [utf8.RuneSelf]int32 // its token
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
	q := &quick{byteID: [utf8.RuneSelf]int32(byteID[:])}
	pieceIs := func(s string, n int) bool { return p.next(s, 0) == n }
	var text [16]byte
	q.stop = 0xff
	if !pieceIs("aBc ", 3) {
		q.upper = [4]uint64{0, 0x20 * (ones &^ 0xff), 0x20 * (ones &^ 0xffff), 0x20 * ones}
	}
	if !pieceIs("ab's", 2) {
		q.stop = '\''
	}
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

// appendScan cuts s into pieces and appends their tokens: what quick can do by itself, and by the scanner what it leaves.
func (t *Tokenizer) appendScan(dst []int32, s string, p pattern, w *scratch) []int32 {
	w.cache.init()
	for i := 0; i < len(s); {
		if t.quick != nil && i <= len(s)-margin {
			if cap(dst)-len(dst) < 64 {
				dst = slices.Grow(dst, 64+len(dst)/4)
			}
			n, at, word := t.quick.run(dst[:cap(dst)], len(dst), s, i, t.vocab.short)
			dst, i = dst[:n], at
			if word > 0 {
				dst = t.piece(dst, s, i, i+word, w)
				i += word
				continue
			}
			if n == cap(dst) {
				continue
			}
		}
		end := p.next(s, i)
		dst = t.piece(dst, s, i, end, w)
		i = end
	}
	return dst
}

// run is the loop that all the time goes to. It has no calls and few variables, so that they stay in registers, and it goes on
// until something comes that it cannot do: the end of s or of ids, a piece for the scanner, or a plain word that is no token, whose
// length it then returns. A plain word is found by classifying eight bytes at once, and the words just loaded are its key in
// the vocabulary. A character that is a piece by itself is its own token.
//
// It reads s without bounds checks: i <= len(s)-margin keeps 16 bytes and the one behind them inside. The table's length is a
// power of two, so that a masked hash is an index of it.
func (q *quick) run(ids []int32, n int, s string, i int, short []shortSlot) (count, at, word int) {
	text := unsafe.Pointer(unsafe.StringData(s))
	out := unsafe.Pointer(unsafe.SliceData(ids))
	base := unsafe.Pointer(unsafe.SliceData(short))
	mask := uint64(len(short)-1) * uint64(unsafe.Sizeof(shortSlot{}))
	for i <= len(s)-margin && n < len(ids) {
		x := load64(s, i)
		b, c := byte(x), byte(x>>8)
		need := q.first[b]
		if need == 1 || need == 2 && q.first[c] == 1 {
			var lo, hi, capitals uint64
			var k int
			if stop := notLetters(x) &^ 0xff; stop != 0 {
				k = bits.TrailingZeros64(stop) >> 3
				m := (stop&-stop)>>7 - 1 // the bytes before the first that stops
				lo, hi = x&m, uint64(k)<<40
				capitals = ^x & m & q.upper[need&3]
			} else {
				y := load64(s, i+8)
				stop := notLetters(y)
				k = bits.TrailingZeros64(stop)>>3 + 8
				m := (stop&-stop)>>7 - 1
				lo, hi = x, y&m|uint64(k)<<40
				capitals = ^x&q.upper[need&3] | ^y&m&q.upper[3]
			}
			behind := *(*byte)(unsafe.Add(text, i+k))
			if k > maxShort || behind >= utf8.RuneSelf || behind == q.stop || capitals != 0 {
				break
			}
			slot := (*shortSlot)(unsafe.Add(base, shortHash(lo, hi)*uint64(unsafe.Sizeof(shortSlot{}))&mask))
			e := atomic.LoadUint64(&slot.hi)
			if slot.lo != lo || (e^hi^stateSingle<<stateBits)&(keyMask|3<<stateBits) != 0 {
				return n, i, k
			}
			*(*int32)(unsafe.Add(out, n*4)) = int32(e >> idShift & (1<<idBits - 1))
			n++
			i += k
			continue
		}
		if (b|c) >= utf8.RuneSelf || q.single[b&(utf8.RuneSelf-1)][c>>6&1]>>(c&63)&1 == 0 {
			break
		}
		*(*int32)(unsafe.Add(out, n*4)) = q.byteID[b]
		n++
		i++
	}
	return n, i, 0
}

func isLetterByte(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }
