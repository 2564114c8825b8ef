package main

import (
	"fmt"
	"strings"
)

// sets are the inputs of the dataset. The warm-up sees plain lookups only; in both phases some
// samples are harder than others, and some cannot be learned at all.
var sets = []struct{ name, flags string }{
	{"sft-short", "--samples 25000 --task recall --tokens 9..14 --facts 2..4 --questions 4 --sft --seed 11"},
	{"sft-long", "--samples 25000 --task recall --tokens 24..30 --facts 2..6 --questions 4 --sft --seed 12"},
	{"rl-1", "--samples 4000 --task recall,recall,recall,recall,recall,recall,recall_chain,recall_rare,recall_rare,recall_wrong --tokens 48..64 --facts 8 --seed 13"},
	{"rl-2", "--samples 4000 --task recall,recall,recall,recall,recall,recall,recall_chain,recall_rare,recall_rare,recall_wrong --tokens 160..192 --facts 8..16 --seed 14"},
}

// An arm is one way to train. Every arm generates the same number of rollouts.
type arm struct {
	Name, About string
	MayFail     bool // it may end without a signal, which is its result
	warmUp      string
	rl          []rlStage
}

type rlStage struct {
	name          string
	phase, steps  int
	retrospective string
}

// Levels of the warm-up: short stops when lookup has just formed, long goes on.
const (
	shortWarmUp = "{ max_prompt = 23, steps = 400, until = 0.75 }, { max_prompt = 64, steps = 200, until = 0.6 }"
	longWarmUp  = "{ max_prompt = 23, steps = 400, until = 0.9 }, { max_prompt = 64, steps = 600, until = 0.95 }"
)

const steps = 80 // of each RL phase

// arms returns the whole study. The first is what the others are compared with.
func arms() []arm {
	phased := func(retrospective string) []rlStage {
		return []rlStage{{"phase-1", 1, steps, ""}, {"phase-2", 2, steps, retrospective}}
	}
	out := []arm{{Name: "phased", About: "phase 1, then phase 2, nothing comes back", warmUp: shortWarmUp, rl: phased("")}}
	for _, r := range []struct{ name, about, strategy string }{
		{"zero-mean", "eq. 10 as run: samples of phase 1 whose mean is 0", "zero_mean"},
		{"inverse-mean", "eq. 10 as written: by 1 / mean", "inverse_mean"},
		{"uniform", "samples of phase 1, all alike", "uniform"},
		{"prioritized", "by 1 - success rate", "prioritized"},
		{"learnability", "by p (1 - p)", "learnability"},
		{"thompson", "nearest to a rate of 1/2", "thompson"},
	} {
		out = append(out, arm{
			Name: r.name, About: "phased, and in phase 2 a quarter more of phase 1: " + r.about, warmUp: shortWarmUp,
			rl: phased(fmt.Sprintf(`{ from = [1], strategy = %q, ratio = 0.25 }`, r.strategy)),
		})
	}
	return append(out,
		arm{
			Name: "single-stage", About: "both phases mixed from the first step", warmUp: shortWarmUp,
			rl: []rlStage{{"mixed", 2, 2 * steps, `{ from = [1], strategy = "uniform", ratio = 1.0 }`}},
		},
		arm{Name: "phase-2-only", About: "phase 2 from the first step", warmUp: shortWarmUp, rl: []rlStage{{"phase-2", 2, 2 * steps, ""}}},
		arm{Name: "no-warm-up", About: "RL from random weights", MayFail: true, rl: phased("")},
		arm{Name: "long-warm-up", About: "a longer warm-up, then as phased", warmUp: longWarmUp, rl: phased("")},
	)
}

// config writes the run's pipeline.toml.
func (a *arm) config(s *study, seed int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# %s
[reward]
types = { synth_recall = "text", synth_recall_chain = "text", synth_recall_rare = "text", synth_recall_wrong = "text" }
extra_words = 0

[train]
data = %q
runs = %q
run = %q
model = "nano"
init_std = 0.3
untied = true
seed = %d
checkpoint_every = 100
[train.eval]
hold_out = "10%%"
samples = 128
every = 20
`, a.About, s.at("data"), s.at("runs"), runName(*a, seed), seed)
	if a.warmUp != "" {
		fmt.Fprintf(&b, `
[[train.stage]]
name = "warm-up"
kind = "sft"
batch = 128
max_response = 4
lr = 3e-3
warmup = 20
lr_floor = 1.0
length_curriculum = [%s]
`, a.warmUp)
	}
	for _, r := range a.rl {
		fmt.Fprintf(&b, `
[[train.stage]]
name = %q
kind = "rl"
algorithm = "dapo"
dynamic_sampling = false
phase = %d
steps = %d
batch = 32
group_size = 8
max_response = 4
temperature = 1.0
top_p = 1.0
lr = 1e-3
`, r.name, r.phase, r.steps)
		if r.retrospective != "" {
			fmt.Fprintf(&b, "retrospective = %s\n", r.retrospective)
		}
	}
	return b.String()
}
