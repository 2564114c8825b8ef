package reward

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// widths replaces signs that have an ASCII form which compatibility normalization does not give.
var widths = strings.NewReplacer(
	"−", "-", "–", "-", "—", "-", "‐", "-", "‑", "-",
	"。", ".", "、", ",", "×", "*", "·", "*", "⋅", "*", "÷", "/", "⁄", "/",
	"≈", "=", "≃", "=", "∼", "=", "‘", "'", "’", "'", "“", `"`, "”", `"`, "√", `\sqrt `, "π", `\pi `,
	"°", " degrees ", "\u200b", "", "\u200c", "", "\u200d", "", "\u2060", "", "\ufeff", "", "\u00ad", "",
)

// plain brings full-width forms, curly quotes and typographic signs to ASCII, and drops marks
// that cannot be seen. ASCII is returned as it is.
func plain(s string) string {
	if ascii(s) {
		return s
	}
	return widths.Replace(norm.NFKC.String(widths.Replace(strings.ToValidUTF8(s, "\uFFFD"))))
}

// unaccented drops the accents of Latin, Greek and Cyrillic letters.
func unaccented(s string) string {
	if ascii(s) {
		return s
	}
	var b strings.Builder
	for _, r := range norm.NFKD.String(s) {
		if r < 0x300 || r > 0x36F {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
