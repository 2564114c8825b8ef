package endpoint_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/train/reward/endpoint"
	"github.com/longctx/pipeline/train/reward/llmtest"
)

func TestTokenIDsAreSentAsTheyAre(t *testing.T) {
	s := llmtest.New(func(r llmtest.Request) llmtest.Reply {
		if r.Number == 0 {
			return llmtest.Fail(503)
		}
		return llmtest.Reply{Texts: []string{"a", "b"}, Finish: "length"}
	})
	o := options(s)
	o.MaxBackoff = 1
	seed := int64(7)
	reply, err := client(t, o).Complete(t.Context(), endpoint.Prompt{Tokens: []int64{5, 6, 7}, N: 2, MaxTokens: 9, TopP: 0.95, Seed: &seed})
	if err != nil {
		t.Fatal(err)
	}
	want := []endpoint.Completion{{Text: "a", FinishReason: "length"}, {Text: "b", FinishReason: "length"}}
	if d := cmp.Diff(want, reply.Completions); d != "" {
		t.Error(d)
	}
	r := s.Requests()[1]
	if r.Path != "/v1/completions" || cmp.Diff([]int64{5, 6, 7}, r.Prompt) != "" || *r.N != 2 || *r.MaxTokens != 9 || *r.Seed != 7 {
		t.Errorf("asked with %+v", r)
	}
}
