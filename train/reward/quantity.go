package reward

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A numberReader reads a text from left to right for its one number.
type numberReader struct {
	s     string
	i     int
	q     quantity
	found bool
	minus bool // "minus" or "negative" stands before
}

var scales = map[string]float64{
	"hundred": 1e2, "thousand": 1e3, "thousands": 1e3, "million": 1e6, "millions": 1e6, "mn": 1e6, "billion": 1e9, "billions": 1e9, "bn": 1e9,
	"trillion": 1e12, "trillions": 1e12,
}

var numberWords = map[string]float64{
	"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
	"thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30,
	"forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}

// bounding are words that make of a number a bound, or deny it.
var bounding = map[string]bool{
	"not": true, "less": true, "more": true, "than": true, "least": true, "most": true, "under": true, "over": true, "above": true, "below": true,
	"between": true, "or": true, "nor": true, "neither": true, "no": true, "cannot": true, "wait": true, "but": true,
}

var currencies = map[rune]string{'$': "$", '€': "€", '£': "£", '¥': "¥", '₹': "₹"}

func (p *numberReader) read() (quantity, Reason) {
	for p.i < len(p.s) {
		c := p.s[p.i]
		reason := ReasonNone
		switch {
		case isDigit(c), c == '.' && p.i+1 < len(p.s) && isDigit(p.s[p.i+1]):
			reason = p.number()
		case isLetter(c):
			reason = p.word()
		case c == '%' && p.found:
			p.q.percent = true
			p.i++
		case c == '(' && p.found:
			return p.done() // "42 (rounded from 41.97)"
		case c >= 0x80:
			p.sign()
		case c == '$':
			p.q.currency = "$"
			p.i++
		default:
			p.i++
		}
		if reason != ReasonNone {
			return p.q, reason
		}
	}
	return p.done()
}

func (p *numberReader) done() (quantity, Reason) {
	if !p.found {
		return p.q, Unparsed
	}
	if p.minus {
		p.q.value = -p.q.value
	}
	return p.q, ReasonNone
}

// sign reads a character that is not ASCII: a currency, or a Chinese scale or word.
func (p *numberReader) sign() {
	r, size := utf8.DecodeRuneInString(p.s[p.i:])
	p.i += size
	switch {
	case currencies[r] != "":
		p.q.currency = currencies[r]
	case p.found && r == '万':
		p.q.scale *= 1e4
	case p.found && r == '亿':
		p.q.scale *= 1e8
	case !p.found && r == '负':
		p.minus = true
	}
}

func (p *numberReader) word() Reason {
	from := p.i
	for p.i < len(p.s) && (isLetter(p.s[p.i]) || p.s[p.i] == '\'') {
		p.i++
	}
	var b [16]byte
	w := p.s[from:p.i]
	if len(w) <= len(b) {
		w = string(appendLower(b[:0], w))
	}
	value, isNumber := numberWords[w]
	switch {
	case bounding[w]:
		return Ambiguous
	case isNumber && p.found && w != "one":
		return Ambiguous
	case isNumber && !p.found:
		p.found, p.q.value = true, value
	case p.found && scales[w] > 0:
		p.q.scale *= scales[w]
		p.q.word = strings.TrimSuffix(w, "s")
	case p.found && (w == "percent" || w == "per" && strings.HasPrefix(p.s[p.i:], " cent")):
		p.q.percent = true
	case !p.found && (w == "minus" || w == "negative"):
		p.minus = true
	case p.found && p.q.unit == "" && w != "of" && w != "in" && w != "dollars" && w != "and":
		p.q.unit = w
	}
	return ReasonNone
}

func appendLower(dst []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

// number reads digits with separators, a point, an exponent, a fraction or a power of ten.
func (p *numberReader) number() Reason {
	if p.found || p.i > 0 && isLetter(p.s[p.i-1]) {
		return Ambiguous // a second number, or part of a name, such as B52
	}
	v, n, decimals := readNumber(p.s[p.i:])
	if n == 0 || math.IsInf(v, 0) {
		return Unparsed
	}
	if p.negative() {
		v = -v
	}
	p.i += n
	p.found, p.q.value, p.q.decimals = true, v, decimals
	rest := p.s[p.i:]
	if strings.HasPrefix(rest, "/") {
		if d, n, _ := readNumber(rest[1:]); n > 0 && d != 0 {
			p.q.value, p.q.decimals = v/d, -1
			p.i += 1 + n
		}
		return ReasonNone
	}
	if e, n := powerOfTen(rest); n > 0 {
		p.q.value *= math.Pow10(e)
		p.i += n
	}
	return ReasonNone
}

// negative reports whether a minus stands right before the number, or before its currency, and
// is not a dash between words or numbers.
func (p *numberReader) negative() bool {
	before := strings.TrimRight(p.s[:p.i], "$€£¥₹ ")
	if !strings.HasSuffix(before, "-") {
		return false
	}
	before = before[:len(before)-1]
	return before == "" || !isLetter(before[len(before)-1]) && !isDigit(before[len(before)-1])
}

// readNumber reads "1,234.50" or "1.5e6". Commas count only between groups of three digits, or
// all as in India. n is the length read, decimals the digits after the point.
func readNumber(s string) (v float64, n, decimals int) {
	var b [64]byte
	text := b[:0]
	point, exponent := -1, false
scan:
	for n < len(s) && len(text) < 400 {
		c := s[n]
		switch {
		case isDigit(c):
			text = append(text, c)
		case c == '.' && point < 0 && !exponent && (n+1 == len(s) || isDigit(s[n+1]) || n == 0):
			if n+1 == len(s) {
				break scan
			}
			point = len(text)
			text = append(text, c)
		case c == ',' && point < 0 && n > 0 && groups(s[n:]):
		case (c == 'e' || c == 'E') && !exponent && n+1 < len(s) && (isDigit(s[n+1]) || n+2 < len(s) && (s[n+1] == '-' || s[n+1] == '+') && isDigit(s[n+2])):
			if point >= 0 {
				decimals = len(text) - point - 1
			}
			exponent = true
			text = append(text, c, s[n+1])
			n++
		default:
			break scan
		}
		n++
	}
	if point >= 0 && !exponent {
		decimals = len(text) - point - 1
	}
	if exponent {
		decimals = -1
	}
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return 0, 0, 0
	}
	return v, n, decimals
}

// groups reports whether a comma is followed by groups of three digits, and nothing that makes a
// list of them.
func groups(s string) bool {
	digits := 0
	for digits+1 < len(s) && isDigit(s[digits+1]) {
		digits++
	}
	return digits == 3 || digits == 2 && len(s) > 3 && s[3] == ',' && groups(s[3:])
}

// powerOfTen reads " x 10^6", "*10^{-3}". n is 0 where there is none.
func powerOfTen(s string) (exponent, n int) {
	rest := strings.TrimLeft(s, " ")
	if rest == "" || rest[0] != 'x' && rest[0] != 'X' && rest[0] != '*' {
		return 0, 0
	}
	rest, ok := strings.CutPrefix(strings.TrimLeft(rest[1:], " "), "10^")
	if !ok {
		return 0, 0
	}
	rest = strings.TrimLeft(rest, "{(")
	digits := 0
	for digits < len(rest) && digits < 5 && (isDigit(rest[digits]) || digits == 0 && rest[0] == '-') {
		digits++
	}
	e, err := strconv.Atoi(rest[:digits])
	if err != nil {
		return 0, 0
	}
	return e, len(s) - len(strings.TrimLeft(rest[digits:], "})"))
}
