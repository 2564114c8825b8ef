package reward

import (
	"strings"
	"testing"
)

func scorer(t testing.TB, o Options) *Scorer {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// check scores one response after its reasoning.
func check(t *testing.T, s *Scorer, source, question, response, reference string, want Reason) {
	t.Helper()
	v := s.Score(Request{DataSource: source, Question: question, Response: "<think>\nHm.\n</think>\n\n" + response, References: strings.Split(reference, "|")})
	if v.Reason != want {
		t.Errorf("%s: %q for %q: %s (answer %q), want %s", source, response, reference, v.Reason, v.Answer, want)
	}
	if reward := Known(0); !want.Unknown() {
		if want.Right() {
			reward = Known(1)
		}
		if v.Reward != reward || v.Rule != reward || v.Judge.Known {
			t.Errorf("%s: %q: reward %v, rule %v, judge %v for %s", source, response, v.Reward, v.Rule, v.Judge, want)
		}
	} else if v.Reward.Known || v.Rule.Known {
		t.Errorf("%s: %q: reward %v for %s", source, response, v.Reward, want)
	}
}

func TestTextIsRightOnlyIfItSaysTheReference(t *testing.T) {
	s := scorer(t, Options{})
	for _, c := range []struct {
		response, reference string
		want                Reason
	}{
		{"Therefore, the answer is Paris.", "Paris", Exact},
		{"Therefore, the answer is **the Paris**.", "Paris", Exact},
		{"The answer is London. No: the answer is Paris", "Paris", Exact},
		{"**Answer:** Paris", "Paris", Exact},
		{"The answer is:\n\n**Paris**", "Paris", Exact},
		{"Paris", "Paris", Exact},
		{`Thus \boxed{\text{Paris}}`, `Paris`, Exact},
		{"答案是：巴黎。", "巴黎", Exact},
		{"the answer is Ｐａｒｉｓ", "Paris", Exact},
		{"the answer is Mesut Özil", "Mesut Ozil", Exact},
		{"the answer is “Read It and Weep” (2006)", `"Read It and Weep" (2006)`, Exact},
		{"the answer is Paris, France", "Paris", Contains},
		{"the answer is the city of Paris", "Paris", Contains},
		{"the answer is Paris. This is what section 3 of the report says about it.", "Paris", Exact},
		{"the answer is St. Louis", "St. Louis", Exact},
		{"the answer is 25 August 1963", "August 25, 1963", Equal},
		{"the answer is 1963-08-25", "August 25, 1963", Equal},
		{"the answer is 26 August 1963", "August 25, 1963", Different},
		{"the answer is 1862", "1862", Exact},
		{"the answer is in 1862", "1862", Equal},
		{"the answer is B", "A|B", Exact},
		{"the answer is Paris.", "Therefore, the answer is Paris.", Exact},

		{"the answer is ", "Paris", NoAnswer},
		{"the answer is .", "Paris", NoAnswer},
		{"", "Paris", NoAnswer},
		{"the answer is a", "Paris", Different},
		{"the answer is the", "The Who", Different},
		{"the answer is 1", "1984", Different},
		{"the answer is 1984 or 1985", "1984", Ambiguous},
		{"the answer is par", "Paris", Different},
		{"the answer is not Paris", "Paris", Different},
		{"the answer is Paris or London", "Paris", Different},
		{"the answer is Tom and Jerry", "Tom", Different},
		{"the answer is Paris. No wait, London.", "Paris", Different},
		{"the answer is Paris, London, Rome", "Paris", Different},
		{"the answer is London, which is far away from Paris", "Paris", Different},
		{"the answer is 20 October 1952", "October 1952", Different},
		{"the answer is \u200b\u200d", "Paris", NoAnswer},
		{"I think it is Paris.\nBut who knows.", "Paris", NoAnswer},
		{"the answer is " + strings.Repeat("Paris ", 1000), "Paris", TooLong},
		{"the answer is x", "", NoReference},
		{"the answer is x", "...", NoReference},

		{"the answer is yes", "yes", Exact},
		{"the answer is Yes, both are in France.", "yes", Equal},
		{"the answer is no", "yes", Different},
		{"the answer is yes and no", "yes", Ambiguous},
		{"the answer is nobody", "no", Unparsed},
		{"the answer is: no, they are not", "no", Equal},
	} {
		check(t, s, "hotpotqa", "", c.response, c.reference, c.want)
	}
}

func TestNumbersHaveTheirValueAndNoOther(t *testing.T) {
	s := scorer(t, Options{})
	for _, c := range []struct {
		question, response, reference string
		want                          Reason
	}{
		{"", "the answer is 1,234.50", "1234.5", Equal},
		{"", "the answer is $1,234.50.", "1234.5", Equal},
		{"", "the answer is **12 years**.", "12 years.", Equal},
		{"", "the answer is 12 years old", "12 years", Equal},
		{"", "the answer is approximately 12.35", "12.3456", Equal},
		{"", "the answer is 3 + 4 = 7", "7", Equal},
		{"", "the answer is 7 (3 of 10 were lost)", "7", Equal},
		{"", "the answer is -5", "−5", Equal},
		{"", "the answer is minus five", "-5", Equal},
		{"", "the answer is １２３", "123", Equal},
		{"", "答案是 1,200 元", "1200", Equal},
		{"", "the answer is 3万", "30000", Equal},
		{"", "the answer is 3/4", "0.75", Equal},
		{"", `the answer is \boxed{\frac{3}{4}}`, "0.75", Equal},
		{"", "the answer is 1.5 x 10^6", "1500000", Equal},
		{"", "the answer is 1.5e6", "1500000", Equal},
		{"", "the answer is 1.5 million", "1500000", Equal},
		{"", "the answer is two", "2", Equal},
		{"", "the answer is Two million.", "2,000,000", Equal},
		{"", "the answer is 12.5%", "0.125", Equal},
		{"", "the answer is 12.5%", "12.5%", Equal},
		{"What percentage?", "the answer is 12.5%", "12.5", Equal},
		{"How much, in millions?", "the answer is 12.5 million", "12.5", Equal},
		{"", "#### 18", "18", Equal},
		{"", "the answer is 37th", "37th", Equal},
		{"", "the answer is 12,34,567", "1234567", Equal},

		{"", "the answer is 12.5%", "12.5", Different},
		{"", "the answer is 12.5 million", "12.5", Different},
		{"", "the answer is 1250", "12.5", Different},
		{"", "the answer is 0.0125", "12.5", Different},
		{"", "the answer is 5", "-5", Different},
		{"", "the answer is 1863", "1862", Different},
		{"", "the answer is 12.4", "12.3456", Different},
		{"", "the answer is €5", "$5", Different},
		{"", "the answer is 5 km", "5 miles", Different},
		{"", "the answer is between 3 and 5", "5", Ambiguous},
		{"", "the answer is 3-5", "5", Ambiguous},
		{"", "the answer is 1, 2, 3", "1", Ambiguous},
		{"", "the answer is 1,2,3", "123", Ambiguous},
		{"", "the answer is less than 5", "5", Ambiguous},
		{"", "the answer is not 5", "5", Ambiguous},
		{"", "the answer is B52", "52", Ambiguous},
		{"", "the answer is unknown", "5", Unparsed},
		{"", "the answer is $", "5", Unparsed},
		{"", "the answer is 1e999", "5", Unparsed},
		{"", "the answer is __import__('os').system('x')", "0", Unparsed},
	} {
		check(t, s, "docmath", c.question, c.response, c.reference, c.want)
	}
}

func TestChoicesAreLetters(t *testing.T) {
	s := scorer(t, Options{})
	for _, c := range []struct {
		response, reference string
		want                Reason
	}{
		{"The correct answer is (B).", "B", Choice},
		{"The correct answer is **(B)** the second one", "(B)", Choice},
		{"The correct answer is B because A is wrong", "The correct answer is (B).", Choice},
		{"the answer is b)", "B", Choice},
		{`the answer is $\boxed{\text{B}}$`, "B", Choice},
		{"The correct option is B: the second", "B. the second", Choice},
		{"the answer is Option B", "B", Choice},
		{"the answer is （B）", "B", Choice},
		{"the answer is (A)", "B", Different},
		{"the answer is A and B", "B", Ambiguous},
		{"the answer is (A), (B)", "A", Ambiguous},
		{"the answer is A/B", "A", Ambiguous},
		{"the answer is A dog", "A", Unparsed},
		{"the answer is a dog", "A", Unparsed},
		{"the answer is Apple", "A", Unparsed},
		{"the answer is (Z)", "A", Unparsed},
		{"the answer is a dog", "a dog", Exact},
	} {
		check(t, s, "long_toc_choices_20k", "", c.response, c.reference, c.want)
	}
}

func TestListsHaveTheSameItemsInAnyOrder(t *testing.T) {
	s := scorer(t, Options{Types: map[string]Type{"lists": List}})
	for _, c := range []struct {
		response, reference string
		want                Reason
	}{
		{"the answer is Rome, Paris and London", "London, Paris, Rome", SameList},
		{"the answer is Rome; Paris; London", `["London", "Paris", "Rome"]`, SameList},
		{"the answer is Rome, Paris", "London, Paris, Rome", Different},
		{"the answer is Rome, Paris, London, Berlin", "London, Paris, Rome", Different},
		{"the answer is Rome, Rome, London", "London, Rome", Different},
		{"the answer is ,", "London, Rome", NoAnswer},
	} {
		check(t, s, "lists", "", c.response, c.reference, c.want)
	}
}

func TestMathComparesValues(t *testing.T) {
	s := scorer(t, Options{})
	for _, c := range []struct {
		response, reference string
		want                Reason
	}{
		{`\boxed{\dfrac{3}{4}}`, `\frac{3}{4}`, Exact},
		{`\boxed{0.75}`, `\frac34`, Equal},
		{`\boxed{1\frac{9}{10}}`, `1.9`, Equal},
		{`\boxed{10000}`, `10{,}000`, Exact},
		{`\boxed{2\sqrt{3}}`, `\sqrt{12}`, Equal},
		{`\boxed{-2+4a}`, `4a-2`, Equal},
		{`\boxed{x = 5}`, `5`, Exact},
		{`\boxed{(3, \frac{1}{2})}`, `(3,0.5)`, Equal},
		{`\boxed{2, -1}`, `-1,2`, Equal},
		{`\boxed{25\text{ cm}}`, `25`, Exact},
		{`\boxed{90^\circ}`, `90`, Exact},
		{`nested \boxed{\boxed{5}}`, `5`, Exact},
		{`\boxed{(2, 3)}`, `(3, 2)`, Different},
		{`\boxed{(2, 3)}`, `[2, 3]`, Different},
		{`\boxed{4a-2}`, `4b-2`, Different},
		{`\boxed{25\%}`, `25`, Different},
		{`\boxed{5`, `5`, Different},
		{`\boxed{}`, `5`, NoAnswer},
		{`\boxed{seat}`, `east`, Different},
		{`\boxed{\frac{1}{0}}`, `0`, Different},
	} {
		check(t, s, "qwen25math", "", c.response, c.reference, c.want)
	}
}

func TestReasoningThatDoesNotEndHasNoAnswer(t *testing.T) {
	r := Request{DataSource: "musique", Response: "<think> so the answer is Paris", References: []string{"Paris"}}
	if v := scorer(t, Options{}).Score(r); v.Reason != NotFinished || v.Reward != Known(0) {
		t.Errorf("%+v", v)
	}
	r.Response = "so the answer is Paris"
	if v := scorer(t, Options{}).Score(r); v.Reason != Exact {
		t.Errorf("without any reasoning: %+v", v)
	}
	if v := scorer(t, Options{RequireThink: true}).Score(r); v.Reason != NotFinished {
		t.Errorf("required reasoning is missing: %+v", v)
	}
}

func TestEveryBenchmarkHasAType(t *testing.T) {
	s := scorer(t, Options{Types: map[string]Type{"mine": List, "musique": YesNo}})
	for source, want := range map[string]Type{
		"docmath": Numeric, "frames": Text, "2wikimultihopqa": Text, "hotpotqa": Text, "musique": YesNo, "narrativeqa": Text, "qasper": Text,
		"long_toc_choices": ChoiceLetter, "multihoprag": Text, "openai/gsm8k": Numeric, "DocMath_20k": Numeric, "synth_table": Numeric,
		"synth_lookup": Numeric, "synth_chain": Text, "hf/HotpotQA-distractor": Text, "long_toc_choices_musique": ChoiceLetter, "mine": List,
		"mines": TypeUnknown, "": TypeUnknown, "mathematics": TypeUnknown,
	} {
		if got := s.Type(source); got != want {
			t.Errorf("%q is %s, want %s", source, got, want)
		}
	}
	for _, scorerName := range []string{Strict, QwenLongL1} {
		if v := scorer(t, Options{Scorer: scorerName}).Score(Request{DataSource: "poems", Response: "the answer is x", References: []string{"x"}}); v.Reason != UnknownSource || v.Reward.Known {
			t.Errorf("%s: %+v", scorerName, v)
		}
	}
}

func TestNewRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, o := range []Options{{Scorer: "lenient"}, {Tolerance: 1}, {Types: map[string]Type{"": Text}}, {Types: map[string]Type{"x": 77}}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

func TestReleasedScorerIsRightWhereItIsWrong(t *testing.T) {
	s := scorer(t, Options{Scorer: QwenLongL1})
	check(t, s, "musique", "", "the answer is a", "Paris", Contains)
	check(t, s, "musique", "", "the answer is 1", "1984", Contains)
	check(t, s, "docmath", "", "the answer is 500", "-5", Equal)
	check(t, s, "frames", "", "the answer is x", "x", UnknownSource)
	check(t, s, "long_toc_choices", "", "The correct answer is (A)", "A", Choice)
}

func TestOverlongPenaltyFallsInsideTheCache(t *testing.T) {
	for tokens, want := range map[int]float32{0: 0, 9000: 0, 9001: -0.001, 9500: -0.5, 10000: -1, 12000: -1} {
		if got := Overlong(tokens, 10000, 1000); got != want {
			t.Errorf("%d tokens: %g, want %g", tokens, got, want)
		}
	}
	if got := Overlong(100, 100, 0); got != 0 {
		t.Errorf("without a cache: %g", got)
	}
	if got := Overlong(101, 100, 0); got != -1 {
		t.Errorf("without a cache, over: %g", got)
	}
}
