package eval

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
	"github.com/longctx/pipeline/sample/stream/streamtest"
	"github.com/longctx/pipeline/tokenize/bpe"
	"github.com/longctx/pipeline/tokenize/template"
	"github.com/longctx/pipeline/train/reward"
	"github.com/longctx/pipeline/train/reward/endpoint"
	"github.com/longctx/pipeline/train/reward/llmtest"
)

// newRun prepares an evaluation of a small dataset in memory, of which the policy is a server
// without a network.
func newRun(t *testing.T, s *llmtest.Server) *Run {
	t.Helper()
	fsys := faultfs.New()
	m, _ := streamtest.Dataset(t, fsys, streamtest.Spec{Phases: []int{7, 5}, Seed: 1})
	return runOf(t, s, fsys, m, faultfs.New())
}

func runOf(t *testing.T, s *llmtest.Server, in dataset.FS, m *dataset.Manifest, out dataset.FS) *Run {
	t.Helper()
	samples, err := Select(t.Context(), in, m, Selection{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	prompt, err := template.ParsePrompt("", "")
	if err != nil {
		t.Fatal(err)
	}
	tok, err := bpe.Named("bytes")
	if err != nil {
		t.Fatal(err)
	}
	client, err := endpoint.New(endpoint.Options{
		BaseURL: "http://test/v1", Model: "m", HTTPClient: s.HTTPClient(),
		// Real time, and little of it: the codecs of the dataset share goroutines, which no bubble of synctest can.
		Timeout: 200 * time.Millisecond, MaxBackoff: time.Millisecond, Retries: 6, Jitter: func() float64 { return 0 },
	})
	if err != nil {
		t.Fatal(err)
	}
	return &Run{
		Config: Config{
			DatasetID: m.ID, Model: "m", API: APIChat, N: 4, PerRequest: 1, Temperature: 0.7, TopP: 0.95, MaxTokens: 100, Truncate: TruncateNone, Seed: 5,
		},
		Dataset: in, Manifest: m, Samples: samples, Output: out, Template: prompt, Tokenizer: tok, Policy: client, Concurrency: 3,
		Log: openLog(t, out),
	}
}

// again is the run of another process that goes on.
func (r *Run) again(t *testing.T) *Run {
	t.Helper()
	c := *r
	c.Log.Close()
	c.Log = openLog(t, r.Output)
	return &c
}

// rules finds every response that holds "right" right, and cannot say of "unknown".
type rules struct{}

func (rules) Grade(_ context.Context, r reward.Request) (reward.Verdict, error) {
	switch {
	case strings.Contains(r.Response, "unknown"):
		return reward.Verdict{Rule: reward.Known(0), Reason: reward.JudgeFailed}, nil
	case strings.Contains(r.Response, "right"):
		return reward.Verdict{Reward: reward.Known(1), Rule: reward.Known(1), Answer: "right", Reason: reward.Exact}, nil
	}
	return reward.Verdict{Reward: reward.Known(0), Rule: reward.Known(0), Reason: reward.Different}, nil
}
