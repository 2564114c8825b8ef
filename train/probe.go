package train

import (
	"fmt"
	"slices"

	"github.com/longctx/pipeline/train/rollout"
)

// probe refuses, before any step is spent, stages that would never see a reward: it has the scorer
// compare an answer with itself, once for each task that a stage can draw.
func (r *run) probe() error {
	probed := map[string]string{} // reason by task, empty where it can be scored
	for i := r.state.Stage; i < len(r.Stages); i++ {
		s := &r.Stages[i]
		if s.Kind == SFT || s.Runner != Embedded {
			continue
		}
		table, err := s.readTable(r.ctx, r.Dataset, r.manifest)
		if err != nil {
			return err
		}
		var mute []string
		for _, task := range table.Tasks {
			reason, done := probed[task]
			if !done {
				if reason, err = r.unscored(task); err != nil {
					return err
				}
				probed[task] = reason
			}
			if reason != "" {
				mute = append(mute, fmt.Sprintf("%q (%s)", task, reason))
			}
		}
		slices.Sort(mute)
		switch {
		case len(mute) == len(table.Tasks):
			return fmt.Errorf("%w: stage %s: no response to %v can be scored", ErrNoSignal, s.Name, mute)
		case len(mute) > 0:
			r.warn(s, "%s: responses to %v cannot be scored; their rewards will be unknown", s.Name, mute)
		}
	}
	return nil
}

// unscored returns why a right answer of a task has no reward, empty where it has one.
func (r *run) unscored(task string) (string, error) {
	for _, answer := range []string{"7", "A", "yes"} { // of whatever type the task's answers are
		p := rollout.Prompt{DataSource: task, Question: "?", References: []string{answer}}
		v, err := r.Score(r.ctx, &p, answer, 1)
		if err != nil || v.Reward.Known {
			return "", err
		}
		if answer == "yes" {
			return v.Reason, nil
		}
	}
	return "", nil
}
