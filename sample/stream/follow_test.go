package stream_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/stream"
	"github.com/longctx/pipeline/sample/stream/streamtest"
)

// growing draws the plan of phase 1 in segments of 7 positions, the first at once and another
// every three seconds; it returns the plan as it stands, and a way to open it later.
func (w *world) growing(t *testing.T) (p *curriculum.Plan, open func(int) (*curriculum.Plan, error)) {
	t.Helper()
	c := curriculum.DefaultConfig(1)
	table, err := curriculum.ReadTable(t.Context(), w.fsys, w.m, 1)
	if err != nil {
		t.Fatal(err)
	}
	planner, err := curriculum.New(table, c)
	if err != nil {
		t.Fatal(err)
	}
	grow := func() { streamtest.Grow(t, w.fsys, planner, table, c, "plan.parquet", 7, 1) }
	grow()
	go func() {
		for !planner.Done() {
			time.Sleep(3 * time.Second)
			grow()
		}
	}()
	open = func(int) (*curriculum.Plan, error) { return curriculum.Open(w.fsys, "plan.parquet") }
	if p, err = open(0); err != nil {
		t.Fatal(err)
	}
	return p, open
}

func TestAStreamThatWaitsForAGrowingPlanEqualsOneOfTheWholePlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamtest.Spec{Phases: []int{40}}, false)
		p, open := w.growing(t)
		follow := stream.Follow{Open: open, Most: 10 * time.Second}
		var mu sync.Mutex
		var all []row
		var wg sync.WaitGroup
		for worker := range 3 {
			wg.Go(func() {
				o := stream.Options{Plans: []*curriculum.Plan{p}, Batch: 5, Worker: worker, Workers: 3, More: follow.More}
				rows, _ := read(t, w.src, o, -1)
				for _, r := range rows {
					if int(r.Position)/5%3 != worker {
						t.Errorf("worker %d got position %d", worker, r.Position)
					}
				}
				mu.Lock()
				defer mu.Unlock()
				all = append(all, rows...)
			})
		}
		wg.Wait()
		whole, err := open(0)
		if err != nil || !whole.Done() || whole.Len() != 40 {
			t.Fatalf("%d positions, done %v: %v", whole.Len(), whole.Done(), err)
		}
		w.wantPlan(t, all, 0, whole)
	})
}

func TestAWaitForAGrowingPlanIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamtest.Spec{Phases: []int{40}}, false)
		p, open := w.growing(t)
		follow := stream.Follow{Open: open, Most: 2500 * time.Millisecond}
		o := stream.Options{Plans: []*curriculum.Plan{p}, Batch: 5, More: follow.More}
		begin := time.Now()
		rows, last := read(t, w.src, o, -1)
		if waited := time.Since(begin); waited != 2500*time.Millisecond {
			t.Errorf("it waited %v", waited)
		}
		if len(rows) != 5 || last.Position != 5 { // two positions wait for the next segment
			t.Errorf("%d rows, cursor at %d", len(rows), last.Position)
		}
		time.Sleep(time.Minute)
	})
}

func TestAWaitEndsWithItsReaderAndWhenThePlanIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamtest.Spec{Phases: []int{40}}, false)
		p, open := w.growing(t)
		follow := stream.Follow{Open: open, Most: time.Hour}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, err := w.src.NewReader(ctx, stream.Options{Plans: []*curriculum.Plan{p}, Batch: 7, More: follow.More})
		if err != nil {
			t.Fatal(err)
		}
		if b, err := r.Next(); err != nil {
			t.Fatal(err)
		} else {
			b.Release()
		}
		if _, err := r.Next(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		r.Close()
		c := curriculum.DefaultConfig(1)
		c.Seed = 99
		other := streamtest.Plan(t, w.fsys, w.m, "other.parquet", c, 0, 0)
		follow.Open = func(int) (*curriculum.Plan, error) { return other, nil }
		if _, err := follow.More(t.Context(), 0, p); !errors.Is(err, stream.ErrCursor) {
			t.Errorf("%v", err)
		}
		time.Sleep(time.Minute)
	})
}
