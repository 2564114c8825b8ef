package reward

import (
	"math"
	"strings"
)

// exactly is a tolerance for numbers that have to be the same.
const exactly = 1e-9

// A quantity is a number as a text gives it.
type quantity struct {
	value    float64 // as written, without scale and percent
	scale    float64 // of "million" and the like; 1: none
	word     string  // the scale's
	percent  bool
	currency string
	unit     string // the first word after the number
	decimals int    // digits after the point; -1: not written in digits
}

func (q quantity) scaled() float64 {
	if q.percent {
		return q.value * q.scale / 100
	}
	return q.value * q.scale
}

// compareNumber compares values. There is no free rescaling: percent signs and words such as
// million mean what they say, unless the question asks for the number in that unit.
func compareNumber(answer, reference, question string, tolerance float64) Reason {
	want, reason := parseQuantity(plain(unwrap(reference)))
	if reason != ReasonNone {
		return NoReference
	}
	got, reason := parseQuantity(plain(answer))
	if reason != ReasonNone {
		return reason
	}
	if otherUnit(got.currency, want.currency) || otherUnit(got.unit, want.unit) {
		return Different
	}
	if near(got.scaled(), want.scaled(), want.decimals, tolerance) {
		return Equal
	}
	if got.percent == want.percent && got.scale == want.scale {
		return Different
	}
	if !asks(question, got, want) {
		return Different
	}
	if near(got.value, want.value, want.decimals, tolerance) {
		return Equal
	}
	return Different
}

// asks reports whether the units in which two quantities differ are settled: by the reference,
// which an answer may leave out, or by the question, which the reference may.
func asks(question string, got, want quantity) bool {
	if got.percent && !want.percent && !containsFold(question, "percent") && !strings.Contains(question, "%") {
		return false
	}
	switch {
	case got.scale == want.scale:
		return true
	case want.scale != 1:
		return got.scale == 1 && containsFold(question, want.word)
	}
	return containsFold(question, got.word)
}

func containsFold(s, word string) bool {
	for i := 0; i+len(word) <= len(s); i++ {
		if s[i]|0x20 == word[0] && strings.EqualFold(s[i:i+len(word)], word) {
			return true
		}
	}
	return false
}

// otherUnit reports whether two units are both known and not the same. "year" and "years" are.
func otherUnit(a, b string) bool {
	return a != "" && b != "" && !hasPrefixFold(a, b) && !hasPrefixFold(b, a)
}

// near reports whether a value is the wanted one: exactly, where that is a whole number; else
// within the relative tolerance, or rounded to as many decimals, if there are two or more.
func near(got, want float64, decimals int, tolerance float64) bool {
	if got == want {
		return true
	}
	if decimals == 0 && want == math.Trunc(want) {
		tolerance = min(tolerance, exactly)
	}
	if math.Abs(got-want) <= tolerance*math.Abs(want) {
		return true
	}
	if decimals < 2 || decimals > 12 || tolerance <= exactly {
		return false
	}
	p := math.Pow10(decimals)
	return math.Round(got*p) == math.Round(want*p) && math.Signbit(got) == math.Signbit(want) && math.Round(want*p) != 0
}

// isNumber reports whether words are one number and nothing else.
func isNumber(words []byte) bool {
	digits := 0
	for _, c := range words {
		switch {
		case isDigit(c):
			digits++
		case c != '.' && c != '%' && c != ' ':
			return false
		}
	}
	return digits > 0
}

// parseQuantity reads the one number of a text. More than one, or words that turn it, such as
// "less than", make it ambiguous.
func parseQuantity(s string) (quantity, Reason) {
	if i := strings.LastIndexByte(s, '='); i >= 0 {
		s = s[i+1:]
	}
	if strings.IndexByte(s, '\\') >= 0 || strings.IndexByte(s, '^') >= 0 {
		if q, ok := latexQuantity(s); ok {
			return q, ReasonNone
		}
		s = latexText(s)
	}
	p := numberReader{s: s, q: quantity{scale: 1}}
	return p.read()
}

// latexQuantity evaluates a number in LaTeX, perhaps with a unit in \text{}.
func latexQuantity(s string) (quantity, bool) {
	m := canonical(s)
	v, ok := evaluate(m.text, nil)
	q := quantity{value: v, scale: 1, percent: m.percent, decimals: -1}
	if i := strings.IndexByte(m.text, '.'); i >= 0 {
		q.decimals = len(m.text) - i - 1
	} else if v == math.Trunc(v) {
		q.decimals = 0
	}
	return q, ok
}
