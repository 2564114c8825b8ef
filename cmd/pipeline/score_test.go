package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/train/reward"
	"github.com/longctx/pipeline/train/reward/endpoint"
	"github.com/longctx/pipeline/train/reward/judge"
	"github.com/longctx/pipeline/train/reward/llmtest"
)

// judged is a run with a judge that answers as the function does.
func judged(t *testing.T, handle func(llmtest.Request) llmtest.Reply) *scoreRun {
	t.Helper()
	rules, err := reward.New(reward.Options{})
	if err != nil {
		t.Fatal(err)
	}
	client, err := endpoint.New(endpoint.Options{BaseURL: llmtest.New(handle).URL(t), Model: "m", Retries: -1, Breaker: -1})
	if err != nil {
		t.Fatal(err)
	}
	return &scoreRun{grader: judge.Grader{Rules: rules, Judge: judge.New(client, nil)}, source: "test", workers: 8, chunk: 1}
}

func scoreText(t *testing.T, s *scoreRun, in string) (string, scoreResult, error) {
	t.Helper()
	var out bytes.Buffer
	r, err := s.run(t.Context(), strings.NewReader(in), &out, func(badLine) error { return nil })
	return out.String(), r, err
}

func TestScoredLinesKeepTheirOrderWhateverTheWorkers(t *testing.T) {
	s := judged(t, func(r llmtest.Request) llmtest.Reply {
		if r.Number%3 == 0 {
			return llmtest.Fail(500)
		}
		return llmtest.Text("[[YES]]")
	})
	var in strings.Builder
	for i := range 300 {
		fmt.Fprintf(&in, "{\"id\":%d,\"data_source\":\"musique\",\"response\":\"the answer is city %d\",\"reference\":\"town\"}\n", i, i)
	}
	out, r, err := scoreText(t, s, in.String())
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for line := range strings.Lines(out) {
		var row struct {
			ID          int
			Reward      *float64
			RuleReward  *float64 `json:"rule_reward"`
			JudgeReward *float64 `json:"judge_reward"`
			Reason      string
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil || row.ID != i || *row.RuleReward != 0 {
			t.Fatalf("line %d: %s, %v", i, line, err)
		}
		if failed := row.Reason == "judge_failed"; failed != (row.Reward == nil) || failed != (row.JudgeReward == nil) {
			t.Errorf("line %d: %s", i, line)
		}
		i++
	}
	if i != 300 || r.Reasons[reward.JudgeFailed] != 100 || r.Reasons[reward.Judged] != 200 || r.Judge == nil {
		t.Errorf("%d lines, %+v", i, r)
	}
}

func TestFieldsOfTheInputAreKeptAsTheyAre(t *testing.T) {
	s := judged(t, nil)
	s.grader.Judge = nil
	in := `{"z":1.50,"reward":7,"response":"the answer is \u0041","a":{"b" : [1, "\u00e9"]},"answers":["B",1,true],"data_source":"long_toc_choices","answer":"old"}`
	want := `{"z":1.50,"response":"the answer is \u0041","a":{"b" : [1, "\u00e9"]},"answers":["B",1,true],"data_source":"long_toc_choices","reward":0,"rule_reward":0,"judge_reward":null,"answer":"A","reason":"different"}` + "\n"
	got, _, err := scoreText(t, s, in)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	again, _, err := scoreText(t, s, got)
	if diff := cmp.Diff(got, again); diff != "" || err != nil {
		t.Error("scored again:", diff, err)
	}
}

func TestBadLinesAreCountedWithTheirNumber(t *testing.T) {
	s := judged(t, nil)
	s.grader.Judge = nil
	good := `{"data_source":"musique","response":"the answer is x","reference":"x"}`
	for name, bad := range map[string]string{
		"torn": `{"response":"x`, "no object": `[1]`, "no response": `{"reference":"x"}`, "a number": `{"response":5}`, "two": good + good,
		"twice": `{"response":"x","response":"y"}`, "not UTF-8": "{\"response\":\"\xff\"}", "nested": `{"response":"x","answers":[["x"]]}`, "an object": `{"response":"x","reference":{}}`,
	} {
		out, r, err := scoreText(t, s, "\ufeff"+good+"\n\n"+bad+"\r\n"+good)
		if err != nil || strings.Count(out, "\n") != 2 || r.Bad != 1 || r.Lines != 3 || !strings.HasPrefix(r.FirstBad, "test, line 3: ") {
			t.Errorf("%s: %q %+v %v", name, out, r, err)
		}
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
func (failing) Read([]byte) (int, error)  { return 0, io.ErrNoProgress }

func TestScoreEndsWhereItCannotReadOrWriteOrIsStopped(t *testing.T) {
	s := judged(t, func(llmtest.Request) llmtest.Reply { return llmtest.Text("[[NO]]") })
	lines := strings.Repeat(`{"data_source":"musique","response":"the answer is x","reference":"y"}`+"\n", 1000)
	none := func(badLine) error { return nil }
	if _, err := s.run(t.Context(), strings.NewReader(lines), failing{}, none); !errors.Is(err, io.ErrShortWrite) {
		t.Error(err)
	}
	if _, err := s.run(t.Context(), io.MultiReader(strings.NewReader(lines), failing{}), io.Discard, none); !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.run(ctx, strings.NewReader(lines), io.Discard, none); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// BenchmarkScoreLines measures the verb without disks: parse, score, write.
func BenchmarkScoreLines(b *testing.B) {
	rules, err := reward.New(reward.Options{})
	if err != nil {
		b.Fatal(err)
	}
	s := &scoreRun{grader: judge.Grader{Rules: rules}, source: "test", workers: 2, chunk: scoreChunk}
	line := `{"id":"x","data_source":"musique","question":"Which?","response":"` + strings.Repeat("Some reasoning about the question. ", 60) + `</think>Therefore, the answer is Paris.","reference":"Paris"}` + "\n"
	in := strings.Repeat(line, 2000)
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if _, err := s.run(b.Context(), strings.NewReader(in), io.Discard, func(badLine) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(2000*b.N)/b.Elapsed().Seconds(), "responses/s")
}
