package reward

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzScore looks for panics, and for verdicts that contradict themselves.
func FuzzScore(f *testing.F) {
	for _, make := range hostile {
		f.Add(make(64), "42", "question in percent", uint8(0))
	}
	for i, response := range []string{
		"</think>the answer is \\boxed{\\frac{1}{2}}", "the answer is $1,234.5 million%", "<think></think>**(B)** or C", "答案是 ３万", "the answer is 1963-08-25",
		"</think>The answer is ¥-.5.", "#### -1,234.", "\\boxed{(1,\\sqrt[3]{8}]}", "the answer is [\"a\", \"b\"]",
	} {
		f.Add(response, response, "", uint8(i))
	}
	strict, released := hostileScorers(f)[0], hostileScorers(f)[1]
	f.Fuzz(func(t *testing.T, response, reference, question string, source uint8) {
		r := Request{DataSource: sources[int(source)%len(sources)], Response: response, References: []string{reference}, Question: question}
		for _, s := range []*Scorer{strict, released} {
			v := s.Score(r)
			if v != s.Score(r) {
				t.Fatal("two verdicts on the same request")
			}
			switch {
			case v.Reason == ReasonNone || v.Judge.Known || v.Reward != v.Rule,
				v.Reason.Right() != (v.Reward == Known(1)), v.Reason.Unknown() != !v.Reward.Known,
				len(v.Answer) > MaxAnswer, utf8.ValidString(response) && !utf8.ValidString(v.Answer):
				t.Fatalf("%s: %+v", s.Name(), v)
			}
		}
		if v := strict.Score(r); v.Reward == Known(1) && strings.TrimSpace(v.Answer) == "" {
			t.Fatalf("nothing is right: %+v", v)
		}
	})
}

// FuzzSameAnswerIsRight checks that a reference, given as the answer, is right or is no reference.
func FuzzSameAnswerIsRight(f *testing.F) {
	for _, s := range []string{"Paris", "1984", "the The", "U.S.", "5%", "$5", "A", "no", "(-\\infty, 5]", "a, b", "12 \\frac{3}{5}", "25 August 1963"} {
		f.Add(s)
	}
	s := scorer(f, Options{})
	f.Fuzz(func(t *testing.T, answer string) {
		if strings.ContainsAny(answer, "\r\n\\*_:=\"`#.!：") || len(answer) > 500 || containsFold(answer, "answer") || containsFold(answer, "choice") || containsFold(answer, "option") || strings.Contains(answer, "答案") || strings.ToValidUTF8(answer, "") != answer {
			return // these end or begin an answer
		}
		v := s.Score(Request{DataSource: "musique", Response: "Therefore, the answer is " + answer, References: []string{answer}})
		if !v.Reason.Right() && v.Reason != NoReference && v.Reason != NoAnswer {
			t.Fatalf("%q: %+v", answer, v)
		}
	})
}
