package learner

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/longctx/pipeline/train/policy"
)

// The shapes of the figures: a preset, and rows of one prompt with its responses.
var benchmarks = []struct {
	preset                           string
	vocab                            int
	rows, prompt, branches, response int
}{
	{"nano", 128, 64, 56, 8, 1},    // the demo: one-token answers
	{"micro", 128, 64, 48, 8, 2},   // 0.3 M parameters
	{"tiny", 1024, 32, 96, 4, 8},   // 1 M
	{"small", 2048, 8, 384, 4, 32}, // 5 M, 8 x 512
}

func benchmark(b *testing.B, o Objective) {
	backend := opened(b)
	for _, s := range benchmarks {
		length := s.prompt + s.branches*s.response
		b.Run(fmt.Sprintf("%s/%dx%d", s.preset, s.rows, length), func(b *testing.B) {
			c, err := policy.Preset(s.preset, s.vocab)
			if err != nil {
				b.Fatal(err)
			}
			l, err := New(backend, c, State{Weights: policy.Init(c, policy.InitOptions{Seed: 1})},
				Options{AdamW: DefaultAdamW(), Packing: Packing{MicroTokens: s.rows * length}})
			if err != nil {
				b.Fatal(err)
			}
			trees := benchTrees(s.rows, s.prompt, s.branches, s.response, s.vocab)
			step := func() {
				if _, err := l.Update(trees, o, 1e-3); err != nil {
					b.Fatal(err)
				}
			}
			step()
			for b.Loop() {
				step()
			}
			b.ReportMetric(float64(s.rows*length*b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}

func benchTrees(rows, prompt, branches, response, vocab int) []Tree {
	rng := rand.New(rand.NewPCG(1, 1))
	draw := func(n int) []int32 {
		out := make([]int32, n)
		for i := range out {
			out[i] = int32(rng.IntN(vocab))
		}
		return out
	}
	trees := make([]Tree, rows)
	for i := range trees {
		trees[i].Prompt = draw(prompt)
		for j := range branches {
			trees[i].Branches = append(trees[i].Branches, Branch{Tokens: draw(response), Advantage: float32(j%2)*2 - 1})
		}
	}
	return trees
}

func BenchmarkSFT(b *testing.B) { benchmark(b, Objective{Kind: SFT}) }

func BenchmarkRL(b *testing.B) {
	benchmark(b, Objective{Kind: RL, ClipLow: 0.2, ClipHigh: 0.28})
}
