package reward

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// releasedNumber compares numbers as DocMath does, and more freely.
func releasedNumber(response, reference string) (Reason, string) {
	final, reason := releasedFinal(response)
	if reason != ReasonNone {
		return reason, ""
	}
	answer, ok := releasedDigits(final)
	if !ok || answer == "" {
		return NoAnswer, ""
	}
	gold, ok := releasedDigits(strings.ReplaceAll(reference, "*", ""))
	if !ok {
		if gold, ok = releasedDigits("the answer is " + trimSpaces(reference)); !ok {
			return NoReference, answer
		}
	}
	if loose(releasedValue(answer), releasedValue(gold)) {
		return Equal, answer
	}
	return Different, answer
}

// signs are what may stand before the number, each at most once and in this order.
var signs = [...]string{"=", "≈", "`", "%", "$", "°", "£", "€", "¥", "-"}

// releasedDigits returns the number after the first "the answer is ", in any case, that one
// follows: digits, points and commas, of which the commas and outer points are dropped.
func releasedDigits(s string) (string, bool) {
	for i := 0; i < len(s); i++ {
		if s[i] != 't' && s[i] != 'T' {
			continue
		}
		n := foldedPhrase(s[i:])
		if n == 0 {
			continue
		}
		from := i + n
		to := from
		for _, sign := range signs {
			to += len(sign) * boolInt(strings.HasPrefix(s[to:], sign))
		}
		digits := to
		for to < len(s) && (isDigit(s[to]) || s[to] == '.' || s[to] == ',') {
			to++
		}
		if to > digits {
			return strings.TrimRight(strings.ReplaceAll(s[from:to], ",", ""), "."), true
		}
	}
	return "", false
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// foldedPhrase returns the length of "the answer is " at the start of s, in any case, or 0.
// Python's patterns fold three letters outside of ASCII as well.
func foldedPhrase(s string) int {
	const phrase = "the answer is "
	n := 0
	for i := range len(phrase) {
		r, size := utf8.DecodeRuneInString(s[n:])
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		switch r {
		case 'ſ':
			r = 's'
		case 'İ', 'ı':
			r = 'i'
		}
		if r != rune(phrase[i]) {
			return 0
		}
		n += size
	}
	return n
}

// releasedValue is the value that the released code gets: it strips signs, then hands the rest to
// eval(). Its own pattern lets through digits, points and a minus only, so that what eval() sees
// is a number or an error, which counts as 0.
func releasedValue(s string) float64 {
	for _, sign := range []string{"£", "€", "¥"} {
		s = strings.ReplaceAll(s, sign, "")
	}
	for _, sign := range []string{"=", "≈"} {
		if i := strings.LastIndex(s, sign); i >= 0 {
			s = s[i+len(sign):]
		}
	}
	for _, sign := range []string{"`", "%", "$", "°"} {
		s = strings.ReplaceAll(s, sign, "")
	}
	return pythonLiteral(withoutPoints(s))
}

// withoutPoints drops one or two points at the front, which the released code takes for a unit:
// ".5" becomes 5.
func withoutPoints(s string) string {
	for n := min(2, len(s)-len(strings.TrimLeft(s, "."))); n > 0; n-- {
		rest := strings.TrimLeft(strings.TrimLeft(s[n:], "0123456789"), ".")
		if isDigit(s[len(s)-1]) && strings.Trim(rest, "0123456789") == "" {
			return s[n:]
		}
	}
	return s
}

func onlyDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

// maxPythonDigits is the longest whole number that Python reads.
const maxPythonDigits = 4300

// pythonLiteral reads a number as Python's source has it; 0 if Python does not take it.
func pythonLiteral(s string) float64 {
	digits := strings.TrimPrefix(s, "-")
	switch whole := onlyDigits(digits); {
	case whole && len(digits) > maxPythonDigits:
		return 0
	case whole && digits[0] == '0' && strings.Trim(digits, "0") != "":
		return 0 // "007" is no number in Python
	case strings.Trim(digits, "0123456789.") != "" || digits == "":
		return 0
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(v, 0) {
		return 0
	}
	return v
}

// loose is the released comparison: signs, powers of ten, factors of 100, 1000 and 100000, the
// third decimal, and 0.15 % do not matter.
func loose(got, want float64) bool {
	high, low := max(math.Abs(got), math.Abs(want)), min(math.Abs(got), math.Abs(want))
	if math.IsInf(high, 0) {
		return got == want // Python's whole numbers go on; no reference is that large
	}
	if high != 0 && low != 0 {
		if d := log10(high) - log10(low); d == math.Trunc(d) {
			return true
		}
	}
	return low <= high/50 && withinEps(low*100, high) ||
		low <= high/500 && withinEps(low*1000, high) ||
		low <= high/50000 && withinEps(low*100000, high) ||
		math.Ceil(high*1000)/1000 == math.Ceil(low*1000)/1000 ||
		withinEps(got, want)
}

func withinEps(got, want float64) bool {
	eps := math.Abs(want) * 0.0015
	return got >= want-eps && got <= want+eps
}

// log10 is rounded as in C, where powers of ten have whole logarithms; math.Log10 does not.
func log10(x float64) float64 {
	frac, exp := math.Frexp(x)
	k := float64(exp - 1)
	if k < 0 {
		k++
		frac /= 2
	}
	const high, low = 3.01029995663611771306e-01, 3.69423907715893078616e-13 // of log10(2)
	return k*low + math.Log(frac*2)*(1/math.Ln10) + k*high
}
