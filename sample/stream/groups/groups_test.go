package groups_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/longctx/pipeline/dataset/faultfs"
	"github.com/longctx/pipeline/sample/history"
	"github.com/longctx/pipeline/sample/stream/groups"
)

// row makes rollout i of a group of size n at a step and position.
func row(step, position int64, n, i int) groups.Row {
	id := history.SampleID{byte(position), byte(position >> 8), 7}
	return groups.Row{
		Identity: history.Identity{Run: "r", TrainStage: "phase-1", Step: step, Position: position, SampleID: id},
		Size:     n, Index: i, Head: groups.Head{Phase: 1, Policy: "p"},
		Rollout: history.Rollout{Reward: history.Known(float32(i%2) / 2), ResponseLength: int32(100 + i), StopReason: "stop", Response: fmt.Sprint(step, position, i)},
	}
}

// A machine is a disk and the process on it.
type machine struct {
	t     rapid.TB
	fsys  *faultfs.FS
	store *history.Store
	c     *groups.Collector

	mu sync.Mutex
}

func newMachine(t rapid.TB, fsys *faultfs.FS, memory int64) *machine {
	store, err := history.Open(fsys, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &machine{t: t, fsys: fsys, store: store, c: groups.New(store, memory)}
}

// settle waits until nothing is being written, and nothing more will be by itself.
func (m *machine) settle() { m.c.Close() }

// crash loses what is in memory and what was not synced.
func (m *machine) crash() *machine {
	m.settle()
	m.store.Close()
	return newMachine(m.t, m.fsys.AfterCrash(), 0)
}

// add sends rows and waits a little; it returns how that went if it is known.
func (m *machine) add(rows ...groups.Row) (done *groups.Done, err error) {
	m.t.Helper()
	var failed error
	if err := m.c.Add(context.Background(), rows, func(d groups.Done, err error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if done != nil || failed != nil {
			m.t.Error("done is called twice")
		}
		if failed = err; err == nil {
			done = &d
		}
	}); err != nil {
		return nil, err
	}
	m.settle()
	m.mu.Lock()
	defer m.mu.Unlock()
	return done, failed
}

func (m *machine) recorded() (out []history.Outcome) {
	m.t.Helper()
	snap, err := history.Read(m.fsys.AfterCrash())
	if err != nil {
		m.t.Fatal(err)
	}
	for o, err := range snap.Outcomes(context.Background(), history.Filter{}) {
		if err != nil {
			m.t.Fatal(err)
		}
		out = append(out, *o)
	}
	return out
}

func wantError(t *testing.T, err, want error, text string) {
	t.Helper()
	if !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
		t.Errorf("%v; want %v, %q", err, want, text)
	}
}

// TestWhateverIsSentAgainAndCrashesTheHistoryHasEachGroupOnce sends the rows of some groups in
// any order and any batches, some twice, with crashes between; a client sends again what it was
// not promised.
func TestWhateverIsSentAgainAndCrashesTheHistoryHasEachGroupOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var all []groups.Row
		n := rapid.IntRange(1, 4).Draw(t, "groups")
		for g := range n {
			size := rapid.IntRange(1, 4).Draw(t, "size")
			for i := range size {
				all = append(all, row(int64(g/2), int64(g), size, i))
			}
		}
		m := newMachine(t, faultfs.New(), 0)
		promised := map[int]bool{}
		check := func() {
			have := map[history.Identity]int{}
			for _, o := range m.recorded() {
				have[o.Identity]++
			}
			for i := range promised {
				if have[all[i].Identity] != 1 {
					t.Fatalf("row %d was promised; the history has its group %d times", i, have[all[i].Identity])
				}
			}
		}
		send := func(which []int) {
			var rows []groups.Row
			for _, i := range which {
				rows = append(rows, all[i])
			}
			var mu sync.Mutex
			if err := m.c.Add(t.Context(), rows, func(d groups.Done, err error) {
				mu.Lock()
				defer mu.Unlock()
				if err != nil || d.Added+d.Same != int64(len(rows)) {
					t.Errorf("%+v, %v", d, err)
				}
				for _, i := range which {
					promised[i] = true
				}
			}); err != nil {
				t.Fatal(err)
			}
			m.settle()
			mu.Lock()
			defer mu.Unlock()
		}
		for range rapid.IntRange(0, 8).Draw(t, "operations") {
			if rapid.IntRange(0, 4).Draw(t, "operation") == 0 {
				m = m.crash()
				check()
				continue
			}
			send(rapid.SliceOfN(rapid.IntRange(0, len(all)-1), 1, 6).Draw(t, "rows"))
		}
		m = m.crash()
		for i := range all {
			if !promised[i] {
				send([]int{i})
			}
		}
		if len(promised) != len(all) {
			t.Fatalf("%d of %d rows were promised", len(promised), len(all))
		}
		check()
		out := m.recorded()
		if len(out) != n {
			t.Fatalf("%d outcomes of %d groups", len(out), n)
		}
		for _, o := range out {
			for i, r := range o.Rollouts {
				if d := cmp.Diff(row(o.Step, o.Position, len(o.Rollouts), i).Rollout, r); d != "" {
					t.Fatal(d)
				}
			}
		}
	})
}

func TestAGroupIsPromisedWithItsLastRollout(t *testing.T) {
	t.Parallel()
	m := newMachine(t, faultfs.New(), 0)
	var first *groups.Done
	if err := m.c.Add(t.Context(), []groups.Row{row(0, 0, 3, 1)}, func(d groups.Done, err error) { first = &d }); err != nil {
		t.Fatal(err)
	}
	early, late := row(0, 0, 3, 0), row(0, 0, 3, 2)
	early.Time, late.Time = time.Unix(10, 0).UTC(), time.Unix(20, 0).UTC()
	if done, err := m.add(late); done != nil || err != nil || first != nil {
		t.Fatalf("%v, %v, %v", done, err, first)
	}
	done, err := m.add(early)
	if err != nil || done == nil || first == nil || first.Snapshot != done.Snapshot || first.Added != 1 {
		t.Fatalf("%v, %v, %v", done, first, err)
	}
	if out := m.recorded(); len(out) != 1 || !out[0].Time.Equal(late.Time) {
		t.Errorf("%+v", out)
	}
	if groups, bytes := m.c.Waiting(); groups != 0 || bytes != 0 {
		t.Errorf("%d groups of %d bytes wait", groups, bytes)
	}
}

func TestAnotherRowInTheSamePlaceIsRefusedAndNothingOfItsBatchTaken(t *testing.T) {
	t.Parallel()
	m := newMachine(t, faultfs.New(), 0)
	named := row(0, 0, 3, 0)
	named.Name = "a"
	if _, err := m.add(named, row(0, 1, 1, 0)); err != nil {
		t.Fatal(err)
	}
	change := func(f func(*groups.Row)) groups.Row {
		r := row(0, 0, 3, 0)
		f(&r)
		return r
	}
	for text, r := range map[string]groups.Row{
		"rollout 0 was another":                        change(func(r *groups.Row) { r.Rollout.Reward = history.Number{} }),
		"the group has 3 rollouts, this row says 4":    change(func(r *groups.Row) { r.Size = 4 }),
		`the group is "a", this row says "b"`:          change(func(r *groups.Row) { r.Name = "b" }),
		"phase, policy, judge or limits differ":        change(func(r *groups.Row) { r.Head.Policy = "q" }),
		"the history has the group with another":       func() groups.Row { r := row(0, 1, 1, 0); r.Rollout.Response = "?"; return r }(),
		"the history has the group with 1 rollouts":    row(0, 1, 2, 0),
		"rollout 1 is twice among these rows; run \"r": change(func(r *groups.Row) { r.Index = 1 }),
	} {
		rows := []groups.Row{row(0, 0, 3, 1), row(5, 5, 2, 0), r}
		_, err := m.add(rows...)
		wantError(t, err, groups.ErrConflict, text)
		var at *groups.RowError
		if !errors.As(err, &at) || at.Index != 2 {
			t.Errorf("%v is not of row 2", err)
		}
	}
	for text, r := range map[string]groups.Row{
		"group_size 0": row(0, 0, 0, 0), "group_size 5000": row(0, 0, 5000, 0), "rollout 3 is not one of 3": row(0, 0, 3, 3),
		"reward 2 is outside [0, 1]": change(func(r *groups.Row) { r.Rollout.Reward = history.Known(2) }),
	} {
		_, err := m.add(r)
		var invalid *groups.InvalidError
		if !errors.As(err, &invalid) || !strings.Contains(err.Error(), text) {
			t.Errorf("%v; want %q", err, text)
		}
	}
	if n, _ := m.c.Waiting(); n != 1 {
		t.Errorf("%d groups wait", n)
	}
}

func TestFlushWritesWhatIsMissingAsUnknown(t *testing.T) {
	t.Parallel()
	m := newMachine(t, faultfs.New(), 0)
	if _, err := m.add(row(3, 0, 2, 1), row(3, 1, 4, 0), row(4, 2, 2, 0)); err != nil {
		t.Fatal(err)
	}
	step := int64(3)
	f, err := m.c.Flush(t.Context(), "r", "phase-1", &step)
	if err != nil || f.Groups != 2 || f.Missing != 4 {
		t.Fatalf("%+v, %v", f, err)
	}
	out := m.recorded()
	if len(out) != 2 || len(out[0].Rollouts)+len(out[1].Rollouts) != 6 {
		t.Fatalf("%+v", out)
	}
	for _, o := range out {
		for i, r := range o.Rollouts {
			if sent := o.Position == 0 && i == 1 || o.Position == 1 && i == 0; r.Reward.Known != sent {
				t.Errorf("position %d, rollout %d: %+v", o.Position, i, r)
			}
		}
	}
	_, err = m.add(row(3, 0, 2, 0))
	wantError(t, err, groups.ErrConflict, "or without it")
	if done, err := m.add(row(3, 0, 2, 1)); err != nil || done == nil || done.Same != 1 {
		t.Errorf("%v, %v", done, err)
	}
	if f, err := m.c.Flush(t.Context(), "r", "phase-1", nil); err != nil || f.Groups != 1 {
		t.Errorf("%+v, %v", f, err)
	}
	if f, err := m.c.Flush(t.Context(), "r", "", nil); err != nil || f.Groups != 0 || f.Snapshot == "" {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestIncompleteGroupsAreBoundedAndThoseThatBeganMayEnd(t *testing.T) {
	t.Parallel()
	m := newMachine(t, faultfs.New(), 4000)
	var err error
	begun := int64(0)
	for ; err == nil && begun < 100; begun++ {
		_, err = m.add(row(0, begun, 4, 0))
	}
	wantError(t, err, groups.ErrFull, `the oldest lacks 3 of 4 rollouts: run "r", train_stage "phase-1", step 0, position 0`)
	if begun == 100 || begun < 3 {
		t.Fatalf("%d groups began", begun)
	}
	if done, err := m.add(row(0, 0, 4, 1), row(0, 0, 4, 2), row(0, 0, 4, 3)); err != nil || done == nil {
		t.Fatalf("%v, %v", done, err)
	}
	if _, err := m.add(row(0, 200, 4, 0)); err != nil {
		t.Error(err)
	}
	for i := 0; err == nil || !errors.Is(err, groups.ErrFull); i++ { // a row that comes again and again holds memory too
		if _, err = m.add(row(0, 1, 4, 0)); i > 1000 {
			t.Fatal("no bound")
		}
	}
	_, err = newMachine(t, faultfs.New(), 100).add(row(0, 0, 1, 0))
	wantError(t, err, groups.ErrFull, "these rows alone")
}

func TestAResumedRunTakesItsIncompleteGroupsBack(t *testing.T) {
	t.Parallel()
	m := newMachine(t, faultfs.New(), 0)
	if done, err := m.add(row(1, 0, 1, 0), row(2, 1, 1, 0)); err != nil || done == nil {
		t.Fatal(done, err)
	}
	ended := make(chan error, 1)
	if err := m.c.Add(t.Context(), []groups.Row{row(2, 2, 2, 0)}, func(_ groups.Done, err error) { ended <- err }); err != nil {
		t.Fatal(err)
	}
	if _, err := m.add(row(1, 3, 2, 0)); err != nil {
		t.Fatal(err)
	}
	if n, err := m.c.Resume(t.Context(), history.Cursor{Run: "r", TrainStage: "phase-1", Step: 2}); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	wantError(t, <-ended, groups.ErrTakenBack, "position 2")
	again := row(2, 1, 1, 0)
	again.Rollout.Reward = history.Known(1)
	if done, err := m.add(again); err != nil || done == nil || done.Added != 1 {
		t.Fatal(done, err)
	}
	if n, _ := m.c.Waiting(); n != 1 {
		t.Errorf("%d groups wait", n)
	}
}

func TestAGroupThatTheHistoryRefusesDoesNotHinderTheOthers(t *testing.T) {
	t.Parallel()
	m := newMachine(t, faultfs.New(), 0)
	if _, err := m.add(row(0, 0, 2, 0)); err != nil { // the step is known now
		t.Fatal(err)
	}
	other := row(0, 0, 2, 0)
	outcome := history.Outcome{Identity: other.Identity, Rollouts: []history.Rollout{other.Rollout}}
	if _, err := m.store.Append(t.Context(), []history.Outcome{outcome}); err != nil { // by the other door
		t.Fatal(err)
	}
	_, err := m.add(row(0, 0, 2, 1), row(0, 1, 1, 0))
	wantError(t, err, history.ErrConflict, "position 0")
	if out := m.recorded(); len(out) != 2 {
		t.Errorf("%d outcomes", len(out))
	}
}

func TestWhatTheDiskRefusesIsNotPromisedAndMayComeAgain(t *testing.T) {
	t.Parallel()
	m := newMachine(t, faultfs.New(), 0)
	full := errors.New("disk full")
	m.fsys.OnOp(func(int, faultfs.Op) error { return full })
	done, err := m.add(row(0, 0, 1, 0))
	if done != nil || !errors.Is(err, full) {
		t.Fatal(done, err)
	}
	m.fsys.OnOp(nil)
	if done, err := m.add(row(0, 0, 1, 0)); err != nil || done == nil || done.Added != 1 {
		t.Fatal(done, err)
	}
}
