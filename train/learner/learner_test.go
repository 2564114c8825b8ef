package learner

import (
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"

	"github.com/longctx/pipeline/train/policy"
	"github.com/longctx/pipeline/train/policy/backend"
)

func opened(t testing.TB) compute.Backend {
	t.Helper()
	b, err := backend.Open("go", backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b.Backend
}

func TestFirst(t *testing.T) {
	c, _ := policy.Preset("nano", 100)
	l, err := New(opened(t), c, State{Weights: policy.Init(c, policy.InitOptions{Seed: 1, EmbedStd: 0.3})}, Options{AdamW: DefaultAdamW(), Packing: Packing{MicroTokens: 4096}})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var trees []Tree
	for range 8 {
		tr := Tree{}
		for range 10 {
			tr.Prompt = append(tr.Prompt, int32(rng.IntN(100)))
		}
		tr.Branches = []Branch{{Tokens: []int32{1, 2, 3}}, {Tokens: []int32{4, 5}}}
		trees = append(trees, tr)
	}
	for range 10 {
		s, err := l.Update(trees, Objective{Kind: SFT}, 1e-3)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", s)
	}
}
