package source

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/longctx/pipeline/dataset"
)

// sets has a small record of each published set, in its official layout.
var sets = []struct {
	family, record string
	want           []dataset.Sample
}{
	{
		"loogle", `{"input":"c","title":"T","qa_pairs":"[{'Q': \"p's\", 'A': 'x', 'type': 'computation', 'S': ['e']}, {'Q': 'q', 'A': \"{'<mask-0>': 'a', '<mask-1>': 'b'}\"}]","output":"none"}`,
		[]dataset.Sample{
			{SourceID: "T", DataSource: "loogle", Context: "c", Question: "p's", Answers: []string{"x"}, Meta: `{"kind":"computation"}`},
			{SourceID: "T", DataSource: "loogle", Context: "c", Question: "q", Answers: []string{"<mask-0>: a; <mask-1>: b"}},
		},
	},
	{
		"loogle", `{"input":"c","title":"T","qa_pairs":"none","output":"s"}`,
		[]dataset.Sample{{SourceID: "T", DataSource: "loogle", Context: "c", Question: loogleSummary, Answers: []string{"s"}, Meta: `{"kind":"summary"}`}},
	},
	{
		"tatqa", `{"table":{"uid":"t","table":[["","2019"],["Net\nincome","$1,500"]]},"paragraphs":[{"uid":"p","order":1,"text":"A report."}],"questions":[
			{"uid":"q1","question":"p","answer":["a","b"],"scale":"thousand","answer_type":"multi-span"},
			{"uid":"q2","question":"q","answer":40.74,"scale":"percent","answer_type":"arithmetic","derivation":"1/2"},
			{"uid":"q3","question":"r","answer":"3","scale":""}]}`,
		[]dataset.Sample{
			{SourceID: "q1", DataSource: "tatqa", Context: "A report.\n\n|  | 2019 |\n| --- | --- |\n| Net income | $1,500 |", Question: "p", Answers: []string{"a thousand; b thousand"}, Meta: `{"answer_type":"multi-span","scale":"thousand"}`},
			{SourceID: "q2", DataSource: "tatqa", Context: "A report.\n\n|  | 2019 |\n| --- | --- |\n| Net income | $1,500 |", Question: "q", Answers: []string{"40.74%"}, Meta: `{"answer_type":"arithmetic","scale":"percent","derivation":"1/2"}`},
			{SourceID: "q3", DataSource: "tatqa", Context: "A report.\n\n|  | 2019 |\n| --- | --- |\n| Net income | $1,500 |", Question: "r", Answers: []string{"3"}, Meta: `{"scale":""}`},
		},
	},
	{
		"qasper", `{"id":"1909.1","title":"T","abstract":"A","full_text":[{"section_name":"S","paragraphs":["x","y"]}],"qas":[{"question":"q","question_id":"i","answers":[
			{"answer":{"unanswerable":false,"extractive_spans":["a","b"],"yes_no":null,"free_form_answer":""}},{"answer":{"unanswerable":false,"extractive_spans":[],"yes_no":false,"free_form_answer":""}},
			{"answer":{"unanswerable":true}},{"answer":{"extractive_spans":[],"free_form_answer":"f"}}]}]}`,
		[]dataset.Sample{{SourceID: "i", DataSource: "qasper", Context: "T\nA\n\nS\nx\n\ny", Question: "q", Answers: []string{"a, b", "No", "Unanswerable", "f"}}},
	},
	{
		"qasper", `{"id":"1909.1","title":"T","abstract":"A","full_text":{"section_name":["S"],"paragraphs":[["x"]]},"qas":{"question":["q"],"question_id":["i"],"answers":[{"answer":[{"unanswerable":false,"extractive_spans":["a"],"yes_no":null,"free_form_answer":""}]}]}}`,
		[]dataset.Sample{{SourceID: "i", DataSource: "qasper", Context: "T\nA\n\nS\nx", Question: "q", Answers: []string{"a"}}},
	},
	{
		"narrativeqa", `{"document":{"id":"d","kind":"book","text":"c"},"question":{"text":"q","tokens":["q"]},"answers":[{"text":"a"},{"text":"b"}]}`,
		[]dataset.Sample{{SourceID: "d", DataSource: "narrativeqa", Context: "c", Question: "q", Answers: []string{"a", "b"}}},
	},
	{
		"docmath", `{"question_id":"complong-1","source":"s","question":"q","paragraphs":["a","| b |"],"ground_truth":-27.5,"python_solution":"def solution(): ...","topic":"t"}`,
		[]dataset.Sample{{SourceID: "complong-1", DataSource: "docmath", Context: "a\n\n| b |", Question: "q", Answers: []string{"-27.5"}, Meta: `{"source":"s","topic":"t"}`}},
	},
	{
		"frames", `{"column_1":"0","Prompt":"q","Answer":"a","reasoning_types":"Multiple constraints","documents":["x","y"]}`,
		[]dataset.Sample{{SourceID: "0", DataSource: "frames", Context: "x\n\ny", Question: "q", Answers: []string{"a"}, Meta: `{"reasoning_types":"Multiple constraints"}`}},
	},
	{
		"longbench", `{"_id":"l","input":"q","context":"c","answers":["a"],"length":9,"dataset":"musique","language":"en","all_classes":null}`,
		[]dataset.Sample{{SourceID: "l", DataSource: "musique", Context: "c", Question: "q", Answers: []string{"a"}, Meta: `{"language":"en"}`}},
	},
	{
		"longbench-v2", `{"_id":"l","question":"q","choice_A":"a","choice_B":"b","choice_C":"c","choice_D":"d","answer":"B","context":"t","difficulty":"hard"}`,
		[]dataset.Sample{{SourceID: "l", DataSource: "longbench-v2", Context: "t", Question: "q\n(A) a\n(B) b\n(C) c\n(D) d", Answers: []string{"B"}, Meta: `{"difficulty":"hard"}`}},
	},
	{
		"2wikimultihopqa", `{"_id":"w","type":"compositional","question":"q","context":[["T",["a."," b."]]],"supporting_facts":[],"evidences":[["T","is","a"]],"answer":"x"}`,
		[]dataset.Sample{{SourceID: "w", DataSource: "2wikimultihopqa", Context: "T\na. b.", Question: "q", Answers: []string{"x"}, Meta: `{"type":"compositional","supporting_facts":[]}`}},
	},
	{
		"musique", `{"id":"2hop__1","paragraphs":[{"idx":0,"title":"T","paragraph_text":"a","is_supporting":true}],"question":"q","question_decomposition":[],"answer":"x","answer_aliases":["y"],"answerable":true}`,
		[]dataset.Sample{{SourceID: "2hop__1", DataSource: "musique", Context: "T\na", Question: "q", Answers: []string{"x", "y"}}},
	},
	{
		"trainer", `{"prompt":[{"role":"system","content":"s"},{"role":"user","content":"q"}],"solution":"x","id":3}`,
		[]dataset.Sample{{SourceID: "3", Question: "q", Answers: []string{"x"}, Messages: `[{"role":"system","content":"s"},{"role":"user","content":"q"}]`}},
	},
	{
		"trainer", `{"input":"q \"1\"","label":"x","datasource":"d"}`,
		[]dataset.Sample{{DataSource: "d", Question: `q "1"`, Answers: []string{"x"}, Messages: `[{"role":"user","content":"q \"1\""}]`}},
	},
	{
		"trainer", `{"prompt":"q","completion":[{"role":"assistant","content":"r"}]}`,
		[]dataset.Sample{{Question: "q", Response: "r", Messages: `[{"role":"user","content":"q"}]`}},
	},
}

func TestPublishedSetsAreRecognizedAndReadInTheirOfficialLayout(t *testing.T) {
	for _, set := range sets {
		t.Run(set.family, func(t *testing.T) {
			if got := Recognize([][]byte{[]byte(set.record)}).Name; got != set.family {
				t.Errorf("recognized as %s", got)
			}
			check(t, parse(t, set.family, Options{}, set.record), set.want)
		})
	}
}

func TestWhatAPublishedSetLacksIsRejected(t *testing.T) {
	for _, test := range []struct{ family, record, reject string }{
		{"loogle", `{"input":"c","title":"T","qa_pairs":"[{'Q'","output":"none"}`, `wrong_type: field "qa_pairs" is not the text of a Python list [T]`},
		{"loogle", `{"input":"c","title":"T","qa_pairs":"[]","output":"none"}`, `missing_field: the list "qa_pairs" is empty [T]`},
		{"loogle", `{"input":"c","title":"T","qa_pairs":"[{'Q': 'q'}]","output":"none"}`, `missing_field: no field "qa_pairs[].A" [T]`},
		{"tatqa", `{"table":{"uid":"t","table":["a"]},"paragraphs":[],"questions":[]}`, `wrong_type: a paragraph lacks its text, or the table is no list of rows of text [t]`},
		{"tatqa", `{"table":{"uid":"t","table":[["a"]]},"paragraphs":[],"questions":[{"question":"q"}]}`, `missing_field: no field "questions[].answer" [t]`},
		{"qasper", `{"id":"p","title":"T","abstract":"A","full_text":[{"section_name":"S"}],"qas":[]}`, `wrong_type: field "full_text" is a list, not a list of sections with their paragraphs [p]`},
		{"qasper", `{"id":"p","title":"T","abstract":"A","full_text":[],"qas":[{"question":"q","answers":[]}]}`, `empty_answer: no answer that is not empty [p]`},
		{"musique", `{"id":"m","paragraphs":[{"title":"T","paragraph_text":"a"}],"question":"q","question_decomposition":[],"answer":"x","answerable":false}`, `empty_answer: the question is marked as one that the paragraphs do not answer [m]`},
		{"frames", `{"Prompt":"q","Answer":"a","reasoning_types":"t","wiki_links":"[]"}`, `missing_field: no field "context" []`},
		{"longbench", `{"_id":"l","input":"","context":"c","answers":["a"],"dataset":"gov_report"}`, `empty_question: the question is empty [l]`},
		{"trainer", `{"prompt":"q","label":null}`, `missing_field: no field "answer" []`},
		{"trainer", `{"prompt":"q","completion":[{"role":"user","content":"r"}]}`, `unknown_message: the completion is not one turn of the assistant []`},
	} {
		check(t, parse(t, test.family, Options{}, test.record), nil, test.reject)
	}
}

func TestAPythonLiteralBecomesJSON(t *testing.T) {
	for literal, want := range map[string]string{
		`[{'Q': 'a "b"', "A": "it's", 'n': None, 't': (1, -2.5, 1.), 'x': True, }, ]`: `[{"Q":"a \"b\"","A":"it's","n":null,"t":[1,-2.5,1],"x":true}]`,
		`'\n\x41\u00e9\U0001F600\q' 'b'`:                                              `"\nAé😀\\qb"`,
		`[]`:                                                                          `[]`, `{}`: `{}`, ` 1e3 `: `1e3`,
	} {
		if got, ok := pyLiteral(nil, literal); !ok || string(got) != want {
			t.Errorf("%s: got %s, %v; want %s", literal, got, ok, want)
		}
	}
	for _, literal := range []string{``, `[`, `[1`, `{'a'}`, `{'a': }`, `'a`, "'a\nb'", `[1 2]`, `x`, `'\x4'`, `'\ud800'`, `1 2`, `__import__('os')`, `--1`} {
		if got, ok := pyLiteral(nil, literal); ok {
			t.Errorf("%s: got %s", literal, got)
		}
	}
}

func FuzzPublishedSets(f *testing.F) {
	for _, set := range sets {
		f.Add([]byte(set.record))
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		for _, family := range Families {
			c := parse(t, family.Name, Options{}, string(record))
			if len(c.samples)+len(c.rejects) == 0 {
				t.Errorf("%s: %q is not accounted for", family.Name, record)
			}
			for _, s := range c.samples {
				for _, text := range []string{s.Messages, s.Meta} {
					if text != "" && !json.Valid([]byte(text)) {
						t.Errorf("%s: %q: not JSON: %q", family.Name, record, text)
					}
				}
			}
		}
	})
}

func FuzzPythonLiterals(f *testing.F) {
	f.Add(`[{'Q': 'a "b"', "A": "it's", 'n': None, 't': (1, -2.5, 1.)}, '\u00e9']`)
	f.Fuzz(func(t *testing.T, literal string) {
		if got, ok := pyLiteral(nil, literal); ok && !json.Valid(got) {
			t.Errorf("%q gives %q", literal, got)
		}
	})
}

func TestEveryPublishedSetHasAnExample(t *testing.T) {
	tested := map[string]bool{"jsonl": true, "verl": true, "qmsum": true, "hotpotqa": true, "multihop": true}
	for _, set := range sets {
		tested[set.family] = true
	}
	var missing []string
	for _, name := range Names() {
		if !tested[name] {
			missing = append(missing, name)
		}
	}
	if diff := cmp.Diff([]string(nil), missing); diff != "" {
		t.Error(diff)
	}
}
