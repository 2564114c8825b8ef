package dedup

import (
	"unicode"
	"unicode/utf8"
)

// Hash appends the hashes of a text's words.
func Hash(dst []uint64, text string) []uint64 {
	h := uint64(offset)
	inWord := false
	for i := 0; i < len(text); {
		c := lower[text[i]]
		if c > letterNone && c < utf8.RuneSelf {
			h = (h ^ uint64(c)) * prime
			inWord = true
			i++
			continue
		}
		size, r, kind := 1, rune(0), between
		if text[i] >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[i:])
			kind = kindOf(r)
		}
		i += size
		if kind == within {
			h = addRune(h, unicode.ToLower(r))
			inWord = true
			continue
		}
		if inWord {
			dst = append(dst, mix(h))
			h, inWord = offset, false
		}
		if kind == alone {
			dst = append(dst, mix(addRune(offset, r)))
		}
	}
	if inWord {
		dst = append(dst, mix(h))
	}
	return dst
}

// Words returns n words of a text from one on, as they are compared, with spaces between.
func Words(text string, from, n int) string {
	var out []byte
	at, inWord := -1, false // at: number of the word in hand
	for _, r := range text {
		kind := kindOf(r)
		if kind == between {
			inWord = false
			continue
		}
		if !inWord || kind == alone {
			if at++; at >= from+n {
				break
			}
			if at > from {
				out = append(out, ' ')
			}
		}
		if at >= from {
			out = utf8.AppendRune(out, unicode.ToLower(r))
		}
		inWord = kind == within
	}
	return string(out)
}

// FNV-1a, byte by byte; mix spreads its weak high bits.
const (
	offset = 14695981039346656037
	prime  = 1099511628211
)

func addRune(h uint64, r rune) uint64 {
	var b [utf8.UTFMax]byte
	for _, c := range b[:utf8.EncodeRune(b[:], r)] {
		h = (h ^ uint64(c)) * prime
	}
	return h
}

// mix is the finalizer of SplitMix64: every bit of the result depends on every bit of x.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Mix joins two hashes, in this order, into one.
func Mix(a, b uint64) uint64 { return mix(a*radix + b) }

// A kind says what a character does to words.
type kind int

const (
	between kind = iota // ends a word
	within              // part of a word
	alone               // a word by itself
)

func kindOf(r rune) kind {
	if r < utf8.RuneSelf {
		if lower[r] > letterNone {
			return within
		}
		return between
	}
	switch {
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar):
		return alone
	case unicode.IsLetter(r), unicode.IsMark(r), unicode.IsNumber(r):
		return within
	}
	return between
}

const letterNone = 0

// lower maps ASCII letters and digits to lower case, the rest of ASCII to none, and bytes of
// longer characters to a value that is neither.
var lower = func() (t [256]byte) {
	for c := range t {
		switch {
		case c >= utf8.RuneSelf:
			t[c] = utf8.RuneSelf
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			t[c] = byte(c)
		case c >= 'A' && c <= 'Z':
			t[c] = byte(c) + 'a' - 'A'
		}
	}
	return t
}()
