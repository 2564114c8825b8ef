package eval

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/train/reward/endpoint"
	"github.com/longctx/pipeline/train/reward/llmtest"
)

func right(llmtest.Request) llmtest.Reply { return llmtest.Text("the answer is right") }

func TestEverySampleGetsItsResponses(t *testing.T) {
	s := llmtest.New(right)
	r := newRun(t, s)
	var p Progress
	asked, err := r.Generate(t.Context(), &p)
	if err != nil || asked.New != 48 || p.Done.Load() != 48 || p.Total.Load() != 48 {
		t.Fatalf("%+v, %v; %d of %d", asked, err, p.Done.Load(), p.Total.Load())
	}
	seeds := map[int64]bool{}
	for _, q := range s.Requests() {
		seeds[*q.Seed] = true
		if *q.Temperature != 0.7 || *q.TopP != 0.95 || *q.MaxTokens != 100 || q.Model != "m" {
			t.Fatalf("asked with %+v", q)
		}
		if !strings.HasPrefix(q.Last(), "Please read the following text") || !strings.Contains(q.Last(), "question ") {
			t.Fatalf("prompt %q", q.Last())
		}
	}
	if len(seeds) != 48 {
		t.Errorf("48 responses have %d seeds", len(seeds))
	}
	groups, file, err := r.Score(t.Context(), rules{}, 3, &p)
	if err != nil || file.Path != RolloutsName || len(groups.List) != 12 {
		t.Fatalf("%+v, %v, %d groups", file, err, len(groups.List))
	}
	report := NewReport(groups, r.Config.N, Scoring{Scorer: "strict"}, 1)
	if report.Average.PassAt(1).Mean != 1 || report.Average.Lengths.Mean != 4 || len(report.Benchmarks) != 3 {
		t.Errorf("%+v", report.Average)
	}
	n := 0
	for one, err := range Rollouts(r.Output) {
		if err != nil || one.Index != n%4 || *one.Reward != 1 || one.Question == "" || one.Reason != "exact" {
			t.Fatalf("line %d: %+v, %v", n, one, err)
		}
		n++
	}
	if n != 48 {
		t.Errorf("%d lines", n)
	}
}

// A process that dies at any response is followed by one that asks for none of those that the
// folder has; the end is the same, byte for byte, as that of a run that was left alone.
func TestAResumeAsksNothingTwice(t *testing.T) {
	echo := func(q llmtest.Request) llmtest.Reply { return llmtest.Text(fmt.Sprint("right ", *q.Seed)) }
	whole := newRun(t, llmtest.New(echo))
	var p Progress
	if _, err := whole.Generate(t.Context(), &p); err != nil {
		t.Fatal(err)
	}
	_, want, err := whole.Score(t.Context(), rules{}, 2, &p)
	if err != nil {
		t.Fatal(err)
	}
	for stop := 1; stop < 48; stop += 6 {
		ctx, cancel := context.WithCancel(t.Context())
		s := llmtest.New(func(q llmtest.Request) llmtest.Reply {
			if q.Number == stop {
				cancel()
			}
			return echo(q)
		})
		r := newRun(t, s)
		if _, err := r.Generate(ctx, new(Progress)); !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped at %d: %v", stop, err)
		}
		there := map[int64]bool{}
		for _, sample := range r.Samples.List {
			for i := range r.Config.N {
				if e, ok, _ := r.Log.Get(sample.ID, i); ok {
					there[e.Seed] = true
				}
			}
		}
		before := len(s.Requests())
		r = r.again(t)
		var p Progress
		asked, err := r.Generate(t.Context(), &p)
		if err != nil || int(asked.New) != 48-len(there) || p.Resumed.Load() != int64(len(there)) {
			t.Fatalf("%+v, %v after %d", asked, err, len(there))
		}
		for _, q := range s.Requests()[before:] {
			if there[*q.Seed] {
				t.Fatalf("seed %d is asked again", *q.Seed)
			}
		}
		_, got, err := r.Score(t.Context(), rules{}, 2, &p)
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Fatalf("%v %s", err, d)
		}
	}
}

func TestFaultsOfTheServerCostNoResponse(t *testing.T) {
	faults := []llmtest.Reply{
		{Status: 429, Header: map[string][]string{"Retry-After": {"0"}}},
		llmtest.Fail(500), llmtest.Fail(503),
		{Reset: true},
		{Texts: []string{"never whole"}, Cut: true},
		{Body: "<html>"},
		{Body: `{"choices":[]}`},
		{Texts: []string{"late"}, Delay: time.Hour},
	}
	var mu sync.Mutex
	tries := map[int64]int{}
	r := newRun(t, llmtest.New(func(q llmtest.Request) llmtest.Reply {
		mu.Lock()
		defer mu.Unlock()
		tries[*q.Seed]++
		if tries[*q.Seed] <= 2 {
			return faults[q.Number%len(faults)]
		}
		return right(q)
	}))
	asked, err := r.Generate(t.Context(), new(Progress))
	if err != nil || asked.New != 48 || asked.Failed != 0 {
		t.Errorf("%+v, %v", asked, err)
	}
}

func TestAServerThatIsDownStopsTheRunAndKeepsWhatCame(t *testing.T) {
	s := llmtest.New(func(q llmtest.Request) llmtest.Reply {
		if q.Number < 10 {
			return right(q)
		}
		return llmtest.Fail(500)
	})
	r := newRun(t, s)
	asked, err := r.Generate(t.Context(), new(Progress))
	if !errors.Is(err, ErrDown) || asked.New != 10 || r.Log.Len() != 10 {
		t.Errorf("%+v, %v, %d in the log", asked, err, r.Log.Len())
	}
}

func TestOneRequestThatFailsIsMissingAndAskedByTheNextRun(t *testing.T) {
	var mu sync.Mutex
	sick, bad := true, int64(0)
	r := newRun(t, llmtest.New(func(q llmtest.Request) llmtest.Reply {
		mu.Lock()
		defer mu.Unlock()
		if q.Number == 5 {
			bad = *q.Seed
		}
		if sick && *q.Seed == bad {
			return llmtest.Fail(500)
		}
		return right(q)
	}))
	asked, err := r.Generate(t.Context(), new(Progress))
	if err != nil || asked.New != 47 || asked.Failed != 1 {
		t.Fatalf("%+v, %v", asked, err)
	}
	groups, _, err := r.Score(t.Context(), rules{}, 1, new(Progress))
	if err != nil {
		t.Fatal(err)
	}
	if report := NewReport(groups, 4, Scoring{}, 1); report.Average.Missing != 1 || report.Average.Responses != 47 {
		t.Errorf("%+v", report.Average)
	}
	mu.Lock()
	sick = false
	mu.Unlock()
	if asked, err := r.again(t).Generate(t.Context(), new(Progress)); err != nil || asked.New != 1 {
		t.Errorf("%+v, %v", asked, err)
	}
}

func TestAServerThatRefusesEverythingIsNotAskedForEverySample(t *testing.T) {
	s := llmtest.New(func(llmtest.Request) llmtest.Reply { return llmtest.Fail(401) })
	r := newRun(t, s)
	_, err := r.Generate(t.Context(), new(Progress))
	if !errors.Is(err, ErrRefusedAll) || !strings.Contains(err.Error(), "401") || r.Log.Len() != 0 {
		t.Errorf("%v, %d in the log", err, r.Log.Len())
	}
	if n := len(s.Requests()); n > 20 {
		t.Errorf("%d requests", n)
	}
}

func TestASampleThatDoesNotFitIsRefusedOnce(t *testing.T) {
	long := "question 3 of phase 1"
	s := llmtest.New(func(q llmtest.Request) llmtest.Reply {
		if strings.Contains(q.Last(), long) {
			return llmtest.Reply{Status: 400, Code: "context_length_exceeded"}
		}
		return right(q)
	})
	r := newRun(t, s)
	r.Concurrency = 1
	var p Progress
	asked, err := r.Generate(t.Context(), &p)
	if err != nil || asked.Refused != 1 || asked.New != 44 || p.Done.Load()+p.Refused.Load() != 48 {
		t.Fatalf("%+v, %v, %d and %d", asked, err, p.Done.Load(), p.Refused.Load())
	}
	groups, _, err := r.Score(t.Context(), rules{}, 1, new(Progress))
	if err != nil {
		t.Fatal(err)
	}
	report := NewReport(groups, 4, Scoring{}, 1)
	if report.Average.Refused != 1 || report.Average.Missing != 0 || len(report.Refusals) != 1 || !strings.Contains(report.Refusals[0].Reason, "context") {
		t.Errorf("%+v, %+v", report.Average, report.Refusals)
	}
	before := len(s.Requests())
	if _, err := r.again(t).Generate(t.Context(), new(Progress)); err != nil || len(s.Requests()) != before {
		t.Errorf("%v, %d more requests", err, len(s.Requests())-before)
	}
}

func TestSeveralResponsesInOneRequest(t *testing.T) {
	s := llmtest.New(func(q llmtest.Request) llmtest.Reply { return llmtest.Reply{Texts: []string{"right", "wrong ", "x"}} })
	r := newRun(t, s)
	r.Config.PerRequest = 3
	asked, err := r.Generate(t.Context(), new(Progress))
	if err != nil || asked.New != 48 || len(s.Requests()) != 24 {
		t.Fatalf("%+v, %v, %d requests", asked, err, len(s.Requests()))
	}
	e, _, err := r.Log.Get(r.Samples.List[0].ID, 1)
	if err != nil || e.Response != "wrong " || e.Length != 6 { // counted by the dataset's tokenizer, which is bytes
		t.Errorf("%+v, %v", e, err)
	}
}

func TestPromptsOfTokenIDs(t *testing.T) {
	s := llmtest.New(right)
	r := newRun(t, s)
	r.Config.API, r.Config.N = APICompletions, 1
	r.Config.ContextLength, r.Config.Truncate = 130, TruncateMiddle // 30 for the prompt
	if _, err := r.Generate(t.Context(), new(Progress)); err != nil {
		t.Fatal(err)
	}
	cut := 0
	for i, q := range s.Requests() {
		if q.Path != "/v1/completions" || len(q.Prompt) == 0 || len(q.Prompt) > 30 {
			t.Fatalf("request %d: %s, %d ids", i, q.Path, len(q.Prompt))
		}
	}
	for _, sample := range r.Samples.List {
		e, _, err := r.Log.Get(sample.ID, 0)
		if err != nil || e.Truncated != (sample.PromptLength > 30) {
			t.Errorf("a prompt of %d: %+v, %v", sample.PromptLength, e, err)
		}
		if e.Truncated {
			cut++
		}
	}
	if cut == 0 {
		t.Error("no prompt was cut")
	}
}

func TestAnotherConfigIsRefusedByName(t *testing.T) {
	r := newRun(t, llmtest.New(right))
	if err := r.Config.Claim(r.Output); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Config){
		"n is 4, not 8":                   func(c *Config) { c.N = 8 },
		"temperature is 0.7, not 1":       func(c *Config) { c.Temperature = 1 },
		"phase is 0, not 2":               func(c *Config) { c.Selection.Phase = 2 },
		`model is "m", not "another"`:     func(c *Config) { c.Model = "another" },
		"context-length is 0, not 131072": func(c *Config) { c.ContextLength = 131072 },
	} {
		c := r.Config
		change(&c)
		err := c.Claim(r.Output)
		if !errors.Is(err, ErrDiffers) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if err := r.Config.Claim(r.Output); err != nil {
		t.Errorf("the same config: %v", err)
	}
}

func TestReasoningThatTheServerTookOutIsPutBack(t *testing.T) {
	for want, c := range map[string]endpoint.Completion{
		"plain":                                {Text: "plain", FinishReason: "stop"},
		"<think>\nhm\n</think>\n\nThe answer.": {Text: "The answer.", Reasoning: "hm", FinishReason: "stop"},
		"<think>\nendless":                     {Reasoning: "endless", FinishReason: "length"},
	} {
		if got := textOf(c); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
