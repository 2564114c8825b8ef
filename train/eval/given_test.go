package eval

import (
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/dataset/faultfs"
	"github.com/longctx/pipeline/train/reward/llmtest"
)

func readGiven(t *testing.T, texts ...string) (out []*Rollout) {
	t.Helper()
	var files []io.Reader
	for _, text := range texts {
		files = append(files, strings.NewReader(text))
	}
	for r, err := range Given([]string{"a.jsonl", "b.jsonl"}, files) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

func TestGivenRolloutsAreReadUnderTheNamesOfOthers(t *testing.T) {
	got := readGiven(t, `{"sample_id":"s","data_source":"docmath","question":"q","answers":["1","2"],"response":"r","reward":1,"reason":"x"}
{"id":"s","output":"o","gts":"gold","step":20}

{"id":"s","output":"o2","reference":3.5,"step":20,"response_length":7,"stop_reason":"length"}
`, `{"id":"s","references":["x"],"response":"r2","step":20}`)
	seven := int32(7)
	want := []*Rollout{
		{SampleID: "s", DataSource: "docmath", Question: "q", Answers: []string{"1", "2"}, Response: "r"},
		{SampleID: "s", Answers: []string{"gold"}, Response: "o", Step: 20},
		{SampleID: "s", Answers: []string{"3.5"}, Response: "o2", Step: 20, Index: 1, ResponseLength: &seven, StopReason: "length"},
		{SampleID: "s", Answers: []string{"x"}, Response: "r2", Step: 20, Index: 2},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestASampleWithoutAnIDIsKnownByItsQuestion(t *testing.T) {
	got := readGiven(t, `{"question":"a","reference":"1","response":"x"}
{"question":"a","reference":"1","response":"y"}
{"question":"a","reference":"2","response":"y"}`)
	if got[0].SampleID != got[1].SampleID || got[1].SampleID == got[2].SampleID || got[1].Index != 1 {
		t.Errorf("%+v", got)
	}
}

func TestABrokenLineIsNamed(t *testing.T) {
	for _, err := range Given([]string{"a.jsonl"}, []io.Reader{strings.NewReader("{}\n{\"response\":")}) {
		if err != nil {
			if !strings.HasPrefix(err.Error(), "a.jsonl, line 2: ") {
				t.Error(err)
			}
			return
		}
	}
	t.Error("no error")
}

func TestGivenRolloutsTakeQuestionAndReferencesFromTheDataset(t *testing.T) {
	r := newRun(t, llmtest.New(right))
	id := r.Samples.List[0].ID
	n := 0
	for one, err := range r.Join(t.Context(), rolloutsOf(&Rollout{SampleID: id, Response: "r"}, &Rollout{SampleID: "other", Question: "own"})) {
		if err != nil {
			t.Fatal(err)
		}
		if one.SampleID == id && !strings.HasPrefix(one.Question, "question ") || one.SampleID == "other" && one.Question != "own" {
			t.Errorf("%+v", one)
		}
		n++
	}
	if n != 2 {
		t.Errorf("%d rollouts", n)
	}
}

func TestResultsByStep(t *testing.T) {
	var list []*Rollout
	for step, text := range map[int64]string{10: "wrong", 20: "right"} {
		for _, id := range []string{"a", "b"} {
			list = append(list, &Rollout{SampleID: id, DataSource: "d", Step: step, Response: text})
		}
	}
	out := faultfs.New()
	groups, _, err := ScoreGiven(t.Context(), out, rules{}, 2, rolloutsOf(list...), new(Progress))
	if err != nil {
		t.Fatal(err)
	}
	r := NewReport(groups, 0, Scoring{}, 1)
	if len(r.Steps) != 2 || r.Steps[0].Average.PassAt(1).Mean != 0 || r.Average.PassAt(1).Mean != 1 || len(groups.Last()) != 2 {
		t.Errorf("%+v", r.Steps)
	}
	if err := r.Write(out, groups); err != nil {
		t.Fatal(err)
	}
	back, err := ReadReport(out)
	printed := cmp.Comparer(func(a, b Value) bool { return a.Cell() == b.Cell() }) // the file has six digits
	if d := cmp.Diff(r, back, printed); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}
}

func TestNullsAreCountedAndLeftOut(t *testing.T) {
	out := faultfs.New()
	groups, _, err := ScoreGiven(t.Context(), out, rules{}, 2, rolloutsOf(
		&Rollout{SampleID: "a", Response: "right"}, &Rollout{SampleID: "a", Response: "unknown"}, &Rollout{SampleID: "a", Response: "wrong"},
	), new(Progress))
	if err != nil {
		t.Fatal(err)
	}
	r := NewReport(groups, 0, Scoring{}, 1)
	if r.Average.Null != 1 || r.Average.PassAt(1).Mean != 0.5 {
		t.Errorf("%+v", r.Average)
	}
	want := []Reason{{"different", 1, 0, "a"}, {"exact", 1, 0, "a"}, {"judge_failed", 1, 1, "a"}}
	if d := cmp.Diff(want, r.Reasons); d != "" {
		t.Error(d)
	}
}
