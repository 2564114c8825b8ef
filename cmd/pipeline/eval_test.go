package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/longctx/pipeline/train/reward/llmtest"
)

// program finds the binary under test, or builds it.
func program(t *testing.T) string {
	t.Helper()
	if exe, err := exec.LookPath("pipeline"); err == nil { // testscript puts this test binary there under that name
		return exe
	}
	return buildBinary(t)
}

// evalData makes a dataset of short questions whose answers the server below knows.
func evalData(t *testing.T, exe, dir string) {
	t.Helper()
	docs := ""
	for _, q := range []string{"1", "2", "3", "4", "5", "6"} {
		docs += `{"id":"` + q + `","context":"The number of box ` + q + ` is ` + q + `00.","question":"What is the number of box ` + q + `?","answer":"` + q + `00","data_source":"docmath"}` + "\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "docs.jsonl"), []byte(docs), 0o666); err != nil {
		t.Fatal(err)
	}
	pipeline(t, exe, "build", "--input", filepath.Join(dir, "docs.jsonl"), "--tokenizer", "bytes", "--phases", "4000", "--output", filepath.Join(dir, "data"))
}

// boxes knows the even boxes, and is right about box 1 half of the time.
func boxes(q llmtest.Request) llmtest.Reply {
	_, rest, _ := strings.Cut(q.Last(), "What is the number of box ")
	box := rest[:1]
	if strings.Contains("246", box) || box == "1" && *q.Seed%2 == 0 {
		return llmtest.Text("Hm.</think>Therefore, the answer is " + box + "00.")
	}
	return llmtest.Text("Hm.</think>Therefore, the answer is 7.")
}

type evalResult struct {
	Average struct {
		Samples, Responses, Missing, Null, Refused, Judge_only int64
		Avg                                                    struct{ Mean float64 } `json:"avg_at_n"`
	}
}

func readEval(t *testing.T, folder string) (r evalResult) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, "report.json"))
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// execute runs the program and wants an exit status of it.
func execute(t *testing.T, exe string, status int, args ...string) (output string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), exe, args...).CombinedOutput()
	got := 0
	if e, ok := err.(*exec.ExitError); ok {
		got = e.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if got != status {
		t.Fatalf("pipeline %q: status %d, want %d\n%s", args, got, status, out)
	}
	return string(out)
}

func TestEvalFromQuestionsToThePlan(t *testing.T) {
	exe, dir := program(t), t.TempDir()
	evalData(t, exe, dir)
	data, out, plan := filepath.Join(dir, "data"), filepath.Join(dir, "out"), filepath.Join(dir, "plan.parquet")
	policy := llmtest.New(boxes)
	judge := llmtest.New(func(llmtest.Request) llmtest.Reply { return llmtest.Text("They differ.\n[[NO]]") })
	ask := []string{"eval", data, "--endpoint", policy.URL(t), "--model", "boxes", "--n", "4", "--output", out}
	text := execute(t, exe, 0, append(ask, "--record", "--run", "start", "--judge", judge.URL(t), "--judge-model", "j")...)
	if !strings.Contains(text, `run "start" of the history: 6 samples new`) || !strings.Contains(text, "24 responses came") {
		t.Error(text)
	}
	if r := readEval(t, out); r.Average.Responses != 24 || r.Average.Null != 0 || r.Average.Avg.Mean < 0.5 || r.Average.Avg.Mean > 4.0/6 {
		t.Errorf("%+v", r)
	}
	if len(judge.Requests()) == 0 {
		t.Error("the judge was not asked")
	}

	// Again: nothing is asked, nothing changes.
	before := read(t, filepath.Join(out, "report.json"))
	n, m := len(policy.Requests()), len(judge.Requests())
	execute(t, exe, 0, append(ask, "--record", "--run", "start", "--judge", judge.URL(t), "--judge-model", "j")...)
	if len(policy.Requests()) != n || len(judge.Requests()) != m || !bytes.Equal(before, read(t, filepath.Join(out, "report.json"))) {
		t.Errorf("asked %d and %d more, or another report", len(policy.Requests())-n, len(judge.Requests())-m)
	}

	// The start policy's difficulty decides the plan: the boxes that it knows are solved.
	text = execute(t, exe, 0, "sample", data, "--phase", "1", "--source", "start", "--strategy", "zero_mean", "--output", plan)
	if !strings.Contains(text, "2") {
		t.Error(text)
	}
	text = execute(t, exe, 0, "--json", "sample", data, "--phase", "1", "--source", "start", "--strategy", "zero_mean", "--output", plan)
	var drawn struct{ Positions int64 }
	if err := json.Unmarshal([]byte(text), &drawn); err != nil || drawn.Positions < 2 || drawn.Positions > 3 {
		t.Errorf("%+v, %v: boxes 3 and 5 are never right, box 1 perhaps\n%s", drawn, err, text)
	}

	// Another scorer needs no server; another config is refused by name.
	execute(t, exe, 0, "eval", data, "--rescore", "--scorer", "qwenlong-l1", "--output", out)
	text = execute(t, exe, 2, append(ask, "--temperature", "1")...)
	if !strings.Contains(text, "temperature is 0.7, not 1") || !strings.Contains(text, "hint: ") {
		t.Error(text)
	}
}

func TestAnOutageIsAStatusAndTheSameCommandGoesOn(t *testing.T) {
	exe, dir := program(t), t.TempDir()
	evalData(t, exe, dir)
	data, out := filepath.Join(dir, "data"), filepath.Join(dir, "out")
	down := make(chan bool, 1)
	down <- true
	s := llmtest.New(func(q llmtest.Request) llmtest.Reply {
		sick := <-down
		down <- sick
		if sick && strings.Contains(q.Last(), "number of box 3?") {
			return llmtest.Reply{Reset: true}
		}
		return boxes(q)
	})
	ask := []string{"eval", data, "--endpoint", s.URL(t), "--model", "boxes", "--n", "2", "--retries", "0", "--output", out}
	text := execute(t, exe, 3, ask...)
	if !strings.Contains(text, "2 responses missing") || readEval(t, out).Average.Responses != 10 {
		t.Error(text)
	}
	<-down
	down <- false
	execute(t, exe, 0, ask...)
	if r := readEval(t, out); r.Average.Responses != 12 || r.Average.Missing != 0 {
		t.Errorf("%+v", r)
	}
	if n := len(s.Requests()); n != 14 {
		t.Errorf("%d requests for 12 responses, of which 2 failed once", n)
	}
	refuse := llmtest.New(func(llmtest.Request) llmtest.Reply { return llmtest.Fail(401) })
	text = execute(t, exe, 1, "eval", data, "--endpoint", refuse.URL(t), "--model", "boxes", "--output", filepath.Join(dir, "refused"))
	if !strings.Contains(text, "refuses every request") || !strings.Contains(text, "PIPELINE_API_KEY") {
		t.Error(text)
	}
}

// A real process is killed with SIGKILL at any response; the next ones ask for nothing that is
// in the folder.
func TestEvalKilledGoesOn(t *testing.T) {
	exe, dir := program(t), t.TempDir()
	evalData(t, exe, dir)
	out := filepath.Join(dir, "out")
	kill := make(chan context.CancelFunc, 1)
	s := llmtest.New(func(q llmtest.Request) llmtest.Reply {
		if q.Number%5 == 4 {
			select {
			case cancel := <-kill:
				cancel()
			default:
			}
		}
		return llmtest.Reply{Texts: boxes(q).Texts, Delay: 2 * time.Millisecond}
	})
	args := []string{"-q", "eval", filepath.Join(dir, "data"), "--endpoint", s.URL(t), "--model", "boxes", "--n", "4", "--concurrency", "2", "--output", out}
	kills, answered := 0, map[int64]bool{}
	for range 40 {
		before := len(s.Requests())
		ctx, cancel := context.WithCancel(t.Context())
		kill <- cancel
		err := exec.CommandContext(ctx, exe, args...).Run()
		select {
		case <-kill:
		default:
		}
		cancel()
		for _, q := range s.Requests()[before:] {
			if answered[*q.Seed] {
				t.Fatalf("seed %d is in the folder and asked again", *q.Seed)
			}
		}
		for _, seed := range seedsIn(t, out) {
			answered[seed] = true
		}
		if err == nil {
			break
		}
		kills++
	}
	if kills < 2 {
		t.Errorf("only %d kills met a running evaluation", kills)
	}
	if r := readEval(t, out); r.Average.Responses != 24 || r.Average.Missing != 0 || len(answered) != 24 {
		t.Errorf("%+v, %d answered", r, len(answered))
	}
}

// seedsIn returns the seeds of the responses in a folder.
func seedsIn(t *testing.T, folder string) (seeds []int64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "responses", "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		for line := range bytes.Lines(read(t, f)) {
			var e struct{ Seed int64 }
			if json.Unmarshal(line, &e) == nil {
				seeds = append(seeds, e.Seed)
			}
		}
	}
	return seeds
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
