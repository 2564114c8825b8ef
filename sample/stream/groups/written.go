package groups

import (
	"context"
	"fmt"
	"slices"

	"github.com/longctx/pipeline/sample/history"
)

// A step is what rows of one optimizer step have in common.
type step struct {
	run, trainStage string
	number          int64
}

func stepOf(id *history.Identity) step { return step{id.Run, id.TrainStage, id.Step} }

// remembered is how many steps a collector remembers the written groups of.
const remembered = 16

// written remembers what the history has of some steps: rows that come again belong to them.
type written struct {
	store *history.Store
	steps map[step]map[history.Identity][]uint64 // sums of rollouts
	order []step                                 // the step used last is the last
}

// of returns the sums of a written group's rollouts, nil where the history lacks the group.
func (w *written) of(ctx context.Context, id history.Identity) ([]uint64, error) {
	s := stepOf(&id)
	if at := slices.Index(w.order, s); at >= 0 {
		w.order = append(slices.Delete(w.order, at, at+1), s)
		return w.steps[s][id], nil
	}
	groups, err := w.read(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("read step %d of run %q from the history: %w", s.number, s.run, err)
	}
	w.order = append(w.order, s)
	w.steps[s] = groups
	if len(w.order) > remembered {
		delete(w.steps, w.order[0])
		w.order = slices.Delete(w.order, 0, 1)
	}
	return groups[id], nil
}

// read reads a step. One that the history has not come to, as usual, costs no reading.
func (w *written) read(ctx context.Context, s step) (map[history.Identity][]uint64, error) {
	groups := map[history.Identity][]uint64{}
	snap, err := w.store.Snapshot()
	if err != nil {
		return nil, err
	}
	there := slices.ContainsFunc(snap.Stages(), func(st history.Stage) bool {
		return st.Run == s.run && st.TrainStage == s.trainStage && st.MinStep <= s.number && s.number <= st.MaxStep
	})
	if !there {
		return groups, nil
	}
	f := history.Filter{Runs: []string{s.run}, TrainStages: []string{s.trainStage}, MinStep: s.number, MaxStep: max(s.number, 1)} // 0 would be no end
	for o, err := range snap.Outcomes(ctx, f) {
		if err != nil {
			return nil, err
		}
		if o.Step == s.number {
			groups[o.Identity] = sums(Head{o.Phase, o.Policy, o.Judge, o.Limits}, o.Rollouts)
		}
	}
	return groups, nil
}

func sums(h Head, rollouts []history.Rollout) []uint64 {
	out := make([]uint64, len(rollouts))
	for i := range rollouts {
		out[i] = sumOf(h, rollouts[i])
	}
	return out
}

// add remembers a group that was just written.
func (w *written) add(g *group) {
	if groups := w.steps[stepOf(&g.id)]; groups != nil {
		groups[g.id] = sums(g.head, g.got)
	}
}

// forget forgets a training stage, outcomes of which were taken back.
func (w *written) forget(run, trainStage string) {
	w.order = slices.DeleteFunc(w.order, func(s step) bool {
		of := s.run == run && s.trainStage == trainStage
		if of {
			delete(w.steps, s)
		}
		return of
	})
}

// matches returns ErrConflict where a written group does not hold a row.
func matches(sums []uint64, r *Row) error {
	if len(sums) != r.Size {
		return fmt.Errorf("%w: the history has the group with %d rollouts, this row says %d", ErrConflict, len(sums), r.Size)
	}
	if sums[r.Index] != sumOf(r.Head, r.Rollout) {
		return fmt.Errorf("%w: the history has the group with another rollout %d, or without it", ErrConflict, r.Index)
	}
	return nil
}
