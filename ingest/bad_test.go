package ingest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/longctx/pipeline/dataset"
)

func TestABadRecordIsRejectedWithItsPlaceAndTheOthersAreKept(t *testing.T) {
	for _, test := range []struct {
		name, record string
		reason       dataset.Reason
		detail       string
	}{
		{"broken JSON", `{"context": oops}`, "invalid_json", "invalid character 'o' at start of value at byte 12 of the record"},
		{"a value that does not end", `{"context": "c`, "invalid_json", "the JSON value does not end"},
		{"two values", `{} {}`, "invalid_json", "more text after the JSON value, which ends at byte 2 of the record"},
		{"no object", `["c"]`, "wrong_type", "the record is a list, not an object"},
		{"a name twice", `{"context":"c","context":"d"}`, "invalid_json", `field "context" stands twice`},
		{"a name twice inside", `{"context":"c","meta":{"a":1,"a":2}}`, "invalid_json", `field "a" stands twice`},
		{"deep nesting", `{"meta":` + strings.Repeat("[", 150) + strings.Repeat("]", 150) + `}`, "invalid_json", "nested 151 deep; 100 is the limit"},
		{"very deep nesting", `{"meta":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, "invalid_json", "exceeded max depth at byte 10007 of the record"},
		{"invalid UTF-8", "{\"context\":\"\xff\"}", "invalid_utf8", "invalid UTF-8 at byte 12 of the record"},
		{"half a surrogate pair", `{"context":"\ud800 "}`, "invalid_utf8", "half a surrogate pair at byte 12 of the record"},
		{"a context of a wrong type", `{"context":7,"question":"q","answer":"x"}`, "wrong_type", `field "context" is a number, not text or a list of paragraphs`},
		{"a question of a wrong type", `{"context":"c","question":["q"],"answer":"x"}`, "wrong_type", `field "question" is a list, not text`},
		{"an answer of a wrong type", `{"context":"c","question":"q","answer":{"x":1}}`, "wrong_type", `field "answer" is an object, not text, a number or a list of those`},
		{"an answer in a list of a wrong type", `{"context":"c","question":"q","answers":["x",[]]}`, "wrong_type", `field "answers[]" is a list, not text or a number`},
		{"answers that are all null", `{"context":"c","question":"q","answers":[null,null]}`, "empty_answer", "no answer that is not empty"},
		{"an id of a wrong type", `{"id":{},"context":"c","question":"q","answer":"x"}`, "wrong_type", `field "id" is an object, not text or a number`},
		{"a response of a wrong type", `{"context":"c","question":"q","response":1}`, "wrong_type", `field "response" is a number, not text`},
		{"no context", `{"question":"q","answer":"x"}`, "missing_field", `no field "context"`},
		{"context null", `{"context":null,"question":"q","answer":"x"}`, "missing_field", `no field "context"`},
		{"no question", `{"context":"c","answer":"x"}`, "missing_field", `no field "question"`},
		{"no answer", `{"context":"c","question":"q"}`, "missing_field", `no field "answer"`},
		{"no questions in a list of them", `{"context":"c","questions":[]}`, "missing_field", `the list "questions" is empty`},
		{"an empty context", `{"context":" \n","question":"q","answer":"x"}`, "empty_context", "the context is empty"},
		{"an empty question", `{"context":"c","question":" ","answer":"x"}`, "empty_question", "the question is empty"},
		{"an empty answer", `{"context":"c","question":"q","answer":""}`, "empty_answer", "no answer that is not empty"},
		{"no answer in the list", `{"context":"c","question":"q","answers":[]}`, "empty_answer", "no answer that is not empty"},
		{"a chat of nothing", `{"messages":[],"answer":"x"}`, "empty_question", "the chat has no turns"},
		{"a chat that nobody answers", `{"messages":[{"role":"user","content":"q"}]}`, "missing_field", `no field "answer"`},
		{"a chat that ends with a tool", `{"messages":[{"role":"tool","content":"q"}],"answer":"x"}`, "unknown_message", `turn 1 has the role "tool"; roles are system, developer, user, assistant`},
		{"a chat that ends with its system turn", `{"messages":[{"role":"system","content":"q"}],"answer":"x"}`, "wrong_type", `the chat ends with a turn of "system"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := write(t, t.TempDir(), "docs.jsonl", []byte(good+"\n"+test.record+"\n"+good+"\n"))
			_, res := readAll(t, Options{Inputs: []Input{{Path: path}}})
			want := []dataset.Reject{{
				Stage: "ingest", Source: "docs.jsonl", Line: 2, Offset: int64(len(good)) + 1,
				Reason: test.reason, Detail: test.detail,
			}}
			if diff := cmp.Diff(want, res.Rejects, cmpopts.IgnoreFields(dataset.Reject{}, "Excerpt")); diff != "" {
				t.Error(diff)
			}
			if res.Counts != (Counts{Records: 3, In: 3, Kept: 2}) {
				t.Errorf("counts: %+v", res.Counts)
			}
		})
	}
}

func TestAnExcerptIsShortAndValid(t *testing.T) {
	path := write(t, t.TempDir(), "docs.jsonl", []byte("\xff\x00é"+strings.Repeat("é", 500)))
	_, res := readAll(t, Options{Inputs: []Input{{Path: path}}})
	if got, want := res.Rejects[0].Excerpt, "\ufffd\x00"+strings.Repeat("é", 118); got != want {
		t.Errorf("excerpt %q, want %q", got, want)
	}
}

func TestALastLineThatIsCutOffSaysSo(t *testing.T) {
	path := write(t, t.TempDir(), "docs.jsonl", []byte(good+"\n"+good[:20]))
	_, res := readAll(t, Options{Inputs: []Input{{Path: path}}})
	if r := res.Rejects; len(r) != 1 || r[0].Detail != "cut off at the end of the file" || r[0].Reason != dataset.ReasonInvalidJSON || r[0].Excerpt != good[:20] {
		t.Errorf("rejects: %+v", r)
	}
}

func TestBOMCarriageReturnsAndBlankLinesAreDropped(t *testing.T) {
	path := write(t, t.TempDir(), "docs.jsonl", []byte(bom+good+"\r\n\r\n  \n"+good+"\r\n"))
	_, res := readAll(t, Options{Inputs: []Input{{Path: path}}})
	want := []dataset.Place{{Line: 0, Offset: 3}, {Line: 3, Offset: int64(len(bom) + len(good) + 7)}}
	if diff := cmp.Diff(want, res.Places); diff != "" || len(res.Rejects) > 0 || res.Sums[0].Lines != 4 {
		t.Errorf("%s %+v, %d lines", diff, res.Rejects, res.Sums[0].Lines)
	}
}

func TestNULIsKeptAndNoted(t *testing.T) {
	for _, record := range []string{
		`{"context":"a\u0000b","question":"q","answer":"x"}`,
		`{"context":"c","question":"q\u0000","answer":"x"}`,
		`{"context":"c","question":"q","answer":"\u0000"}`,
		`{"messages":[{"role":"user","content":"q\u0000"},{"role":"assistant","content":"x"}]}`,
	} {
		_, res := readAll(t, Options{Inputs: []Input{{Path: write(t, t.TempDir(), "docs.jsonl", []byte(good+"\n"+record))}}})
		if len(res.Places) != 2 || res.Places[0].Notes != 0 || res.Places[1].Notes != dataset.NoteNUL {
			t.Errorf("%s: places %+v, rejects %+v", record, res.Places, res.Rejects)
		}
	}
}

func TestALineOverTheLimitIsSkippedToItsEnd(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 3*chunkBytes)
	for _, content := range []string{
		good + "\n" + string(long) + "\n" + good + "\n",
		good + "\n" + string(long), // no newline
		good + "\n" + string(long[:2000]) + "\n" + good,
		good + "\n" + string(long[:2000]),
	} {
		_, res := readAll(t, Options{Inputs: []Input{{Path: write(t, t.TempDir(), "docs.jsonl", []byte(content))}}, MaxRecord: 1000})
		n := len(strings.Split(content, "\n")[1])
		want := []dataset.Reject{{
			Stage: "ingest", Source: "docs.jsonl", Line: 2, Offset: 53, Reason: dataset.ReasonTooLarge,
			Detail:  fmt.Sprintf("the record has %d bytes; 1000 is the limit", n),
			Excerpt: string(long[:120]),
		}}
		if diff := cmp.Diff(want, res.Rejects); diff != "" {
			t.Error(diff)
		}
		if len(res.Samples) != strings.Count(content, good) || res.Sums[0].Bytes != int64(len(content)) {
			t.Errorf("%d samples, sum %+v", len(res.Samples), res.Sums[0])
		}
	}
}

func TestSamplesWithoutADocumentAreTakenOnRequest(t *testing.T) {
	path := write(t, t.TempDir(), "math.jsonl", []byte(`{"question":"1+1?","answer":2}`+"\n"+`{"context":"","question":"1+2?","answer":3}`))
	_, res := readAll(t, Options{Inputs: []Input{{Path: path}}, AllowNoContext: true})
	if len(res.Samples) != 2 || res.Samples[1].Answers[0] != "3" {
		t.Errorf("samples %+v, rejects %+v", res.Samples, res.Rejects)
	}
}
