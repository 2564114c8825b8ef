//go:build learn

package learner

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/longctx/pipeline/train/advantage"
	"github.com/longctx/pipeline/train/policy"
)

// The vocabulary of in-context lookup: a document of facts (key, value) among filler, a question
// about one of them.
const (
	ask = iota
	pad
	firstKey    = 2
	firstValue  = firstKey + 32
	firstFiller = firstValue + 32
	vocabulary  = firstFiller + 32
)

// document draws length tokens with the given number of facts; keys differ, values may not.
func document(rng *rand.Rand, length, facts int) (ids []int32, keys, values []int32) {
	for _, k := range rng.Perm(32)[:facts] {
		keys, values = append(keys, int32(firstKey+k)), append(values, int32(firstValue+rng.IntN(32)))
	}
	cuts := make([]int, facts+1) // fillers before each fact, and after the last
	for range length - 2*facts {
		cuts[rng.IntN(facts+1)]++
	}
	for i := range cuts {
		for range cuts[i] {
			ids = append(ids, int32(firstFiller+rng.IntN(32)))
		}
		if i < facts {
			ids = append(ids, keys[i], values[i])
		}
	}
	return ids, keys, values
}

// lesson is a document with a few questions and their answers.
func lesson(rng *rand.Rand, length, facts, questions int) Tree {
	ids, keys, values := document(rng, length, facts)
	t := Tree{Prompt: ids}
	for range questions {
		i := rng.IntN(facts)
		t.Branches = append(t.Branches, Branch{Tokens: []int32{ask, keys[i], values[i]}, Given: 2})
	}
	return t
}

// choices is a document and one question, with every value as a branch: their log probabilities
// are the policy's distribution over answers.
func choices(rng *rand.Rand, length, facts int) (Tree, int32) {
	ids, keys, values := document(rng, length, facts)
	i := rng.IntN(facts)
	t := Tree{Prompt: append(ids, ask, keys[i])}
	for v := range int32(32) {
		t.Branches = append(t.Branches, Branch{Tokens: []int32{firstValue + v}})
	}
	return t, values[i]
}

func between(rng *rand.Rand, low, high int) int { return low + rng.IntN(high-low+1) }

func pass1(t testing.TB, l *Learner, lengths, facts [2]int) float64 {
	rng := rand.New(rand.NewPCG(99, uint64(lengths[0])))
	var trees []Tree
	var want []int32
	for range 256 {
		tree, answer := choices(rng, between(rng, lengths[0], lengths[1]), between(rng, facts[0], facts[1]))
		trees, want = append(trees, tree), append(want, answer)
	}
	logprobs, err := l.Logprobs(trees, 1)
	if err != nil {
		t.Fatal(err)
	}
	right := 0.0
	for i, of := range logprobs {
		right += math.Exp(float64(of[want[i]-firstValue][0]))
	}
	return right / 256
}

func TestLookupIsLearnt(t *testing.T) {
	c, _ := policy.Preset("nano", vocabulary)
	l, err := New(opened(t), c, State{Weights: policy.Init(c, policy.InitOptions{Seed: 1, EmbedStd: 0.3})},
		Options{AdamW: DefaultAdamW(), Packing: Packing{MicroTokens: 8192}})
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	rng := rand.New(rand.NewPCG(7, 7))
	warm := Schedule{Peak: 3e-3, Warmup: 20}
	sft := func(lengths, facts [2]int, until float64, most int) {
		accuracy, tokens, from := 0.0, 0, time.Now()
		for i := range most {
			var trees []Tree
			for range 128 {
				trees = append(trees, lesson(rng, between(rng, lengths[0], lengths[1]), between(rng, facts[0], facts[1]), 3))
			}
			s, err := l.Update(trees, Objective{Kind: SFT}, warm.At(l.Step()))
			if err != nil {
				t.Fatal(err)
			}
			accuracy = 0.9*accuracy + 0.1*s.Accuracy
			tokens += s.Tokens
			if i%25 == 24 || accuracy > until {
				t.Logf("sft step %d: loss %.3f, accuracy %.3f, %.0f tokens/s, %.0f s", l.Step(), s.Loss, accuracy,
					float64(tokens)/time.Since(from).Seconds(), time.Since(begin).Seconds())
			}
			if accuracy > until {
				return
			}
		}
	}
	sft([2]int{18, 24}, [2]int{2, 4}, 0.75, 500)
	sft([2]int{32, 40}, [2]int{2, 6}, 0.65, 300)
	t.Logf("after warm-up: 64 tokens %.3f, 192 tokens %.3f, %.0f s", pass1(t, l, [2]int{64, 64}, [2]int{8, 8}), pass1(t, l, [2]int{192, 192}, [2]int{8, 16}), time.Since(begin).Seconds())

	rl := func(lengths, facts [2]int, steps int) {
		for i := range steps {
			var prompts []Tree
			var answers []int32
			for range 32 {
				tree, answer := choices(rng, between(rng, lengths[0], lengths[1]), between(rng, facts[0], facts[1]))
				prompts, answers = append(prompts, tree), append(answers, answer)
			}
			logprobs, err := l.Logprobs(prompts, 1)
			if err != nil {
				t.Fatal(err)
			}
			groups := make([]advantage.Group, 32)
			trees := make([]Tree, 32)
			reward := 0.0
			for p := range prompts {
				trees[p].Prompt = prompts[p].Prompt
				for range 8 {
					v := draw(rng, logprobs[p])
					r := 0.0
					if v == answers[p] {
						r = 1
					}
					reward += r / 256
					groups[p].Rollouts = append(groups[p].Rollouts, advantage.Rollout{Reward: r, Known: true})
					trees[p].Branches = append(trees[p].Branches, Branch{Tokens: []int32{v}})
				}
			}
			results, _ := advantage.Compute(groups, advantage.StdGroup)
			for p := range trees {
				for j := range trees[p].Branches {
					trees[p].Branches[j].Advantage = results[p].Advantages[j]
				}
			}
			s, err := l.Update(trees, Objective{Kind: RL, ClipLow: 0.2, ClipHigh: 0.28}, 1e-3)
			if err != nil {
				t.Fatal(err)
			}
			if i%20 == 19 {
				t.Logf("rl step %d: reward %.3f, entropy %.3f, gradient %.3f, %.0f s", i+1, reward, s.Entropy, s.GradientNorm, time.Since(begin).Seconds())
			}
		}
	}
	rl([2]int{64, 64}, [2]int{8, 8}, 100)
	t.Logf("after phase 1: 64 tokens %.3f, 192 tokens %.3f, %.0f s", pass1(t, l, [2]int{64, 64}, [2]int{8, 8}), pass1(t, l, [2]int{192, 192}, [2]int{8, 16}), time.Since(begin).Seconds())
	rl([2]int{192, 192}, [2]int{8, 16}, 60)
	t.Logf("after phase 2: 64 tokens %.3f, 192 tokens %.3f, %.0f s", pass1(t, l, [2]int{64, 64}, [2]int{8, 8}), pass1(t, l, [2]int{192, 192}, [2]int{8, 16}), time.Since(begin).Seconds())
}

// draw samples a value from its log probabilities; what they lack to 1 goes to the last.
func draw(rng *rand.Rand, logprobs [][]float32) int32 {
	u := rng.Float64()
	for v := range logprobs {
		if u -= math.Exp(float64(logprobs[v][0])); u < 0 {
			return int32(firstValue + v)
		}
	}
	return firstValue + 31
}
