package history

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/dataset/faultfs"
)

func fullOutcome() Outcome {
	o := group(7, 3, 1, -1, 0.25)
	o.Position, o.Judge = 41, "qwen2.5-1.5b"
	o.Time = time.Date(2026, 11, 23, 10, 0, 0, 1000, time.UTC)
	o.Rollouts[0].RuleReward = Known(1)
	o.Rollouts[0].Response = "Therefore, the answer is \"42\"\x00 …"
	o.Rollouts[0].ResponseLength = 9
	o.Rollouts[1].StopReason = "length"
	o.Rollouts[2].RuleReward, o.Rollouts[2].JudgeReward = Known(0), Known(0.25)
	o.Rollouts[2].ResponseLength = 0
	return o
}

func TestWhatIsAppendedIsReadBackWhole(t *testing.T) {
	fsys := faultfs.New()
	want := []Outcome{group(1, 0, 0, 0, 1, 1), group(2, 0, -1, -1), fullOutcome(), group(1, 4, 1)}
	s := mustOpen(t, fsys)
	mustAppend(t, s, want[:2]...)
	a := mustAppend(t, s, want[2:]...)
	wantOutcomes(t, readAll(t, fsys), want)

	snap, err := Read(fsys)
	if err != nil {
		t.Fatal(err)
	}
	if snap.ID() != a.Snapshot || a.Added != 2 {
		t.Errorf("append says %+v, the snapshot is %s", a, snap.ID())
	}
}

func TestADatasetWithoutHistoryHasAnEmptySnapshot(t *testing.T) {
	snap, err := Read(faultfs.New())
	if err != nil || !snap.Empty() {
		t.Fatalf("empty: %v, error: %v", snap.Empty(), err)
	}
	if again, err := ReadAt(faultfs.New(), snap.ID()); err != nil || !again.Empty() {
		t.Errorf("the empty snapshot cannot be read by its id: %v", err)
	}
}

func TestTheSameOutcomeTwiceIsOneOutcome(t *testing.T) {
	fsys := faultfs.New()
	s := mustOpen(t, fsys)
	o := fullOutcome()
	first := mustAppend(t, s, o, o, group(1, 1, 1, 0))
	later := o
	later.Time = o.Time.Add(time.Hour) // scored again after a resume, to the same rewards
	for range 2 {
		again := mustAppend(t, s, later, group(1, 1, 1, 0))
		if diff := cmp.Diff(Appended{Same: 2, Snapshot: first.Snapshot}, again); diff != "" {
			t.Error(diff)
		}
		s.Close()
		s = mustOpen(t, fsys) // the second time from disk
	}
	wantOutcomes(t, readAll(t, fsys), []Outcome{o, group(1, 1, 1, 0)})
}

func TestOtherContentUnderTheSameIdentityIsRefusedAndNamed(t *testing.T) {
	fsys := faultfs.New()
	s := mustOpen(t, fsys)
	mustAppend(t, s, group(1, 1, 1, 0), group(2, 1, 1, 0))
	_, err := s.Append(context.Background(), []Outcome{group(3, 1, 1), group(2, 1, 1, 1)})
	conflict, ok := errors.AsType[*ConflictError](err)
	if !ok || conflict.Index != 1 || conflict.Identity != group(2, 1).Identity || !errors.Is(err, ErrConflict) {
		t.Fatalf("error: %v", err)
	}
	// Nothing of the refused call is there, and what it held can still be appended.
	if a := mustAppend(t, s, group(3, 1, 0)); a.Added != 1 {
		t.Errorf("%+v", a)
	}
	wantOutcomes(t, readAll(t, fsys), []Outcome{group(1, 1, 1, 0), group(2, 1, 1, 0), group(3, 1, 0)})
	// Unknown is not zero: they contradict each other.
	if _, err := s.Append(context.Background(), []Outcome{group(3, 1, -1)}); !errors.Is(err, ErrConflict) {
		t.Errorf("error: %v", err)
	}
}

func TestWhatIsNoOutcomeIsRefused(t *testing.T) {
	nan := group(1, 1, 0)
	zero := float32(0)
	nan.Rollouts[0].Reward.Value = zero / zero
	noRun, negative, phase, text := group(1, 1, 0), group(1, -1, 0), group(1, 1, 0), group(1, 1, 0)
	noRun.Run, phase.Phase, text.Policy = "", -1, "\xff"
	for name, o := range map[string]Outcome{
		"empty group": group(1, 1), "reward over 1": group(1, 1, 1.5), "NaN": nan,
		"no run": noRun, "negative step": negative, "negative phase": phase, "not UTF-8": text,
	} {
		t.Run(name, func(t *testing.T) {
			fsys := faultfs.New()
			_, err := mustOpen(t, fsys).Append(context.Background(), []Outcome{group(9, 1, 1), o})
			if bad, ok := errors.AsType[*InvalidError](err); !ok || bad.Index != 1 {
				t.Errorf("error: %v", err)
			}
			if got := readAll(t, fsys); len(got) != 0 {
				t.Errorf("recorded: %v", got)
			}
		})
	}
}

func TestAResumeTakesBackWhatWillBeDrawnAgain(t *testing.T) {
	fsys := faultfs.New()
	s := mustOpen(t, fsys)
	other := group(1, 7, 0)
	other.Run = "other"
	before := mustAppend(t, s, group(1, 5, 0), group(2, 6, 0), group(3, 7, 0), other)
	n, err := s.Resume(context.Background(), Cursor{Run: "run", TrainStage: "phase-1", Step: 6})
	if err != nil || n != 2 {
		t.Fatalf("superseded %d, error: %v", n, err)
	}
	wantOutcomes(t, readAll(t, fsys), []Outcome{group(1, 5, 0), other})
	if n, err := s.Resume(context.Background(), Cursor{Run: "run", TrainStage: "phase-1", Step: 6}); err != nil || n != 0 {
		t.Errorf("a second resume at the same cursor supersedes %d, error: %v", n, err)
	}
	// Drawn again, to other rewards: no conflict. Before the cursor it still is one.
	mustAppend(t, s, group(2, 6, 1))
	if _, err := s.Append(context.Background(), []Outcome{group(1, 5, 1)}); !errors.Is(err, ErrConflict) {
		t.Errorf("error: %v", err)
	}
	wantOutcomes(t, readAll(t, fsys), []Outcome{group(1, 5, 0), other, group(2, 6, 1)})
	old, err := ReadAt(fsys, before.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	wantOutcomes(t, outcomesOf(t, old, Filter{}), []Outcome{group(1, 5, 0), group(2, 6, 0), group(3, 7, 0), other})
}

func TestACursorLooksAtPositionsWhereTheyAreKnown(t *testing.T) {
	c := Cursor{Step: 6, Position: 100}
	for _, test := range []struct {
		step, position int64
		past           bool
	}{{5, 200, false}, {6, 99, false}, {6, 100, true}, {7, UnknownPosition, true}, {5, UnknownPosition, false}} {
		if c.past(test.step, test.position) != test.past {
			t.Errorf("step %d, position %d: past is %v", test.step, test.position, !test.past)
		}
	}
}

func TestASnapshotNeverChanges(t *testing.T) {
	fsys := faultfs.New()
	s := mustOpen(t, fsys)
	var ids []string
	var all []Outcome
	for i := range 5 {
		all = append(all, group(i, int64(i), 1, 0))
		ids = append(ids, mustAppend(t, s, all[i]).Snapshot)
	}
	for i, id := range ids {
		snap, err := ReadAt(fsys, id)
		if err != nil {
			t.Fatal(err)
		}
		wantOutcomes(t, outcomesOf(t, snap, Filter{}), all[:i+1])
	}
	if _, err := ReadAt(fsys, "0123"); !errors.Is(err, ErrNoSnapshot) {
		t.Errorf("error: %v", err)
	}
}

func TestAnAbortedTransactionLeavesNothing(t *testing.T) {
	fsys := faultfs.New()
	s := mustOpen(t, fsys)
	tx, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Add(context.Background(), []Outcome{group(1, 1, 1)}); err != nil {
		t.Fatal(err)
	}
	tx.Abort()
	if got := readAll(t, fsys); len(got) != 0 {
		t.Errorf("recorded: %v", got)
	}
	if a := mustAppend(t, s, group(1, 1, 1)); a.Added != 1 {
		t.Errorf("%+v", a)
	}
}
