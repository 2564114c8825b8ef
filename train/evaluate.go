package train

import (
	"fmt"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
	"github.com/longctx/pipeline/train/eval"
	"github.com/longctx/pipeline/train/rollout"
)

// An Evaluation is what the policy can do on samples that it was not trained on.
type Evaluation struct {
	Stage     string `json:"train_stage"`
	StageStep int64  `json:"stage_step"`
	Step      int64  `json:"step"` // of the run
	Name      string `json:"name"` // Example: "phase 2"
	Phase     int32  `json:"phase"`
	Samples   int    `json:"samples"`
	Rollouts  int    `json:"rollouts"`
	Unknown   int    `json:"unknown_rewards"`
	Final     bool   `json:"final"` // at the end of its stage

	Avg  eval.Estimate   `json:"pass_at_1"`
	Pass []eval.PassRate `json:"pass_at_k,omitempty"` // with more than one rollout
}

// evaluateDue evaluates within a stage where that is due and not done.
func (r *run) evaluateDue(s *Stage) error {
	if r.Eval.Every == 0 || r.Eval.Samples == 0 || r.state.StageStep%r.Eval.Every != 0 {
		return nil
	}
	evals := r.state.Current.Evals
	if n := len(evals); n > 0 && evals[n-1].StageStep == r.state.StageStep {
		return nil
	}
	_, err := r.evaluatePhases(s, false)
	return err
}

// evaluateAll ends a stage: Pass@1 on every phase. The mean of all is the score by which the best
// checkpoint is kept.
func (r *run) evaluateAll(s *Stage) (score *float64, err error) {
	if r.Eval.Samples == 0 {
		return nil, nil
	}
	evals, err := r.evaluatePhases(s, true)
	if err != nil || len(evals) == 0 {
		return nil, err
	}
	sum := 0.0
	for _, e := range evals {
		sum += float64(e.Avg.Mean)
	}
	sum /= float64(len(evals))
	return &sum, nil
}

func (r *run) evaluatePhases(s *Stage, final bool) (evals []Evaluation, err error) {
	for i := range r.manifest.Phases {
		phase := r.manifest.Phases[i].Phase
		held, err := r.heldOut(phase)
		if err != nil {
			return nil, err
		}
		if len(held) == 0 {
			continue
		}
		e, err := r.evaluate(s, fmt.Sprintf("phase %d", phase), phase, held, final)
		if err != nil {
			return nil, err
		}
		evals = append(evals, *e)
	}
	return evals, nil
}

// heldOut returns the samples of a phase that are kept for evaluation.
func (r *run) heldOut(phase int32) ([]rollout.Prompt, error) {
	if held, ok := r.held[phase]; ok {
		return held, nil
	}
	fsys, m, share := r.Dataset, r.manifest, r.Eval.HoldOut
	if r.Eval.Dataset != nil {
		var err error
		if fsys, share = r.Eval.Dataset, 1; m == r.manifest {
			if m, err = dataset.ReadManifest(fsys); err != nil {
				return nil, fmt.Errorf("evaluation dataset: %w", err)
			}
		}
	}
	held, err := heldOut(r.ctx, fsys, m, phase, share, r.Eval.Samples)
	if err == nil {
		r.held[phase] = held
	}
	return held, err
}

// evaluate rolls held-out prompts out and reports what came.
func (r *run) evaluate(s *Stage, name string, phase int32, held []rollout.Prompt, final bool) (*Evaluation, error) {
	groups, err := r.policy.generate(r.ctx, held, rollout.Options{
		Stage: "evaluation", Seed: r.Seed, Group: r.Eval.Rollouts, MaxResponse: int(s.MaxResponse), Temperature: r.Eval.Temperature, TopP: r.Eval.TopP,
	})
	if err != nil {
		return nil, fmt.Errorf("evaluate %s: %w", name, err)
	}
	e := Evaluation{
		Stage: s.Name, StageStep: r.state.StageStep, Step: r.state.step, Name: name, Phase: phase,
		Samples: len(held), Rollouts: r.Eval.Rollouts, Final: final,
	}
	e.summarize(groups, r.Seed)
	if e.Unknown == e.Samples*e.Rollouts {
		return nil, fmt.Errorf("%w: all %d rewards of %s are unknown: %s", ErrNoSignal, e.Unknown, name, groups[0].Rollouts[0].Reason)
	}
	r.state.Current.Evals = append(r.state.Current.Evals, e)
	r.tell(Event{Stage: s, Eval: &e})
	return &e, nil
}

// summarize fills in the rates.
func (e *Evaluation) summarize(groups []rollout.Group, seed uint64) {
	counted := make([]*eval.Group, len(groups))
	for i := range groups {
		g := &eval.Group{SampleID: groups[i].SampleID.String(), Benchmark: e.Name, Responses: len(groups[i].Rollouts)}
		for _, r := range groups[i].Rollouts {
			if !r.Reward.Known {
				e.Unknown++
				continue
			}
			g.Known++
			g.Sum += float64(r.Reward.Value)
			if r.Reward.Value >= history.SuccessReward {
				g.Right++
			}
		}
		counted[i] = g
	}
	b := &eval.Summarize(counted, e.Rollouts, seed).Benchmarks[0]
	if e.Avg = b.Avg; e.Rollouts > 1 {
		e.Pass = b.Pass
	}
}
