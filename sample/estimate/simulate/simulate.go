// Package simulate makes reward histories as a training run would leave them, with rates that
// are known, so that estimators can be measured against the truth.
//
// Its rule: a seed decides every visit. The kinds differ in how rates move; what a real policy
// does is none of them exactly, so no estimator may be tuned on all.
package simulate

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/longctx/pipeline/sample/history"
)

// A Kind is a way in which rates start and move.
type Kind string

// Kinds of histories.
const (
	Common     Kind = "common"     // all logits rise together, by 2.5 over the run
	Walk       Kind = "walk"       // each logit walks on its own
	Bimodal    Kind = "bimodal"    // nearly all samples solved or hopeless; small drift
	Still      Kind = "still"      // nothing moves
	Speeds     Kind = "speeds"     // each sample learns at its own speed, a third not at all
	Abrupt     Kind = "abrupt"     // another phase half way: all logits jump, each also by its own amount
	Mislabeled Kind = "mislabeled" // a fifth stays at 0, the others rise
	Collapse   Kind = "collapse"   // the policy learns, then forgets
	Insight    Kind = "insight"    // hard samples become solved within few steps, at a time of their own
	Tasks      Kind = "tasks"      // four tasks with levels and drifts of their own
	Fractional Kind = "fractional" // rewards with parts: 0, 1/4, .. 1; logits rise
	Grpo       Kind = "grpo"       // a saturating rise with noise of steps, own speeds and own walks

	Stairs        Kind = "stairs"        // the policy is replaced every tenth of the run; each jump is another for each sample
	Retrospective Kind = "retrospective" // half of the samples come late, and of the early ones only those without success stay
	Ceiling       Kind = "ceiling"       // a judge that refuses a third of right answers: rates end at 2/3
	Slow          Kind = "slow"          // set so that last mean, running mean and decay err as on a real GRPO run
)

// Seen returns the kinds that the default estimator was developed on.
func Seen() []Kind {
	return []Kind{Common, Walk, Bimodal, Still, Speeds, Abrupt, Mislabeled, Collapse, Insight, Tasks, Fractional, Grpo}
}

// HeldOut returns the kinds that were added after it was finished.
func HeldOut() []Kind { return []Kind{Stairs, Retrospective, Ceiling, Slow} }

// Options decide a history.
type Options struct {
	Kind      Kind
	Samples   int
	Steps     int
	Visits    int  // of each sample, on average
	Sparse    bool // visits at random steps; else in epochs, each sample once in each
	GroupSize int
	Seed      uint64
}

// A History is visits in the order of training with the rate that each was drawn at.
type History struct {
	Visits []history.Visit
	Rates  []float64 // [visits]: expected reward of one rollout
	Tasks  map[history.SampleID]int32
}

// world is how one sample's logit starts and moves.
type world struct {
	kind    Kind
	rng     *rand.Rand
	start   []float64 // [samples]
	speed   []float64 // [samples]
	own     []float64 // [samples] walk so far
	task    []int32   // [samples]
	flip    []float64 // [samples] when insight comes, share of the run
	common  []float64 // [steps] of all samples
	stopped []bool    // [samples] at 0 for ever

	succeeded []bool // [samples] at least once
}

// New makes a history.
func New(o Options) *History {
	rng := rand.New(rand.NewPCG(o.Seed, uint64(len(o.Kind))<<32+uint64(o.Kind[0])))
	w := newWorld(o, rng)
	h := &History{Tasks: map[history.SampleID]int32{}}
	ids := make([]history.SampleID, o.Samples)
	for i := range ids {
		binary.LittleEndian.PutUint64(ids[i][:], rng.Uint64())
		binary.LittleEndian.PutUint64(ids[i][8:], rng.Uint64())
		h.Tasks[ids[i]] = w.task[i]
	}
	setting := &history.Setting{Measurement: history.Measurement{Run: "simulated"}}
	var queue []int
	perStep := max(1, o.Samples*o.Visits/o.Steps)
	for step := range o.Steps {
		w.walk(step, o.Steps)
		for position := range perStep {
			i := rng.IntN(o.Samples)
			if !o.Sparse {
				for len(queue) == 0 {
					queue = w.reach(step, o.Steps, rng.Perm(o.Samples))
				}
				i, queue = queue[0], queue[1:]
			}
			rate := w.rate(i, step, o.Steps)
			v := history.Visit{SampleID: ids[i], Setting: setting, Phase: 1, Step: int64(step), Position: int64(step*perStep + position), Known: int32(o.GroupSize)}
			fill(&v, rate, o.Kind == Fractional, rng)
			w.succeeded[i] = w.succeeded[i] || v.Successes > 0
			h.Visits = append(h.Visits, v)
			h.Rates = append(h.Rates, rate)
		}
	}
	return h
}

func newWorld(o Options, rng *rand.Rand) *world {
	n := o.Samples
	w := &world{
		kind: o.Kind, rng: rng, start: make([]float64, n), speed: make([]float64, n), own: make([]float64, n),
		task: make([]int32, n), flip: make([]float64, n), stopped: make([]bool, n), common: make([]float64, o.Steps), succeeded: make([]bool, n),
	}
	for i := range n {
		w.start[i] = -0.3 + 2.2*rng.NormFloat64()
		w.speed[i], w.task[i], w.flip[i] = 1, int32(rng.IntN(4)), 2
		switch o.Kind {
		case Bimodal:
			w.start[i] = 4.5*float64(2*rng.IntN(2)-1) + rng.NormFloat64()
			if rng.Float64() < 0.2 {
				w.start[i] = rng.NormFloat64()
			}
		case Speeds:
			w.speed[i] = math.Exp(0.8*rng.NormFloat64()) * float64(min(rng.IntN(3), 1))
		case Mislabeled:
			w.stopped[i] = rng.Float64() < 0.2
		case Insight:
			w.start[i] -= 1
			w.flip[i] = 2 * rng.Float64()
		case Tasks:
			w.start[i] = []float64{-3, -1, 0, 2}[w.task[i]] + rng.NormFloat64()
		case Grpo:
			w.speed[i] = math.Exp(0.5 * rng.NormFloat64())
		case Slow:
			w.start[i] = -0.5 + 3.4*rng.NormFloat64()
			w.speed[i] = math.Exp(0.3 * rng.NormFloat64())
		}
	}
	noise := 0.0
	for s := range w.common {
		x := float64(s) / float64(o.Steps)
		noise = 0.97*noise + 0.04*rng.NormFloat64()
		switch o.Kind {
		case Common, Mislabeled, Fractional:
			w.common[s] = 2.5 * x
		case Speeds:
			w.common[s] = 1.8 * x
		case Bimodal:
			w.common[s] = 0.8 * x
		case Abrupt:
			w.common[s] = 0.5 * x
			if x >= 0.5 {
				w.common[s] -= 1.2
			}
		case Collapse:
			w.common[s] = 3 * math.Sin(math.Pi*x*1.3)
		case Tasks:
			w.common[s] = x
		case Grpo:
			w.common[s] = 2*(1-math.Exp(-3*x)) + noise
		case Stairs:
			w.common[s] = 2.5 * math.Floor(10*x) / 10
		case Retrospective, Ceiling:
			w.common[s] = 2 * math.Sqrt(x)
		case Slow:
			w.common[s] = 1.5*x + noise
		}
	}
	return w
}

// walk moves the own parts by one step.
func (w *world) walk(step, steps int) {
	sd := map[Kind]float64{Walk: 0.08, Grpo: 0.03, Common: 0.02, Retrospective: 0.03, Slow: 0.02}[w.kind]
	if w.kind == Stairs && step > 0 && step%max(steps/10, 1) == 0 {
		sd = 0.5
	}
	if sd == 0 {
		return
	}
	for i := range w.own {
		w.own[i] += sd * w.rng.NormFloat64()
	}
}

// rate returns the expected reward of sample i at a step.
func (w *world) rate(i, step, steps int) float64 {
	if w.stopped[i] {
		return 0
	}
	x := float64(step) / float64(steps)
	logit := w.start[i] + w.speed[i]*w.common[step] + w.own[i]
	switch {
	case w.kind == Abrupt && x >= 0.5:
		logit += 2 * (w.flip2(i) - 0.5)
	case w.kind == Insight:
		logit += 5 / (1 + math.Exp(-40*(x-w.flip[i])))
	case w.kind == Tasks:
		logit += []float64{3, 0, -1, 0.5}[w.task[i]] * x
	}
	rate := 1 / (1 + math.Exp(-logit))
	if w.kind == Ceiling {
		rate *= 2.0 / 3
	}
	return rate
}

// reach leaves of a permutation the samples that an epoch beginning at a step visits.
func (w *world) reach(step, steps int, samples []int) []int {
	if w.kind != Retrospective {
		return samples
	}
	late := 2*step >= steps
	return slices.DeleteFunc(samples, func(i int) bool {
		second := i%2 == 1
		return !late && second || late && !second && w.succeeded[i]
	})
}

// flip2 is a fixed number in [0, 1) of each sample.
func (w *world) flip2(i int) float64 { return math.Mod(float64(i)*0.6180339887498949, 1) }

// fill draws the rewards of a group.
func fill(v *history.Visit, rate float64, fractional bool, rng *rand.Rand) {
	low, high := 2.0, -1.0
	for range v.Known {
		r := 0.0
		if fractional {
			for range 4 {
				if rng.Float64() < rate {
					r += 0.25
				}
			}
		} else if rng.Float64() < rate {
			r = 1
		}
		v.Sum += r
		v.Squares += r * r
		if r >= history.SuccessReward {
			v.Successes++
		}
		low, high = min(low, r), max(high, r)
	}
	v.ZeroVariance = v.Known >= 2 && low == high
}
