package clean

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/ingest"
)

func planOf(t testing.TB, o Options) *Plan {
	t.Helper()
	p, err := NewPlan(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func benchmark(t testing.TB, lines ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "bench.jsonl")
	if err := os.WriteFile(name, []byte(strings.Join(lines, "\n")+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

const long = "How many tonnes of grain did the two upper mills grind in the second dry summer"

func TestALeakIsFoundWhereverItStands(t *testing.T) {
	p := planOf(t, Options{Decontaminate: []ingest.Input{{Path: benchmark(t,
		`{"id": 7, "question": "`+long+`?", "answer": "40"}`,
		`{"id": 8, "question": "Who won?", "answer": ["Ada", "Lovelace"]}`,
		`{"id": 9, "question": "Why?", "context": "the document of the benchmark itself which is much longer than an n gram of thirteen words", "answer": "because the snow had closed all of the roads over the pass since early autumn"}`,
	)}}})
	leaky := "It is said: " + strings.ToUpper(long) + ", and so on."
	for name, c := range map[string]struct {
		s    dataset.Sample
		want dataset.Evidence // without the words
	}{
		"question":           {dataset.Sample{Question: leaky, Answers: []string{"x"}}, dataset.Evidence{BenchmarkID: "7", Field: "question", FoundIn: "question"}},
		"context":            {dataset.Sample{Question: "q", Context: leaky, Answers: []string{"x"}}, dataset.Evidence{BenchmarkID: "7", Field: "question", FoundIn: "context"}},
		"response":           {dataset.Sample{Question: "q", Response: leaky}, dataset.Evidence{BenchmarkID: "7", Field: "question", FoundIn: "response"}},
		"messages":           {dataset.Sample{Question: "q", Messages: `[{"role":"system","content":"` + leaky + `"},{"role":"user","content":"q"}]`}, dataset.Evidence{BenchmarkID: "7", Field: "question", FoundIn: "messages"}},
		"answer in document": {dataset.Sample{Question: "q", Context: "Because the snow had closed all of the roads over the pass, they stayed. the snow had closed all of the roads over the pass since early autumn.", Answers: []string{"x"}}, dataset.Evidence{BenchmarkID: "9", Field: "answer", FoundIn: "context"}},
		"short with answer":  {dataset.Sample{Question: "who won", Context: "A race.", Answers: []string{"Bob", "lovelace."}}, dataset.Evidence{BenchmarkID: "8", Field: "question", FoundIn: "question"}},
		"short, other":       {dataset.Sample{Question: "who won", Context: "A race.", Answers: []string{"Bob"}}, dataset.Evidence{}},
		"document alone":     {dataset.Sample{Question: "q", Context: "the document of the benchmark itself which is much longer than an n gram of thirteen words", Answers: []string{"x"}}, dataset.Evidence{}},
		"nothing":            {dataset.Sample{Question: "How many tonnes of grain did the mills grind?", Context: "Two mills.", Answers: []string{"40"}}, dataset.Evidence{}},
	} {
		v := p.New().Look(&c.s)
		got := dataset.Evidence{}
		if v.Evidence != nil {
			got = *v.Evidence
			if got.NGram == "" || got.Benchmark != "bench.jsonl" || v.Drop != dataset.ReasonContaminated || !strings.Contains(v.Detail, got.NGram) {
				t.Errorf("%s: %+v", name, v)
			}
			got.NGram, got.Benchmark = "", ""
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestDocumentsOfBenchmarksAreLookedForWhereAsked(t *testing.T) {
	text := strings.Repeat("one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen ", 2)
	file := benchmark(t, `{"question": "Why?", "context": "`+text+`", "answer": "b"}`)
	s := dataset.Sample{Question: "q", Context: "Before. " + text + " After.", Answers: []string{"x"}}
	for _, fields := range [][]string{{FieldContext}, {FieldQuestion, FieldAnswer}} {
		v := planOf(t, Options{Decontaminate: []ingest.Input{{Path: file}}, Fields: fields}).New().Look(&s)
		if (v.Drop != "") != (fields[0] == FieldContext) {
			t.Errorf("fields %v: %+v", fields, v)
		}
	}
}

func TestABenchmarkOfWhichNothingCanBeReadIsAnError(t *testing.T) {
	_, err := NewPlan(t.Context(), Options{Decontaminate: []ingest.Input{{Path: benchmark(t, `{"a": 1}`, `{"b"`)}}})
	if err == nil || !strings.Contains(err.Error(), "none of its 2 records") {
		t.Errorf("got %v", err)
	}
}

func TestChecksSayWhatIsTrueOfASample(t *testing.T) {
	p := planOf(t, Options{Check: Checks()})
	filler := strings.Repeat("some words of filler that mean nothing at all ", 10)
	for name, c := range map[string]struct {
		s    dataset.Sample
		want dataset.Notes
	}{
		"sound":               {dataset.Sample{Context: filler + "The New  York-Times said it.", Answers: []string{"new york times"}}, 0},
		"answer absent":       {dataset.Sample{Context: filler, Answers: []string{"filler words"}}, dataset.NoteAnswerAbsent},
		"part of a word":      {dataset.Sample{Context: filler + " 1990", Answers: []string{"99"}}, dataset.NoteAnswerAbsent},
		"second answer":       {dataset.Sample{Context: filler, Answers: []string{"x", "Filler that"}}, 0},
		"repeated first word": {dataset.Sample{Context: filler + "a a b", Answers: []string{"a b"}}, 0},
		"near-empty":          {dataset.Sample{Context: "few words, see", Answers: []string{"few"}}, dataset.NoteNearEmpty},
		"no document":         {dataset.Sample{Question: "1 + 1?", Answers: []string{"2"}}, 0},
		"escape":              {dataset.Sample{Context: filler + "\x1b[0m ok", Answers: []string{"ok"}}, dataset.NoteControl},
		"control in answer":   {dataset.Sample{Context: filler, Answers: []string{"filler", "\u0085x\u0080"}}, dataset.NoteControl},
		"line ends and tabs":  {dataset.Sample{Context: filler + "\r\n\t\fok", Answers: []string{"ok"}}, 0},
		"chat":                {dataset.Sample{Question: "q", Messages: `[{"role":"user","content":"` + filler + `\nParis it is"}]`, Answers: []string{"Paris"}}, 0},
	} {
		if got := p.New().Look(&c.s); got.Notes != c.want || got.Drop != "" {
			t.Errorf("%s: notes %v, want %v", name, got.Notes.Names(), c.want.Names())
		}
	}
}

func TestACleanerKnowsOneDocumentFromTheNext(t *testing.T) {
	c := planOf(t, Options{NearDedup: 0.8, Check: Checks()}).New()
	a, b := strings.Repeat("a b c d e f g ", 20), strings.Repeat("h i j k l m n ", 20)
	look := func(doc, answer string) Verdict {
		return c.Look(&dataset.Sample{Question: "q", Context: doc, Answers: []string{answer}})
	}
	first, second, again := look(a, "c d"), look(b, "c d"), look(a, "c d")
	if d := cmp.Diff(first, again, cmp.AllowUnexported()); d != "" {
		t.Errorf("the same sample twice (-first +again):\n%s", d)
	}
	if first.Near.Document == second.Near.Document || first.Near.Claim != second.Near.Claim || second.Notes != dataset.NoteAnswerAbsent {
		t.Errorf("first %+v, second %+v", first, second)
	}
}

func TestAClaimIsQuestionAnswersAndResponse(t *testing.T) {
	c := planOf(t, Options{NearDedup: 0.8}).New()
	doc := strings.Repeat("a b c d e f g ", 20)
	claim := func(question, response string, answers ...string) uint64 {
		return c.Look(&dataset.Sample{Question: question, Context: doc, Answers: answers, Response: response}).Near.Claim
	}
	base := claim("Which year?", "", "1999")
	if claim("which YEAR", "", "1999.") != base {
		t.Error("case and punctuation make another claim")
	}
	for name, other := range map[string]uint64{
		"question": claim("Which month?", "", "1999"), "answer": claim("Which year?", "", "1998"),
		"response": claim("Which year?", "It is 1999.", "1999"), "moved word": claim("Which", "", "year 1999"),
	} {
		if other == base {
			t.Errorf("another %s is the same claim", name)
		}
	}
	chat := func(middle, end string) uint64 {
		return c.Look(&dataset.Sample{Question: strings.Repeat(doc, 2) + middle + strings.Repeat(doc, 2) + end, Messages: `[{"role":"user","content":"` + doc + `"}]`, Answers: []string{"1"}}).Near.Claim
	}
	if chat("", "Which year?") == chat("", "Which month?") {
		t.Error("the questions at the end of two long chats are one claim")
	}
	if chat("", "Which year?") != chat("another word", "Which year?") {
		t.Error("a word in the middle of a chat's document makes another claim")
	}
}

func TestMistakesInOptionsAreNamed(t *testing.T) {
	for want, o := range map[string]Options{
		"0.2":         {NearDedup: 0.2},
		"by \"page\"": {NearDedupBy: "page"},
		"n-grams of":  {NGram: 2},
		"field":       {Fields: []string{"title"}},
		"no_such":     {Check: []string{"no_such"}},
		"other_such":  {Drop: []string{"other_such"}},
		"no files":    {Decontaminate: []ingest.Input{{Path: filepath.Join(t.TempDir(), "*.jsonl")}}},
	} {
		if _, err := NewPlan(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
