package audit

import (
	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/estimate"
	"github.com/longctx/pipeline/sample/history"
)

// An Expectation says what another pass over the visited samples of a phase would cost: shares
// of zero-variance groups, integrated over what is believed of each rate. At a point estimate
// of 0 the share would be 1, which is not what 0 of 8 says.
type Expectation struct {
	Phase        int32 `json:"phase"`
	Samples      int64 `json:"samples"` // with a known reward
	GroupSize    int32 `json:"group_size"`
	AllWrong     Value `json:"all_wrong"`    // expected share of groups whose rewards are all 0
	AllRight     Value `json:"all_right"`    // and all 1
	Oversampling Value `json:"oversampling"` // groups that are drawn for one that teaches
	Generations  Value `json:"generations"`  // rounds of generationFactor batches that fill one batch
	Starves      bool  `json:"starves"`      // more than curriculum.MaxGenerationBatches
}

// generationFactor is how many prompts dynamic sampling generates at a time for each prompt of a
// batch: DAPO has 384 for 128.
const generationFactor = 3

// expect follows all visits with the default estimator, and asks it for every sample now.
func (g *gatherer) expect() {
	f := g.facts
	if len(g.visits) == 0 {
		return
	}
	drift := estimate.NewDrift(func(id history.SampleID) int32 { return g.task[g.index[id]] })
	now := g.follow(drift)
	size := int(max(f.History.GroupSize, 2))
	sums := map[int32]*Expectation{}
	for i := range f.Samples {
		s := &f.Samples[i]
		if s.Rollouts == 0 {
			continue
		}
		p, ok := drift.Predict(&history.Visit{SampleID: s.ID, Phase: int32(s.LastPhase), Step: now})
		if !ok {
			continue
		}
		s.Belief = beliefOf(p.Mean, p.Alpha, p.Beta)
		e := sums[s.Phase]
		if e == nil {
			e = &Expectation{Phase: s.Phase, GroupSize: int32(size)}
			sums[s.Phase] = e
		}
		wrong, right := estimate.ZeroVariance(p.Alpha, p.Beta, size)
		e.Samples++
		e.AllWrong += Value(wrong)
		e.AllRight += Value(right)
	}
	for _, p := range f.Dataset.Phases {
		if e := sums[p.Phase]; e != nil {
			e.finish()
			f.Expected = append(f.Expected, *e)
		}
	}
}

func (e *Expectation) finish() {
	e.AllWrong /= Value(e.Samples)
	e.AllRight /= Value(e.Samples)
	e.Oversampling = 1 / max(1-e.AllWrong-e.AllRight, 1e-9)
	e.Generations = e.Oversampling / generationFactor
	e.Starves = e.Generations > curriculum.MaxGenerationBatches
}

// follow shows an estimator the visits step by step and returns the last place in time.
func (g *gatherer) follow(e estimate.Estimator) (now int64) {
	var step []history.Visit
	for i := range g.visits {
		v := &g.visits[i]
		step = append(step, history.Visit{
			SampleID: g.facts.Samples[v.sample].ID, Phase: v.phase, Step: g.steps[stepKey{v.phase, v.step}].Order, Position: v.position,
			Known: v.known, Unknown: v.unknown, Successes: v.successes, Sum: v.sum, Squares: v.squares, ZeroVariance: v.zeroVariance,
		})
		if i+1 == len(g.visits) || g.visits[i+1].phase != v.phase || g.visits[i+1].step != v.step {
			e.Observe(step)
			now = step[0].Step
			step = step[:0]
		}
	}
	return now
}
