package train

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/sample/history"
	"github.com/longctx/pipeline/train/learner"
	"github.com/longctx/pipeline/train/rollout"
)

func TestQuestionsAboutOneDocumentShareItsTokens(t *testing.T) {
	// document 1..8, question 9 k, answer; the second prompt goes on with the talk of the first.
	first := []int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 20}
	second := append(append([]int32(nil), first...), 30, 9, 21)
	if n := sharedDocument(first, second); n != len(first) {
		t.Fatalf("they share %d tokens", n)
	}
	if n := sharedDocument(first, []int32{1, 2, 3, 7, 7, 7, 7, 7, 9, 20}); n != 0 {
		t.Fatalf("two documents share %d tokens", n)
	}
	got := graft(learner.Tree{Prompt: first, Branches: []learner.Branch{{Tokens: []int32{30, 0}}}}, len(first), second, []int32{31, 0})
	want := learner.Tree{Prompt: first, Branches: []learner.Branch{{Tokens: []int32{30, 0}}, {Tokens: []int32{30, 9, 21, 31, 0}, Given: 3}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
	// Another question on the bare document: the trunk becomes shorter, the first branch longer.
	other := []int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 22}
	got = graft(got, sharedDocument(first, other), other, []int32{32, 0})
	for i, whole := range [][]int32{append(first, 30, 0), append(second, 31, 0), append(other, 32, 0)} {
		b := got.Branches[i]
		if d := cmp.Diff(whole, append(append([]int32(nil), got.Prompt...), b.Tokens...)); d != "" {
			t.Errorf("branch %d: %s", i, d)
		}
		if len(b.Response()) != 2 {
			t.Errorf("branch %d has a loss on %v", i, b.Response())
		}
	}
}

func TestEveryEpochOfAWarmUpTakesEachDocumentOnceInAnOrderOfItsOwn(t *testing.T) {
	l := lesson{trees: make([]learner.Tree, 10)}
	for i := range l.trees {
		l.trees[i].Prompt = []int32{int32(i)}
	}
	var at sftPlace
	var orders []string
	for range 2 {
		seen, order := map[int32]bool{}, ""
		for epoch := at.Epoch; at.Epoch == epoch; {
			for _, tree := range l.next(&at, 4, 7) {
				seen[tree.Prompt[0]] = true
				order += string('a' + tree.Prompt[0])
			}
		}
		if len(seen) != 10 {
			t.Fatalf("%d of 10 documents", len(seen))
		}
		orders = append(orders, order)
	}
	if orders[0] == orders[1] {
		t.Error("two epochs have the same order")
	}
}

func TestDynamicSamplingKeepsGroupsThatTeachAndAdvisesAgainstTheRest(t *testing.T) {
	group := func(rewards ...float32) rollout.Group {
		g := rollout.Group{Prompt: &rollout.Prompt{}}
		for _, r := range rewards {
			g.Rollouts = append(g.Rollouts, rollout.Rollout{Scored: rollout.Scored{Reward: history.Number{Value: r, Known: r >= 0}}})
		}
		return g
	}
	s := Defaults(RL, DAPO)
	s.Batch = 2
	b := &batch{stage: &s}
	b.add([]rollout.Group{group(0, 0), group(0, 1), group(1, 1), group(-1, 1), group(1, 0), group(0, 1)})
	if len(b.kept) != 2 || len(b.all) != 6 || b.counts.ZeroVariance != 2 || b.counts.Dropped != 1 {
		t.Errorf("kept %d of %d, %+v", len(b.kept), len(b.all), b.counts)
	}
	hard := &batch{stage: &s}
	hard.add([]rollout.Group{group(0, 0), group(0, 0), group(1, 1)})
	if text := hard.advice(); !strings.Contains(text, "2 are all wrong, 1 all right") || !strings.Contains(text, "too hard") {
		t.Error(text)
	}
	g := Defaults(RL, GRPO)
	g.Batch = 3
	all := &batch{stage: &g}
	all.add([]rollout.Group{group(0, 0), group(0, 1), group(-1, -1)})
	if len(all.kept) != 2 {
		t.Errorf("without dynamic sampling %d groups are kept, and all with known rewards should be", len(all.kept))
	}
}

func TestOverlongPenaltiesAreTheOptimizersAffairOnly(t *testing.T) {
	s := Defaults(RL, DAPO)
	s.MaxResponse, s.OverlongCache = 10, 5
	g := rollout.Group{Prompt: &rollout.Prompt{}, Rollouts: []rollout.Rollout{
		{Tokens: make([]int32, 5), Scored: rollout.Scored{Reward: history.Known(1)}},
		{Tokens: make([]int32, 10), Scored: rollout.Scored{Reward: history.Known(1)}},
	}}
	if r := shaped(&g, &s).Rollouts; r[0].Shaping != 0 || r[1].Shaping != -1 {
		t.Errorf("%+v", r)
	}
	for _, r := range g.Outcome().Rollouts {
		if r.Reward.Value != 1 {
			t.Errorf("the history has %v", r.Reward)
		}
	}
}

func TestStagesThatMakeNoSenseAreRefused(t *testing.T) {
	for want, change := range map[string]func(*Stage){
		"no name":                func(s *Stage) { s.Name = "" },
		"none of sft, rl":        func(s *Stage) { s.Kind = "ppo" },
		"runner \"ray\"":         func(s *Stage) { s.Runner = "ray" },
		"needs kind rl and a":    func(s *Stage) { s.Runner = Verl },
		"count from 1":           func(s *Stage) { s.Phase = 0 },
		"holds the mini-batch":   func(s *Stage) { s.MiniBatch = 1000 },
		"how long":               func(s *Stage) { s.Steps = 0 },
		"lr 2":                   func(s *Stage) { s.LR = 2 },
		"algorithm":              func(s *Stage) { s.Algorithm = "ppo" },
		"two rollouts":           func(s *Stage) { s.GroupSize = 1 },
		"would all be equal":     func(s *Stage) { s.Temperature = 0 },
		"top_p":                  func(s *Stage) { s.TopP = 0 },
		"clip_low":               func(s *Stage) { s.ClipLow = 1 },
		"loss":                   func(s *Stage) { s.Loss = "sum" },
		"std":                    func(s *Stage) { s.Std = "batch" },
		"kl -1":                  func(s *Stage) { s.KL = -1 },
		"overlong_cache":         func(s *Stage) { s.OverlongCache = s.MaxResponse },
		"max_generations":        func(s *Stage) { s.MaxGenerations = 0 },
		"not all before phase 1": func(s *Stage) { s.Retrospective = &Retrospective{From: []int32{1}} },
	} {
		s := Defaults(RL, GRPO)
		s.Name, s.Steps = "x", 1
		if err := s.validate(); err != nil {
			t.Fatal(err)
		}
		change(&s)
		if err := s.validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
