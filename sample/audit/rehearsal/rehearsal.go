package rehearsal

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
)

// A Sample is what a rehearsal needs to know of a sample of a dataset.
type Sample struct {
	ID     history.SampleID
	Phase  int32
	Task   string
	Length int32 // prompt tokens
	Answer string
}

// Options decide a run.
type Options struct {
	Run       string
	Epochs    int  // over each phase
	Batch     int  // prompts of a step
	GroupSize int  // rollouts of a prompt
	Responses bool // write responses too
	BadTask   string
	Seed      uint64
}

// DefaultOptions are those of the reports in the tests.
func DefaultOptions() Options {
	return Options{Run: "rehearsal", Epochs: 6, Batch: 64, GroupSize: 8, Responses: true, BadTask: "table", Seed: 7}
}

// character is how a sample behaves, whatever the policy learns.
type character struct {
	logit, speed float64
	dead         bool // mislabelled: no answer is right
	skipped      bool // never drawn
	words        float64
	last         float64
}

// A run is a rehearsal under way.
type run struct {
	Options
	rng     *rand.Rand
	samples []Sample
	of      []character // [samples]
	step    int64
	total   float64 // steps of all phases, about
	yield   func([]history.Outcome) error
}

// Write trains on paper and appends the outcomes to a dataset's history.
func Write(ctx context.Context, fsys dataset.FS, samples []Sample, o Options) error {
	store, err := history.Open(fsys, nil)
	if err != nil {
		return err
	}
	defer store.Close()
	tx, err := store.Begin()
	if err != nil {
		return err
	}
	r := newRun(samples, o)
	r.yield = func(outcomes []history.Outcome) error {
		_, err := tx.Add(ctx, outcomes)
		return err
	}
	if err := r.train(); err != nil {
		tx.Abort()
		return err
	}
	_, err = tx.Commit()
	return err
}

func newRun(samples []Sample, o Options) *run {
	r := &run{Options: o, samples: samples, rng: rand.New(rand.NewPCG(o.Seed, 42)), of: make([]character, len(samples))}
	tasks := map[string]float64{}
	for i, s := range samples {
		level, ok := tasks[s.Task]
		if !ok {
			level = 0.6 - 0.5*float64(len(tasks)%4)
			tasks[s.Task] = level
		}
		c := &r.of[i]
		// Longer prompts are harder; each sample has a part of its own.
		c.logit = level + 1.6*r.rng.NormFloat64() - 0.55*math.Log2(float64(s.Length)/4000)
		c.speed = math.Exp(0.5 * r.rng.NormFloat64())
		c.dead = r.rng.Float64() < 0.03 || s.Task == o.BadTask && r.rng.Float64() < 0.2
		c.skipped = r.rng.Float64() < 0.04
		c.words = 350 + 500*r.rng.Float64()
		c.last = -1
	}
	r.total = float64(o.Epochs*len(samples)) / float64(o.Batch)
	return r
}

// phases returns the number of the last phase.
func (r *run) phases() (last int32) {
	for _, s := range r.samples {
		last = max(last, s.Phase)
	}
	return last
}

// train runs phase after phase, drawing samples without a success again in later ones. The last
// phase stops in the middle of an epoch: it is still running.
func (r *run) train() error {
	if err := r.start(); err != nil {
		return err
	}
	last := r.phases()
	for phase := int32(1); phase <= last; phase++ {
		position := int64(0)
		for epoch := range r.Epochs {
			order := r.draw(phase)
			if phase == last && epoch == r.Epochs-1 {
				order = order[:len(order)/2]
			}
			for len(order) > 0 {
				n := min(r.Batch, len(order))
				if err := r.train1(phase, &position, order[:n]); err != nil {
					return err
				}
				order = order[n:]
			}
		}
	}
	return nil
}

// draw returns the order of an epoch: the phase's own samples, and those of earlier phases whose
// last group had no success.
func (r *run) draw(phase int32) (order []int) {
	for i, s := range r.samples {
		c := &r.of[i]
		if !c.skipped && (s.Phase == phase || s.Phase < phase && c.last == 0) {
			order = append(order, i)
		}
	}
	r.rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	return order
}

// start measures the start policy, as eq. 10 of QwenLong-L1 asks.
func (r *run) start() error {
	var batch []history.Outcome
	for i := range r.samples {
		if !r.of[i].skipped {
			batch = append(batch, r.group(i, 0, 0, history.UnknownPosition))
		}
	}
	return r.yield(batch)
}

func (r *run) train1(phase int32, position *int64, order []int) error {
	var batch []history.Outcome
	for _, i := range order {
		batch = append(batch, r.group(i, phase, r.step, *position))
		*position++
	}
	r.step++
	return r.yield(batch)
}

// group rolls a sample out once.
func (r *run) group(i int, phase int32, step, position int64) history.Outcome {
	s, c := &r.samples[i], &r.of[i]
	stage := "start"
	if phase > 0 {
		stage = fmt.Sprintf("phase-%d", phase)
	}
	o := history.Outcome{
		Identity: history.Identity{Run: r.Run, TrainStage: stage, Step: step, Position: position, SampleID: s.ID},
		Phase:    phase, Policy: fmt.Sprintf("rehearsed@%d", step/10*10), Judge: "judge-1.5b",
		Limits: history.Limits{MaxPrompt: 20000 * max(phase, 1), MaxResponse: 10000, Temperature: history.Known(0.7)},
	}
	x := float64(step) / r.total
	rate := 1 / (1 + math.Exp(-(c.logit + c.speed*1.9*(1-math.Exp(-3*x)))))
	if c.dead {
		rate = 0
	}
	failing := phase == 1 && x > 0.21 && x < 0.235
	c.last = 0
	for range r.GroupSize {
		roll := r.rollout(s, c, rate, x, failing)
		if roll.Reward.Known && roll.Reward.Value > 0 {
			c.last = 1
		}
		o.Rollouts = append(o.Rollouts, roll)
	}
	return o
}

// rollout writes one response and rewards it: by the rule, and by the judge where the rule says 0.
func (r *run) rollout(s *Sample, c *character, rate, x float64, failing bool) history.Rollout {
	right := r.rng.Float64() < rate
	out := history.Rollout{StopReason: "stop", ResponseLength: int32(c.words * (1 + 1.8*x) * math.Exp(0.4*r.rng.NormFloat64()))}
	if !right && r.rng.Float64() < 0.12 {
		out.StopReason, out.ResponseLength = "length", 10000
	}
	if r.Responses {
		out.Response = r.text(s, right, out.StopReason)
	}
	if r.rng.Float64() < 0.0008 {
		return out // nobody rewarded it
	}
	if right && r.rng.Float64() < 0.88 {
		out.RuleReward, out.Reward = history.Known(1), history.Known(1)
		return out
	}
	out.RuleReward = history.Known(0)
	if failing && r.rng.Float64() < 0.7 || r.rng.Float64() < 0.002 {
		return out // the judge did not answer
	}
	verdict := float32(0)
	if right && r.rng.Float64() < 0.9 || !right && !c.dead && r.rng.Float64() < 0.01 {
		verdict = 1
	}
	out.JudgeReward, out.Reward = history.Known(verdict), history.Known(verdict)
	return out
}

func (r *run) text(s *Sample, right bool, stop string) string {
	if stop == "length" {
		return "<think>\nLet me read the text again from the beginning, because the passage may hold"
	}
	answer := s.Answer
	if !right {
		answer = fmt.Sprintf("something else (%d)", r.rng.IntN(100))
	}
	return "<think>\nThe question asks for one fact. I look for it in the text and check it against the other places.\n</think>\nTherefore, the answer is " + answer + "."
}

// Samples makes n samples, of three phases and four tasks, for a dataset that Dataset writes.
func Samples(n int, seed uint64) []Sample {
	rng := rand.New(rand.NewPCG(seed, 1))
	tasks := []string{"lookup", "chain", "table", "choice"}
	out := make([]Sample, n)
	for i := range out {
		s := &out[i]
		binary.BigEndian.PutUint64(s.ID[:8], rng.Uint64())
		binary.BigEndian.PutUint64(s.ID[8:], rng.Uint64())
		s.Task = tasks[min(rng.IntN(5), 3)]
		s.Length = int32(800 * math.Exp(4.2*math.Pow(rng.Float64(), 1.2)))
		s.Answer = fmt.Sprintf("%s %d", []string{"Ann", "the red gate", "Lisbon", "the third"}[rng.IntN(4)], rng.IntN(100))
		s.Phase = 1
		for _, m := range Phases[:len(Phases)-1] {
			if s.Length > m {
				s.Phase++
			}
		}
	}
	return out
}

// Phases are the longest prompts of the phases of Samples.
var Phases = []int32{4000, 20000, 60000}
