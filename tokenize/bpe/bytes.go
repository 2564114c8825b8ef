package bpe

import (
	"math/bits"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// Work on raw bytes. Loads of eight bytes at a time are what the speed rests on; each is guarded by its caller, who knows
// that the bytes are there.

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// load64 reads s[i:i+8], first byte lowest. The caller guarantees i >= 0 and i+8 <= len(s): there is no bounds check.
func load64(s string, i int) uint64 {
	p := (*[8]byte)(unsafe.Add(unsafe.Pointer(unsafe.StringData(s)), i))
	return uint64(p[0]) | uint64(p[1])<<8 | uint64(p[2])<<16 | uint64(p[3])<<24 |
		uint64(p[4])<<32 | uint64(p[5])<<40 | uint64(p[6])<<48 | uint64(p[7])<<56
}

// notLetters sets the high bit of each byte of x that is not an ASCII letter. No carry passes from byte to byte, since seven
// bits plus at most 0x1f stay below 0x100.
func notLetters(x uint64) uint64 {
	y := (x | 0x20*ones) &^ highs
	atLeastA := y + (0x80-'a')*ones
	aboveZ := y + (0x80-'z'-1)*ones
	return (^atLeastA | aboveZ | x) & highs
}

// skipASCII returns the length of the ASCII text that s begins with.
func skipASCII(s string) int {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		if x := load64(s, i) & highs; x != 0 {
			return i + bits.TrailingZeros64(x)>>3
		}
	}
	for i < len(s) && s[i] < utf8.RuneSelf {
		i++
	}
	return i
}

// unsafeString is string(b) without the copy: b must not change as long as the string is used.
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// unsafeBytes is []byte(s) without the copy: nobody may write to it.
func unsafeBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// validUTF8 returns s with each maximal invalid sequence replaced by U+FFFD, which is what Rust's from_utf8_lossy (and so
// every binding of the reference) makes of it; edits tell where. Valid text is returned as it is.
func validUTF8(s string) (valid string, edits []edit) {
	if utf8.ValidString(s) {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			n = invalidLen(s[i:])
			b.WriteString("\uFFFD")
			edits = append(edits, edit{Span{i, i + n}, 3})
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String(), edits
}

// invalidLen returns the length of the longest prefix of s that could have begun a character, at least 1.
func invalidLen(s string) int {
	lo, hi, want := byte(0x80), byte(0xBF), 0
	switch c := s[0]; {
	case c >= 0xC2 && c <= 0xDF:
		want = 2
	case c >= 0xE0 && c <= 0xEF:
		want = 3
		if c == 0xE0 {
			lo = 0xA0
		} else if c == 0xED {
			hi = 0x9F
		}
	case c >= 0xF0 && c <= 0xF4:
		want = 4
		if c == 0xF0 {
			lo = 0x90
		} else if c == 0xF4 {
			hi = 0x8F
		}
	}
	n := 1
	for n < want && n < len(s) && s[n] >= lo && s[n] <= hi {
		lo, hi = 0x80, 0xBF
		n++
	}
	return n
}
