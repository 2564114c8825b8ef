package reward

import (
	"math"
	"strconv"
	"strings"
)

// evaluate computes an expression: numbers, + - * / ^, brackets, \frac, \sqrt, \pi, mixed
// numbers, and single letters if there is a value for them. Nothing is executed; what is not
// known, or has no finite value, is not ok. It is linear: brackets nest at most maxDepth deep.
func evaluate(s string, variable func(byte) float64) (float64, bool) {
	p := arith{s: s, variable: variable}
	v := p.sum()
	return v, !p.bad && p.i == len(s) && s != "" && !math.IsNaN(v) && !math.IsInf(v, 0)
}

const maxDepth = 60

type arith struct {
	s        string
	i, depth int
	bad      bool
	variable func(byte) float64
}

func (p *arith) peek() byte {
	if p.bad || p.i >= len(p.s) {
		return 0
	}
	return p.s[p.i]
}

func (p *arith) fail() float64 {
	p.bad = true
	return 0
}

func (p *arith) sum() float64 {
	if p.depth++; p.depth > maxDepth {
		return p.fail()
	}
	defer func() { p.depth-- }()
	v := p.product()
	for {
		switch p.peek() {
		case '+':
			p.i++
			v += p.product()
		case '-':
			p.i++
			v -= p.product()
		default:
			return v
		}
	}
}

func (p *arith) product() float64 {
	v := p.signed()
	for {
		switch c := p.peek(); {
		case c == '*':
			p.i++
			v *= p.signed()
		case c == '/':
			p.i++
			v /= p.signed()
		case c == '(' || c == '\\' || c == '{' || isLetter(c):
			v *= p.power()
		default:
			return v
		}
	}
}

func (p *arith) signed() float64 {
	negative := false
	for p.peek() == '-' || p.peek() == '+' {
		negative = negative != (p.s[p.i] == '-')
		p.i++
	}
	if v := p.power(); negative {
		return -v
	} else {
		return v
	}
}

func (p *arith) power() float64 {
	v := p.atom()
	if p.peek() != '^' {
		return v
	}
	p.i++
	if p.peek() == '{' || p.peek() == '(' {
		return math.Pow(v, p.atom())
	}
	if p.peek() == '-' {
		return p.fail()
	}
	return math.Pow(v, p.digitOrAtom())
}

func (p *arith) atom() float64 {
	switch c := p.peek(); {
	case isDigit(c) || c == '.':
		return p.number()
	case c == '(' || c == '{' || c == '[':
		p.i++
		v := p.sum()
		if closers := map[byte]byte{'(': ')', '{': '}', '[': ']'}; p.peek() != closers[c] {
			return p.fail()
		}
		p.i++
		return v
	case c == '\\':
		return p.command()
	case isLetter(c) && p.variable != nil && !p.inWord():
		p.i++
		return p.variable(c)
	}
	return p.fail()
}

// inWord reports whether three letters or more stand together here: a word, not a product.
func (p *arith) inWord() bool {
	from, to := p.i, p.i
	for from > 0 && p.i-from < 3 && isLetter(p.s[from-1]) {
		from--
	}
	for to < len(p.s) && to-p.i < 3 && isLetter(p.s[to]) {
		to++
	}
	return to-from >= 3 && (from == 0 || p.s[from-1] != '\\')
}

func (p *arith) number() float64 {
	from := p.i
	for isDigit(p.peek()) || p.peek() == '.' {
		p.i++
	}
	whole := p.s[from:p.i]
	v, err := strconv.ParseFloat(whole, 64)
	if err != nil {
		return p.fail()
	}
	if strings.HasPrefix(p.s[p.i:], `\frac`) && !strings.Contains(whole, ".") && p.mixed() {
		return v + p.atom() // 1\frac{9}{10}
	}
	if p.peek() == ' ' {
		return p.fail()
	}
	return v
}

// mixed reports whether the fraction here has nothing but digits, so that a whole number before
// it is added.
func (p *arith) mixed() bool {
	for _, c := range []byte(p.s[p.i+len(`\frac`):]) {
		if isDigit(c) || c == '{' || c == '}' {
			continue
		}
		return !isLetter(c) && c != '\\' && c != '^'
	}
	return true
}

func (p *arith) command() float64 {
	name := p.s[p.i+1:]
	n := 0
	for n < len(name) && isLetter(name[n]) {
		n++
	}
	p.i += 1 + n
	switch name[:n] {
	case "frac":
		a := p.digitOrAtom()
		return a / p.digitOrAtom()
	case "sqrt":
		root := 2.0
		if p.peek() == '[' {
			root = p.atom()
		}
		if v := p.digitOrAtom(); root == 2 {
			return math.Sqrt(v)
		} else {
			return math.Pow(v, 1/root)
		}
	case "pi":
		return math.Pi
	}
	return p.fail()
}

// digitOrAtom reads an argument: LaTeX takes one digit where there are no braces.
func (p *arith) digitOrAtom() float64 {
	if c := p.peek(); isDigit(c) {
		p.i++
		return float64(c - '0')
	}
	return p.atom()
}
