package source

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/longctx/pipeline/dataset"
)

// A collector keeps what a parser makes.
type collector struct {
	samples []dataset.Sample
	rejects []string
}

func (c *collector) Sample(s *dataset.Sample, _ dataset.Notes) {
	kept := *s
	for _, f := range []*string{&kept.SourceID, &kept.DataSource, &kept.Question, &kept.Context, &kept.Response, &kept.Messages, &kept.Meta} {
		*f = strings.Clone(*f)
	}
	kept.Answers = nil
	for _, a := range s.Answers {
		kept.Answers = append(kept.Answers, strings.Clone(a))
	}
	c.samples = append(c.samples, kept)
}

func (c *collector) Reject(sourceID string, p *Problem) {
	c.rejects = append(c.rejects, fmt.Sprintf("%s [%s]", p, sourceID))
}

func parse(t testing.TB, family string, o Options, record string) collector {
	t.Helper()
	var c collector
	p, err := NewParser(family, o, &c)
	if err != nil {
		t.Fatal(err)
	}
	p.Parse([]byte(record), false)
	return c
}

// check compares samples (but for their hashes) and rejects.
func check(t *testing.T, got collector, samples []dataset.Sample, rejects ...string) {
	t.Helper()
	if diff := cmp.Diff(samples, got.samples, cmpopts.IgnoreFields(dataset.Sample{}, "ID"), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(rejects, got.rejects, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

func TestGenericRecordsInTheirOwnFields(t *testing.T) {
	for _, test := range []struct {
		name, record string
		want         dataset.Sample
	}{
		{
			"all fields", `{"id":"a","context":"c\n\"d\"","question":"q é","answer":"x","data_source":"docmath","meta":{ "b" : [1, "\u0041"] }}`,
			dataset.Sample{SourceID: "a", Context: "c\n\"d\"", Question: "q é", Answers: []string{"x"}, DataSource: "docmath", Meta: `{"b":[1,"A"]}`},
		},
		{
			"numbers keep their spelling", `{"id":12,"context":"c","question":"q","answer":1.50}`,
			dataset.Sample{SourceID: "12", Context: "c", Question: "q", Answers: []string{"1.50"}},
		},
		{
			"many answers, the main one first, each once", `{"context":"c","question":"q","answers":["b","a",true," ",1],"answer":"a"}`,
			dataset.Sample{Context: "c", Question: "q", Answers: []string{"a", "b", "true", "1"}},
		},
		{
			"SFT with a document", `{"context":"c","question":"q","response":"r"}`,
			dataset.Sample{Context: "c", Question: "q", Response: "r"},
		},
		{
			"escapes", `{"context":"\u00e9\ud83d\ude00\\n\/\t\b\f\r","question":"q","answer":"x"}`,
			dataset.Sample{Context: "é😀\\n/\t\b\f\r", Question: "q", Answers: []string{"x"}},
		},
		{
			"paragraphs as texts", `{"context":["a","b"],"question":"q","answer":"x"}`,
			dataset.Sample{Context: "a\n\nb", Question: "q", Answers: []string{"x"}},
		},
		{
			"paragraphs with titles", `{"context":[{"title":"A","text":"a"},{"title":"","paragraph_text":"b"},{"title":"C","sentences":["c.","d.","e."]}],"question":"q","answer":"x"}`,
			dataset.Sample{Context: "A\na\n\nb\n\nC\nc. d. e.", Question: "q", Answers: []string{"x"}},
		},
		{
			"paragraphs in parallel lists", `{"context":{"title":["A","B"],"sentences":[["a."],["b."," c."]]},"question":"q","answer":"x"}`,
			dataset.Sample{Context: "A\na.\n\nB\nb. c.", Question: "q", Answers: []string{"x"}},
		},
		{
			"paragraphs as pairs", `{"context":[["A",["a."]],["B",["b."," c."]]],"question":"q","answer":"x"}`,
			dataset.Sample{Context: "A\na.\n\nB\nb. c.", Question: "q", Answers: []string{"x"}},
		},
		{
			"sentences that bring their spaces, written in any way", `{"context":[{"text":["Il part. ","\u00c9cole."]},{"text":["a.","\u0020b.","\n"]},{"text":["(Road)."," It","'s."]}],"question":"q","answer":"x"}`,
			dataset.Sample{Context: "Il part. École.\n\na. b.\n\n\n(Road). It's.", Question: "q", Answers: []string{"x"}},
		},
		{
			"sentences without spaces, written in any way", `{"context":[{"text":["a.","\u00c9."]},{"text":["a.","É."]}],"question":"q","answer":"x"}`,
			dataset.Sample{Context: "a. É.\n\na. É.", Question: "q", Answers: []string{"x"}},
		},
		{
			"SFT chat", `{"messages":[{"role":"system","content":"s"},{"content":"q","role":"user"},{"role":"assistant","content":"r"}]}`,
			dataset.Sample{Question: "q", Response: "r", Messages: `[{"role":"system","content":"s"},{"role":"user","content":"q"}]`},
		},
		{
			"SFT chat as ShareGPT has it", `{"id":1,"conversations":[{"from":"human","value":"q"},{"from":"gpt","value":"r"}]}`,
			dataset.Sample{SourceID: "1", Question: "q", Response: "r", Messages: `[{"role":"user","content":"q"}]`},
		},
		{
			"RL chat", `{"messages":[{"role":"user","content":"p"},{"role":"assistant","content":"o"},{"role":"user","content":"q"}],"reward_model":{"ground_truth":[4,"four"]}}`,
			dataset.Sample{Question: "q", Answers: []string{"4", "four"}, Messages: `[{"role":"user","content":"p"},{"role":"assistant","content":"o"},{"role":"user","content":"q"}]`},
		},
		{
			"turns that carry more keep it", `{"messages":[{"role":"human","content":"q","name":"n\u0041"},{"role":"assistant","content":"a","weight":0},{"role":"user","content":"p","tool_calls":null},{"role":"model","content":"r"}]}`,
			dataset.Sample{Response: "r", Question: "p", Messages: `[{"role":"user","content":"q","name":"nA"},{"role":"assistant","content":"a","weight":0},{"role":"user","content":"p","tool_calls":null}]`},
		},
		{
			"nulls among the answers", `{"context":"c","question":"q","answers":["a",null]}`,
			dataset.Sample{Context: "c", Question: "q", Answers: []string{"a"}},
		},
		{
			"other words for the roles", `{"conversations":[{"from":"human","value":"q"},{"from":"chatgpt","value":"a"},{"from":"human","value":"p"},{"from":"bot","value":"r"}]}`,
			dataset.Sample{Question: "p", Response: "r", Messages: `[{"role":"user","content":"q"},{"role":"assistant","content":"a"},{"role":"user","content":"p"}]`},
		},
		{
			"a chat in whose set others have tools", `{"context":" ","tools":"[]","functions":null,"messages":[{"role":"user","content":"q","tool_calls":[],"function_call":{"name":null,"arguments":""}}],"answer":1}`,
			dataset.Sample{Question: "q", Answers: []string{"1"}, Messages: `[{"role":"user","content":"q","tool_calls":[],"function_call":{"name":null,"arguments":""}}]`},
		},
		{
			"text parts are joined", `{"messages":[{"role":"user","content":[{"type":"text","text":"a "},{"type":"text","text":"b"}]}],"ground_truth":"x"}`,
			dataset.Sample{Question: "a b", Answers: []string{"x"}, Messages: `[{"role":"user","content":"a b"}]`},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			check(t, parse(t, "jsonl", Options{}, test.record), []dataset.Sample{test.want})
		})
	}
}

func TestAChatOfWhichSomethingWouldBeLostIsRefused(t *testing.T) {
	const turns = `[{"role":"user","content":"q"},{"role":"assistant","content":"r"}]`
	for record, reject := range map[string]string{
		`{"id":1,"messages":` + turns + `,"tools":[{"name":"f"}]}`:                                                               `unknown_message: the chat has "tools" beside it, and tools are not known yet [1]`,
		`{"messages":` + turns + `,"tools":"[{\"name\":\"f\"}]"}`:                                                                `unknown_message: the chat has "tools" beside it, and tools are not known yet []`,
		`{"messages":` + turns + `,"functions":{"f":1}}`:                                                                         `unknown_message: the chat has "functions" beside it, and tools are not known yet []`,
		`{"messages":` + turns + `,"context":["d"]}`:                                                                             `unknown_message: a chat is used as it is, and this record has a context beside it; put it into a turn []`,
		`{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":null,"tool_calls":[{"id":1}]}]}`:               `unknown_message: turn 2 has "tool_calls", and tools are not known yet []`,
		`{"messages":[{"role":"assistant","content":"","function_call":{"name":"f"}}]}`:                                          `unknown_message: turn 1 has "function_call", and tools are not known yet []`,
		`{"conversations":[{"from":"human","value":"q"},{"from":"observation","value":"o"},{"from":"gpt","value":"r"}]}`:         `unknown_message: turn 2 has the role "observation"; roles are system, developer, user, assistant []`,
		`{"messages":[{"role":"user","content":"q"},{"role":"tool","content":"t"},{"role":"assistant","content":"r"}]}`:          `unknown_message: turn 2 has the role "tool"; roles are system, developer, user, assistant []`,
		`{"prompt":` + turns + `,"reward_model":{"ground_truth":1},"tools":[1]}`:                                                 `unknown_message: the chat has "tools" beside it, and tools are not known yet []`,
		`{"prompt":[{"role":"tool","content":"t"}],"reward_model":{"ground_truth":1},"agent_name":"a","extra_info":{"index":3}}`: `unknown_message: turn 1 has the role "tool"; roles are system, developer, user, assistant [3]`,
	} {
		family := "jsonl"
		if strings.HasPrefix(record, `{"prompt"`) {
			family = "verl"
		}
		check(t, parse(t, family, Options{}, record), nil, reject)
	}
	check(t, parse(t, "jsonl", Options{Map: map[string]string{"context": "doc"}}, `{"messages":`+turns+`,"doc":"d"}`), nil,
		"unknown_message: a chat is used as it is, and this record has a doc beside it; put it into a turn []")
	check(t, parse(t, "verl", Options{}, `{"prompt":[{"role":"user","content":"q"}],"reward_model":{"ground_truth":1},"ability":"math","agent_name":"a","context":"c","extra_info":{"tools_kwargs":{"f":1}}}`), []dataset.Sample{
		{Question: "q", Answers: []string{"1"}, Messages: `[{"role":"user","content":"q"}]`, Meta: `{"tools_kwargs":{"f":1}}`},
	})
}

func TestAMapNamesOtherFields(t *testing.T) {
	o := Options{DataSource: "mine", Map: map[string]string{
		"question": "query", "context": "document.parts.text", "answer": "labels.0.value", "id": "key", "meta": "info",
	}}
	record := `{"key":3,"query":"q","document":{"parts":[{"text":"a"},{"text":"b"}]},"labels":[{"value":"x"},{"value":"y"}],"info":null}`
	check(t, parse(t, "jsonl", o, record), []dataset.Sample{
		{SourceID: "3", Question: "q", Context: "a\n\nb", Answers: []string{"x"}, DataSource: "mine"},
	})
	check(t, parse(t, "jsonl", o, `{"query":"q","document":{"text":"a"},"labels":[]}`), nil, `missing_field: no field "labels.0.value" []`)
}

func TestManyQuestionsShareTheirDocument(t *testing.T) {
	record := `{"id":"d","context":"c","data_source":"s","meta":1,"questions":[
		{"question":"a","answer":"x"},{"id":7,"question":"b","answers":["y"],"meta":[2]},{"question":"","answer":"z"},"text",{"question":"e"},5,{"question":"f","response":"r"}]}`
	got := parse(t, "jsonl", Options{}, strings.ReplaceAll(record, "\n\t\t", ""))
	check(t, got, []dataset.Sample{
		{SourceID: "d", Context: "c", DataSource: "s", Question: "a", Answers: []string{"x"}, Meta: "1"},
		{SourceID: "7", Context: "c", DataSource: "s", Question: "b", Answers: []string{"y"}, Meta: "[2]"},
		{SourceID: "d", Context: "c", DataSource: "s", Question: "f", Response: "r", Meta: "1"},
	},
		"empty_question: the question is empty [d]",
		`missing_field: no field "answers" [d]`,
		`missing_field: no field "answer" [d]`,
		`wrong_type: field "questions[]" is a number, not text or an object [d]`,
	)
	if got.samples[0].ID == got.samples[1].ID || len(got.samples[0].ID) != 32 {
		t.Errorf("ids %q, %q", got.samples[0].ID, got.samples[1].ID)
	}

	check(t, parse(t, "jsonl", Options{}, `{"context":"c","qas":["a","b"],"answers":["x",["y",2]]}`), []dataset.Sample{
		{Context: "c", Question: "a", Answers: []string{"x"}},
		{Context: "c", Question: "b", Answers: []string{"y", "2"}},
	})
	check(t, parse(t, "jsonl", Options{}, `{"context":"c","questions":["a","b"],"answers":["x"]}`), nil,
		`wrong_type: 2 entries in "questions", but 1 in "answers" []`)
	check(t, parse(t, "jsonl", Options{Map: map[string]string{"questions": "items.list", "question": "q", "answer": "a.0", "context": "doc"}},
		`{"doc":"c","items":{"list":[{"q":"a","a":["x"]},{"q":"b","a":["y"]}]}}`), []dataset.Sample{
		{Context: "c", Question: "a", Answers: []string{"x"}},
		{Context: "c", Question: "b", Answers: []string{"y"}},
	})
	check(t, parse(t, "jsonl", Options{}, `{"context":"","questions":["a","b"],"answers":["x","y"]}`), nil, "empty_context: the context is empty []")
}

func TestQMSumGivesASamplePerQuery(t *testing.T) {
	record := `{"general_query_list":[{"query":"g","answer":"x"}],"specific_query_list":[{"query":"s","answer":"y","relevant_text_span":[["1", "2"]]},{"query":"","answer":"z"},{"query":"t"}],
		"meeting_transcripts":[{"speaker":"A","content":"hello"},{"speaker":"B","content":"\"bye\""}]}`
	check(t, parse(t, "qmsum", Options{}, record), []dataset.Sample{
		{Context: "A: hello\nB: \"bye\"", DataSource: "qmsum", Question: "g", Answers: []string{"x"}, Meta: `{"query_kind":"general"}`},
		{Context: "A: hello\nB: \"bye\"", DataSource: "qmsum", Question: "s", Answers: []string{"y"}, Meta: `{"query_kind":"specific","relevant_text_span":[["1","2"]]}`},
	}, "empty_question: the question is empty []", `missing_field: no field "answer" []`)
	for record, reject := range map[string]string{
		`{"specific_query_list":[{}]}`:                                                      `missing_field: no field "meeting_transcripts" []`,
		`{"meeting_transcripts":"A: hello"}`:                                                `wrong_type: field "meeting_transcripts" is a string, not a list []`,
		`{"meeting_transcripts":[{"speaker":"A"}],"specific_query_list":[{}]}`:              `wrong_type: a turn of "meeting_transcripts" lacks the text of speaker or content []`,
		`{"meeting_transcripts":[]}`:                                                        `missing_field: the meeting has no queries []`,
		`{"id":"m","meeting_transcripts":[],"specific_query_list":[1]}`:                     `empty_context: the context is empty [m]`,
		`{"meeting_transcripts":[],"specific_query_list":{}}`:                               `wrong_type: field "specific_query_list" is an object, not a list []`,
		`{"meeting_transcripts":[{"speaker":"A","content":"b"}],"specific_query_list":[1]}`: `wrong_type: field "query" is a number, not an object []`,
	} {
		check(t, parse(t, "qmsum", Options{}, record), nil, reject)
	}
}

func TestHotpotQAAndMultihopKeepTitles(t *testing.T) {
	check(t, parse(t, "hotpotqa", Options{}, `{"_id":"h","question":"q","answer":"x","level":"hard","context":[["T",["a."," b."]]],"supporting_facts":[["T", 0]]}`), []dataset.Sample{
		{SourceID: "h", DataSource: "hotpotqa", Question: "q", Answers: []string{"x"}, Context: "T\na. b.", Meta: `{"level":"hard","supporting_facts":[["T",0]]}`},
	})
	check(t, parse(t, "multihop", Options{DataSource: "musique"}, `{"id":"m","question":"q","answer":[1862,"b"],"paragraphs":[{"title":"T","text":"a"},{"title":"U","text":"b"}]}`), []dataset.Sample{
		{SourceID: "m", DataSource: "musique", Question: "q", Answers: []string{"1862", "b"}, Context: "T\na\n\nU\nb"},
	})
	for record, reject := range map[string]string{
		`{"id":"m","question":"q","answer":["x"]}`:                          `missing_field: no field "paragraphs" [m]`,
		`{"id":"m","question":"q","answer":["x"],"paragraphs":[]}`:          `empty_context: the context is empty [m]`,
		`{"id":"m","question":"q","answer":["x"],"paragraphs":[1]}`:         `wrong_type: field "paragraphs" is a list, not text or a list of paragraphs [m]`,
		`{"id":"m","question":"q","paragraphs":["a"]}`:                      `missing_field: no field "answer" [m]`,
		`{"id":"m","answer":["x"],"paragraphs":["a"]}`:                      `missing_field: no field "question" [m]`,
		`{"id":[],"question":"q","answer":["x"],"paragraphs":["a"]}`:        `wrong_type: field "id" is a list, not text or a number []`,
		`{"id":"m","question":"q","answer":{"a":1},"paragraphs":["a"]}`:     `wrong_type: field "answer" is an object, not text, a number or a list of those [m]`,
		`{"id":"m","question":"q","answer":[""],"paragraphs":["a"]}`:        `empty_answer: no answer that is not empty [m]`,
		`{"id":"m","question":"q","answer":["x"],"paragraphs":[{"a":"b"}]}`: `wrong_type: field "paragraphs" is a list, not text or a list of paragraphs [m]`,
	} {
		check(t, parse(t, "multihop", Options{}, record), nil, reject)
	}
}

func TestVerlKeepsItsChat(t *testing.T) {
	check(t, parse(t, "verl", Options{}, `{"data_source":"gsm8k","prompt":[{"role":"user","content":"q"}],"reward_model":{"style":"rule","ground_truth":{"target":24,"numbers":[1, 2]}},"extra_info":{"index":5}}`), []dataset.Sample{
		{SourceID: "5", DataSource: "gsm8k", Question: "q", Answers: []string{`{"target":24,"numbers":[1,2]}`}, Messages: `[{"role":"user","content":"q"}]`, Meta: `{"index":5}`},
	})
	for record, reject := range map[string]string{
		`{"prompt":[{"role":"user","content":"q"}],"reward_model":{}}`:                                              `missing_field: no field "reward_model.ground_truth" []`,
		`{"reward_model":{"ground_truth":1},"extra_info":{"index":"i"}}`:                                            `missing_field: no field "prompt" [i]`,
		`{"prompt":"q","reward_model":{"ground_truth":1}}`:                                                          `wrong_type: field "prompt" is a string, not a list of turns []`,
		`{"prompt":[{"role":"user","content":""}],"reward_model":{"ground_truth":1}}`:                               `empty_question: the question is empty []`,
		`{"prompt":[{"role":"user","content":"q"}],"reward_model":{"ground_truth":""}}`:                             `empty_answer: no answer that is not empty []`,
		`{"prompt":[{"role":"user","content":[{"type":"image"}]}],"reward_model":{"ground_truth":1}}`:               `wrong_type: field "prompt[].content" is a list, not text []`,
		`{"prompt":[{"role":1,"content":"q"}],"reward_model":{"ground_truth":1}}`:                                   `wrong_type: field "prompt[].role" is a number, not text []`,
		`{"prompt":[{"role":"user","content":"q"}],"reward_model":{"ground_truth":1},"data_source":["a"]}`:          `wrong_type: field "data_source" is a list, not text or a number []`,
		`{"prompt":[{"role":"user","content":"q"}],"reward_model":{"ground_truth":1},"extra_info":{"index":[1,2]}}`: `wrong_type: field "extra_info.index" is a list, not text or a number []`,
	} {
		check(t, parse(t, "verl", Options{}, record), nil, reject)
	}
}

// seeds is a record of each family, and some that are bad.
var seeds = []string{
	`{"id":"a","context":"c","question":"q","answer":"x","meta":{"a":[1,true,null]}}`,
	`{"context":["a",{"title":"T","text":"b"}],"questions":[{"question":"q","answers":[1,"x"]},"r"],"answers":["x","y"]}`,
	`{"messages":[{"role":"user","content":"q\u0000"},{"from":"gpt","value":"r"}]}`,
	`{"general_query_list":[{"query":"g","answer":"x"}],"specific_query_list":[{"query":"s","answer":"y","relevant_text_span":[["1","2"]]}],"meeting_transcripts":[{"speaker":"A","content":"\ud83d\ude00"}]}`,
	`{"id":"h","question":"q","answer":"x","context":{"title":["T"],"sentences":[["a."," b."]]}}`,
	`{"id":"m","question":"q","answer":[1862],"paragraphs":[{"title":"T","text":"a"}]}`,
	`{"data_source":"d","prompt":[{"role":"user","content":"q"}],"reward_model":{"ground_truth":"1"},"extra_info":{"index":5}}`,
	`{"context":"\ud800"}`, "{\"a\":\"\xff\"}", `{"a":1,"a":2}`, `[[[[`, `{} {}`, "",
}

// fuzzFamily checks that a family accounts for every record and never panics.
func fuzzFamily(f *testing.F, family string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		c := parse(t, family, Options{}, string(record))
		if len(c.samples)+len(c.rejects) == 0 {
			t.Errorf("%q is not accounted for", record)
		}
		for _, s := range c.samples {
			for _, text := range []string{s.Messages, s.Meta} {
				if text != "" && !json.Valid([]byte(text)) {
					t.Errorf("%q: not JSON: %q", record, text)
				}
			}
			if s.Question == "" || s.ID == "" {
				t.Errorf("%q: empty sample", record)
			}
		}
	})
}

func FuzzGeneric(f *testing.F)  { fuzzFamily(f, "jsonl") }
func FuzzQMSum(f *testing.F)    { fuzzFamily(f, "qmsum") }
func FuzzHotpotQA(f *testing.F) { fuzzFamily(f, "hotpotqa") }
func FuzzMultihop(f *testing.F) { fuzzFamily(f, "multihop") }
func FuzzVerl(f *testing.F)     { fuzzFamily(f, "verl") }

// decode rebuilds a value from the cuts alone.
func decode(v Value) any {
	switch v.Kind() {
	case KindObject:
		m := map[string]any{}
		for name, f := range v.Fields() {
			m[name] = decode(f)
		}
		return m
	case KindList:
		list := []any{}
		for item := range v.Items() {
			list = append(list, decode(item))
		}
		return list
	case KindString:
		return new(scratch).unquote(v)
	case KindNumber:
		return json.Number(v)
	case KindBool:
		return v[0] == 't'
	}
	return nil
}

func FuzzCutsAgreeWithTheStandardLibrary(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		v, bad := NewChecker().Check(record, false)
		if bad != nil {
			return
		}
		d := json.NewDecoder(strings.NewReader(string(record)))
		d.UseNumber()
		var want any
		if err := d.Decode(&want); err != nil {
			t.Fatalf("%q: %v", record, err)
		}
		if diff := cmp.Diff(want, decode(v)); diff != "" {
			t.Errorf("%q: %s", record, diff)
		}
	})
}
