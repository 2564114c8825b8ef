package build

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
)

// twiceEach runs every task in two attempts at the same time.
func twiceEach(t *testing.T, o Options) func(context.Context, Work) error {
	return func(ctx context.Context, w Work) error {
		var wg sync.WaitGroup
		for i, task := range w.Tasks {
			for try := range 2 {
				wg.Go(func() {
					if err := Attempt(ctx, o, fmt.Sprintf("task-%d-%d", i, try), task.Splits); err != nil {
						t.Errorf("task %d, attempt %d: %v", i, try, err)
					}
				})
			}
			wg.Wait()
		}
		return nil
	}
}

func TestTasksThatRunTwiceAtOnceEndWithTheSameBytes(t *testing.T) {
	input := corpus(t, 300)
	want, got := faultfs.New(), faultfs.New()
	mustRun(t, options(want, input))
	o := options(got, input)
	r, err := Distribute(t.Context(), o, Cut{TaskBytes: 9 << 10}, twiceEach(t, options(got, input)))
	if err != nil || r.UpToDate {
		t.Fatalf("%+v, %v", r, err)
	}
	sameFiles(t, "distributed", got.Files(), want.Files())
}

func TestAnAttemptMayFailAnywhere(t *testing.T) {
	input := corpus(t, 100)
	want := faultfs.New()
	mustRun(t, options(want, input))
	ops := want.Ops() // more than one attempt has
	for n := 0; n < ops; n += 3 {
		fsys := planned(t, input)
		late, met := options(fsys, input), false
		if err := fsys.Remove(splitDir(1)); err != nil { // so that the attempt has something to do
			t.Fatal(err)
		}
		fsys.OnOp(func(i int, op faultfs.Op) error {
			if i == n {
				met = true
				return errFault
			}
			return nil
		})
		err := Attempt(t.Context(), late, "late", []int{1})
		fsys.OnOp(nil)
		if err != nil && !met {
			t.Errorf("nothing failed, and the attempt says %v", err)
		}
		mustRun(t, options(fsys, input))
		sameFiles(t, fmt.Sprintf("after operation %d", n), fsys.Files(), want.Files())
		if !met {
			return
		}
	}
}

func TestAnAttemptThatOutlivesTheBuildLeavesNothing(t *testing.T) {
	input := corpus(t, 100)
	want := faultfs.New()
	mustRun(t, options(want, input))
	fsys := faultfs.New()
	if _, _, err := PlanOnly(t.Context(), options(fsys, input)); err != nil {
		t.Fatal(err)
	}
	late, err := newBuild(t.Context(), options(fsys, input))
	if err != nil {
		t.Fatal(err)
	}
	late.attempt = "late"
	s, err := newSink(late, 1)
	if err != nil {
		t.Fatal(err)
	}
	mustRun(t, options(fsys, input)) // the build ends while the attempt has its split in hand
	if err := s.finish("", 0); !errors.Is(err, ErrNoPlan) {
		t.Errorf("got %v", err)
	}
	sameFiles(t, "after the late end", fsys.Files(), want.Files())
}

func TestSplitsOfAnotherPlanAreNotTaken(t *testing.T) {
	input := corpus(t, 100)
	fsys, want := planned(t, input), faultfs.New()
	o := options(fsys, input)
	o.Bucket.Phases = []int32{400}
	clean := o
	clean.Output = want
	mustRun(t, clean)
	// What a late attempt of the plan before may leave: its splits, under the new plan.
	if err := fsys.Remove(planFile); err != nil {
		t.Fatal(err)
	}
	mustRun(t, o)
	sameFiles(t, "with splits of another plan", fsys.Files(), want.Files())
}

func TestTasksThatWriteElsewhereAreNoticed(t *testing.T) {
	input := corpus(t, 100)
	_, err := Distribute(t.Context(), options(faultfs.New(), input), Cut{TaskBytes: 1}, func(context.Context, Work) error { return nil })
	if !errors.Is(err, ErrNotThere) || !strings.Contains(err.Error(), "split 0") {
		t.Errorf("got %v", err)
	}
}

func TestOutlineLeavesOutWhatIsDone(t *testing.T) {
	input := corpus(t, 300)
	fsys := planned(t, input)
	for _, i := range []int{2, 3, 5} {
		if err := fsys.Remove(splitDir(i)); err != nil {
			t.Fatal(err)
		}
	}
	w, _, err := Outline(t.Context(), options(fsys, input), Cut{TaskBytes: 1 << 30})
	if err != nil || len(w.Tasks) != 1 || FormatSplits(w.Tasks[0].Splits) != "2..3,5" {
		t.Errorf("%+v, %v", w, err)
	}
}

func TestTasksHoldEverySplitOnceInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.Int64Range(0, 100), 1, 200).Draw(t, "sizes")
		cut := Cut{TaskBytes: rapid.Int64Range(1, 300).Draw(t, "bytes"), MaxTasks: rapid.IntRange(0, 20).Draw(t, "most")}
		var all []int
		for i := range sizes {
			if rapid.Bool().Draw(t, "left") {
				all = append(all, i)
			}
		}
		tasks := tasksOf(all, sizes, cut)
		var got []int
		for _, task := range tasks {
			got = append(got, task.Splits...)
			if len(task.Splits) > 1 && task.Bytes > 3*max(cut.TaskBytes, 100) && cut.MaxTasks == 0 {
				t.Fatalf("a task of %d bytes", task.Bytes)
			}
		}
		if !slices.Equal(got, all) || cut.MaxTasks > 0 && len(tasks) > cut.MaxTasks {
			t.Fatalf("%d tasks, splits %v, want %v", len(tasks), got, all)
		}
		if len(all) > 0 {
			if back, err := ParseSplits(FormatSplits(all)); err != nil || !slices.Equal(back, all) {
				t.Fatalf("%q came back as %v, %v", FormatSplits(all), back, err)
			}
		}
	})
}

func TestBadListsOfSplitsAreRefused(t *testing.T) {
	for _, text := range []string{"", "a", "1..", "3..1", "-1", "1,,2", "0..99999999999", "1...3"} {
		if got, err := ParseSplits(text); err == nil {
			t.Errorf("%q gave %d splits", text, len(got))
		}
	}
}

func TestCommittedNeedsAManifestAndNoPlan(t *testing.T) {
	fsys := planned(t, corpus(t, 40))
	got := []bool{Committed(fsys)}
	n, err := Done(fsys)
	if err != nil || n == 0 {
		t.Errorf("%d splits are done, %v", n, err)
	}
	write(t, fsys, dataset.ManifestName, []byte("{}"))
	got = append(got, Committed(fsys))
	if err := fsys.Remove(planFile); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]bool{false, false, true}, append(got, Committed(fsys))); d != "" {
		t.Error(d)
	}
}
