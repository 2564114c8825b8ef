package reward

import (
	"strings"
	"testing"
)

// hostile are responses that grow: what a policy may find out, and what may cost more than
// linear time in a careless scorer.
var hostile = map[string]func(n int) string{
	"phrases":          func(n int) string { return strings.Repeat("the answer is ", n/14) },
	"phrases no space": func(n int) string { return strings.Repeat("answer", n/6) },
	"stars":            func(n int) string { return "answer" + strings.Repeat("*", n) },
	"thoughts":         func(n int) string { return strings.Repeat("</think>", n/8) },
	"half thoughts":    func(n int) string { return strings.Repeat("</think", n/7) },
	"open boxes":       func(n int) string { return strings.Repeat(`\boxed{`, n/7) },
	"boxes":            func(n int) string { return strings.Repeat(`\boxed{`, n/8) + strings.Repeat("}", n/8) },
	"braces":           func(n int) string { return `\boxed{` + strings.Repeat("{", n) },
	"hashes":           func(n int) string { return strings.Repeat("#", n) },
	"spaces":           func(n int) string { return "the answer is" + strings.Repeat(" ", n) + "5" },
	"digits":           func(n int) string { return "the answer is " + strings.Repeat("9", n) },
	"points":           func(n int) string { return "</think>the answer is " + strings.Repeat(".", n) },
	"choices":          func(n int) string { return "</think>" + strings.Repeat("The correct answer is ", n/22) },
	"long line":        func(n int) string { return "the answer is " + strings.Repeat("word ", n/5) },
	"line breaks":      func(n int) string { return "</think>the answer is" + strings.Repeat("\n", n) },
	"not UTF-8":        func(n int) string { return "the answer is " + strings.Repeat("\xe7\xad", n/2) },
	"combining marks":  func(n int) string { return "the answer is a" + strings.Repeat("\u0301", n/2) },
}

var sources = []string{"musique", "docmath", "long_toc_choices", "qwen25math", "openai/gsm8k", "lists", "yes"}

func hostileScorers(t testing.TB) []*Scorer {
	types := map[string]Type{"lists": List, "yes": YesNo}
	return []*Scorer{scorer(t, Options{Types: types}), scorer(t, Options{Scorer: QwenLongL1})}
}

func TestHostileResponsesEarnNothing(t *testing.T) {
	for name, make := range hostile {
		for _, s := range hostileScorers(t) {
			for _, source := range sources {
				if v := s.Score(Request{DataSource: source, Response: make(10_000), References: []string{"yes"}}); v.Reward.Value != 0 {
					t.Errorf("%s, %s, %s: %+v", name, s.Name(), source, v)
				}
			}
		}
	}
}

// TestTenMegabytesOfHostileTextAreScored is about time without a clock: what is linear takes some
// seconds here, and what is quadratic days, so that the test run ends it. The strict rule looks
// at MaxAnswer bytes once it has the answer: one data source is enough for it.
func TestTenMegabytesOfHostileTextAreScored(t *testing.T) {
	const size = 10 << 20
	strict, released := hostileScorers(t)[0], hostileScorers(t)[1]
	for _, make := range hostile {
		response := make(size)
		strict.Score(Request{DataSource: "musique", Response: response, References: []string{"42"}})
		for _, source := range []string{"musique", "docmath", "long_toc_choices", "openai/gsm8k"} {
			released.Score(Request{DataSource: source, Response: response, References: []string{"42"}})
		}
	}
}
