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
	ask         = 0
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

func between(rng *rand.Rand, r [2]int) int { return r[0] + rng.IntN(r[1]-r[0]+1) }

func (s *school) pass1(lengths, facts [2]int) float64 {
	rng := rand.New(rand.NewPCG(99, uint64(lengths[0])))
	var trees []Tree
	var want []int32
	for range 256 {
		tree, answer := choices(rng, between(rng, lengths), between(rng, facts))
		trees, want = append(trees, tree), append(want, answer)
	}
	logprobs, err := s.Logprobs(trees, 1)
	if err != nil {
		s.Fatal(err)
	}
	right := 0.0
	for i, of := range logprobs {
		right += math.Exp(float64(of[want[i]-firstValue][0]))
	}
	return right / 256
}

// A school trains one policy and tells how it goes.
type school struct {
	*testing.T
	*Learner
	rng   *rand.Rand
	begin time.Time
}

// level trains on documents of the given lengths and numbers of facts until the accuracy is
// reached, and fails after most steps.
func (s *school) level(lengths, facts [2]int, until float64, most int) {
	warm := Schedule{Peak: 3e-3, Warmup: 20}
	accuracy, tokens, from := 0.0, 0, time.Now()
	for i := range most {
		var trees []Tree
		for range 128 {
			trees = append(trees, lesson(s.rng, between(s.rng, lengths), between(s.rng, facts), 6))
		}
		stats, err := s.Update(trees, Objective{Kind: SFT}, warm.At(s.Step()))
		if err != nil {
			s.Fatal(err)
		}
		accuracy = 0.9*accuracy + 0.1*stats.Accuracy
		tokens += stats.Tokens
		if i%25 == 24 || accuracy > until {
			s.Logf("sft step %d: loss %.3f, accuracy %.3f, %.0f tokens/s, %.0f s", s.Step(), stats.Loss, accuracy,
				float64(tokens)/time.Since(from).Seconds(), time.Since(s.begin).Seconds())
		}
		if accuracy > until {
			return
		}
	}
	s.Fatalf("accuracy %.3f after %d steps, want %.2f", accuracy, most, until)
}

// reinforce does GRPO steps of 32 prompts with 8 rollouts each.
func (s *school) reinforce(lengths, facts [2]int, steps int) {
	for i := range steps {
		trees, reward := s.rollouts(lengths, facts)
		stats, err := s.Update(trees, Objective{Kind: RL, ClipLow: 0.2, ClipHigh: 0.28}, 1e-3)
		if err != nil {
			s.Fatal(err)
		}
		if i%20 == 19 {
			s.Logf("rl step %d: reward %.3f, entropy %.3f, gradient %.3f, %.0f s", i+1, reward, stats.Entropy, stats.GradientNorm, time.Since(s.begin).Seconds())
		}
	}
}

// rollouts samples answers and gives them their advantages.
func (s *school) rollouts(lengths, facts [2]int) (trees []Tree, reward float64) {
	var prompts []Tree
	var answers []int32
	for range 32 {
		tree, answer := choices(s.rng, between(s.rng, lengths), between(s.rng, facts))
		prompts, answers = append(prompts, tree), append(answers, answer)
	}
	logprobs, err := s.Logprobs(prompts, 1)
	if err != nil {
		s.Fatal(err)
	}
	groups := make([]advantage.Group, len(prompts))
	trees = make([]Tree, len(prompts))
	for p := range prompts {
		trees[p].Prompt = prompts[p].Prompt
		for range 8 {
			v := draw(s.rng, logprobs[p])
			r := advantage.Rollout{Known: true}
			if v == answers[p] {
				r.Reward = 1
			}
			reward += r.Reward / float64(8*len(prompts))
			groups[p].Rollouts = append(groups[p].Rollouts, r)
			trees[p].Branches = append(trees[p].Branches, Branch{Tokens: []int32{v}})
		}
	}
	results, _ := advantage.Compute(groups, advantage.StdGroup)
	for p := range trees {
		for j := range trees[p].Branches {
			trees[p].Branches[j].Advantage = results[p].Advantages[j]
		}
	}
	return trees, reward
}

// examine tells the Pass@1 on 256 unseen documents of either phase.
func (s *school) examine(after string) (phase1, phase2 float64) {
	phase1, phase2 = s.pass1([2]int{64, 64}, [2]int{8, 8}), s.pass1([2]int{192, 192}, [2]int{8, 16})
	s.Logf("after %s: 64 tokens %.3f, 192 tokens %.3f, %.0f s", after, phase1, phase2, time.Since(s.begin).Seconds())
	return phase1, phase2
}

// A policy of 95,000 parameters learns to look up values in its context: a warm-up with a length
// curriculum, then GRPO on 64 and on 192 tokens. What decides: an untied head (with a tied one
// nothing forms in 500 steps), linear layers with std 0.02 (0.125: nothing in 600) and embedding
// and head with 0.3, and short documents first.
func TestLookupIsLearnt(t *testing.T) {
	c, err := policy.Preset("nano", vocabulary)
	if err != nil {
		t.Fatal(err)
	}
	c.Tied = false
	l, err := New(opened(t), c, State{Weights: policy.Init(c, policy.InitOptions{Seed: 1, EmbedStd: 0.3})},
		Options{AdamW: DefaultAdamW(), Packing: Packing{MicroTokens: 8192}})
	if err != nil {
		t.Fatal(err)
	}
	s := &school{t, l, rand.New(rand.NewPCG(7, 7)), time.Now()}
	s.level([2]int{8, 12}, [2]int{2, 4}, 0.75, 500)
	s.level([2]int{32, 40}, [2]int{2, 6}, 0.65, 300)
	s.examine("the warm-up")
	s.reinforce([2]int{64, 64}, [2]int{8, 8}, 100)
	if phase1, _ := s.examine("phase 1"); phase1 < 0.9 {
		t.Errorf("phase 1 ends at %.3f", phase1)
	}
	s.reinforce([2]int{192, 192}, [2]int{8, 16}, 60)
	if _, phase2 := s.examine("phase 2"); phase2 < 0.9 {
		t.Errorf("phase 2 ends at %.3f", phase2)
	}
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
