package reward

import (
	"math"
	"slices"
	"strings"
)

// compareMath compares expressions: by value where there are no letters, by their values at some
// points where there are, as text otherwise. Tuples and lists are compared by their elements.
func compareMath(answer, reference, question string) Reason {
	if answer == reference {
		return Exact
	}
	got, want := canonical(plain(answer)), canonical(plain(unwrap(reference)))
	if want.text == "" {
		return NoReference
	}
	if got.text == want.text && got.percent == want.percent {
		return Exact
	}
	if got.percent && !want.percent && !containsFold(question, "percent") && !strings.Contains(question, "%") {
		return Different
	}
	if sameMath(got.text, want.text) {
		return Equal
	}
	return Different
}

// An expression is LaTeX without what only sets its type.
type expression struct {
	text    string
	percent bool
}

var dressing = strings.NewReplacer(
	`\left`, "", `\right`, "", `\!`, "", `\,`, "", `\;`, "", `\:`, "", `\ `, "", "~", "", `\displaystyle`, "", `\quad`, "",
	`\dfrac`, `\frac`, `\tfrac`, `\frac`, `\cfrac`, `\frac`, `\(`, "", `\)`, "", `\[`, "", `\]`, "", `\$`, "", "$", "", `\%`, "%",
	`^\circ`, "", `^{\circ}`, "", `\degree`, "", `\cdot`, "*", `\times`, "*", `\div`, "/", `\approx`, "=", `\leq`, `\le`, `\geq`, `\ge`,
	"{,}", ",", "**", "", "`", "", `\infty`, `\oo `,
)

func canonical(s string) expression {
	if strings.ContainsAny(s, "\\$~*{`") {
		s = withoutText(strings.TrimSpace(dressing.Replace(s)))
	}
	s = strings.TrimRight(strings.TrimSpace(s), ".")
	var e expression
	if i := strings.LastIndexByte(s, '='); i >= 0 && !strings.ContainsAny(s, "<>,") {
		s = s[i+1:]
	}
	s, e.percent = strings.CutSuffix(strings.TrimSpace(s), "%")
	for _, unit := range []string{" degrees", " degree", " percent", " dollars", " cents", " units"} {
		s = strings.TrimSuffix(s, unit)
	}
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		switch c := s[i]; {
		case c == ' ' || c == '\t' || c == '\n':
			if n := len(b); n > 0 && i+1 < len(s) && isDigit(b[n-1]) && isDigit(s[i+1]) {
				b = append(b, ' ') // "1 000" is not 1000, nor is "12 3/5" 123/5
			}
		case c == ',' && !strings.ContainsAny(s, "([{") && i > 0 && isDigit(s[i-1]) && groups(s[i:]):
		default:
			b = append(b, c)
		}
	}
	e.text = string(b)
	return e
}

// withoutText drops \text{...}, which holds units; where nothing else is left, its content stays.
func withoutText(s string) string {
	for _, command := range []string{`\text{`, `\textbf{`, `\mbox{`, `\mathrm{`, `\textrm{`, `\mathbf{`} {
		from := 0
		for {
			i := strings.Index(s[from:], command)
			if i < 0 {
				break
			}
			i += from
			body := s[i+len(command):]
			n := closing(body)
			if n < 0 {
				break
			}
			rest := strings.TrimSpace(s[:i]) + strings.TrimSpace(body[n+1:])
			if rest == "" || strings.Trim(rest, "(){}") == "" {
				return strings.TrimSpace(body[:n])
			}
			s = s[:i] + body[n+1:]
			from = i
		}
	}
	return strings.TrimSpace(s)
}

// latexText makes words of LaTeX, for texts with a formula in them.
func latexText(s string) string {
	return strings.NewReplacer(`\text{`, " ", `\mathrm{`, " ", `\textbf{`, " ", "{", "", "}", "", `\`, "").Replace(dressing.Replace(s))
}

func sameMath(got, want string) bool {
	gotItems, gotEnds := elements(got)
	wantItems, wantEnds := elements(want)
	if len(gotItems) != len(wantItems) || gotEnds != wantEnds {
		return false
	}
	if len(wantItems) == 1 {
		return sameValue(got, want)
	}
	if len(wantItems) > 20 {
		return false
	}
	if wantEnds != "" { // a tuple or an interval: in this order
		return slices.EqualFunc(gotItems, wantItems, sameValue)
	}
	for _, w := range wantItems {
		i := slices.IndexFunc(gotItems, func(g string) bool { return sameValue(g, w) })
		if i < 0 {
			return false
		}
		gotItems = slices.Delete(gotItems, i, i+1)
	}
	return true
}

// elements splits at the commas that stand in no brackets but the outer ones, which are returned
// as ends.
func elements(s string) (list []string, ends string) {
	if n := len(s); n > 1 && strings.ContainsRune("([", rune(s[0])) && strings.ContainsRune(")]", rune(s[n-1])) && strings.IndexByte(s, ',') > 0 {
		ends = s[:1] + s[n-1:]
		s = s[1 : n-1]
	}
	depth, from := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case ',':
			if depth == 0 {
				list = append(list, s[from:i])
				from = i + 1
			}
		}
	}
	return append(list, s[from:]), ends
}

// points are where expressions with letters are compared; two that differ as polynomials or
// fractions of them agree at all of these by chance only.
var points = [...]float64{1.7320508, 2.2360679, -0.5772157}

func sameValue(got, want string) bool {
	if got == want {
		return got != ""
	}
	if letters(got) != letters(want) {
		return false
	}
	known := 0
	for _, x := range points {
		value := func(c byte) float64 { return x + float64(c)/97 }
		v, ok := evaluate(want, value)
		if !ok {
			continue
		}
		g, ok := evaluate(got, value)
		if !ok || math.Abs(g-v) > exactly*math.Abs(v) {
			return false
		}
		known++
	}
	return known >= 2
}

// letters returns the variables of an expression as a set.
func letters(s string) (set uint64) {
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			for i+1 < len(s) && isLetter(s[i+1]) {
				i++
			}
			continue
		}
		if isLetter(s[i]) {
			set |= 1 << (s[i] - 'A')
		}
	}
	return set
}
