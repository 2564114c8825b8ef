package stream_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/stream"
	"github.com/longctx/pipeline/sample/stream/streamtest"
)

// A growing plan of phase 1 gets segments of 7 positions.
type growing struct {
	t    *testing.T
	w    *world
	grow func()

	mu      sync.Mutex
	changed chan struct{}
	done    func() bool
}

func newGrowing(t *testing.T) *growing {
	t.Helper()
	g := &growing{t: t, w: newWorld(t, streamtest.Spec{Phases: []int{40}}, false), changed: make(chan struct{})}
	c := curriculum.DefaultConfig(1)
	table, err := curriculum.ReadTable(t.Context(), g.w.fsys, g.w.m, 1)
	if err != nil {
		t.Fatal(err)
	}
	planner, err := curriculum.New(table, c)
	if err != nil {
		t.Fatal(err)
	}
	g.done = planner.Done
	g.grow = func() {
		streamtest.Grow(t, g.w.fsys, planner, table, c, "plan.parquet", 7, 1)
		g.mu.Lock()
		defer g.mu.Unlock()
		close(g.changed)
		g.changed = make(chan struct{})
	}
	g.grow()
	return g
}

func (g *growing) open(int) (*curriculum.Plan, error) {
	return curriculum.Open(g.w.fsys, "plan.parquet")
}

func (g *growing) plan() *curriculum.Plan {
	g.t.Helper()
	p, err := g.open(0)
	if err != nil {
		g.t.Fatal(err)
	}
	return p
}

func (g *growing) follow(most time.Duration) *stream.Follow {
	return &stream.Follow{Open: g.open, Most: most, Changed: func() <-chan struct{} {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.changed
	}}
}

func TestAStreamThatWaitsForAGrowingPlanEqualsOneOfTheWholePlan(t *testing.T) {
	t.Parallel()
	g := newGrowing(t)
	p := g.plan()
	var mu sync.Mutex
	var all []row
	var wg sync.WaitGroup
	for worker := range 3 {
		wg.Go(func() {
			o := stream.Options{Plans: []*curriculum.Plan{p}, Batch: 5, Worker: worker, Workers: 3, More: g.follow(time.Hour).More}
			rows, _ := read(t, g.w.src, o, -1)
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
	for !g.done() {
		g.grow()
	}
	wg.Wait()
	g.w.wantPlan(t, all, 0, g.plan())
}

func TestAWaitForAGrowingPlanIsBounded(t *testing.T) {
	t.Parallel()
	g := newGrowing(t)
	o := stream.Options{Plans: []*curriculum.Plan{g.plan()}, Batch: 5, More: g.follow(time.Millisecond).More}
	rows, last := read(t, g.w.src, o, -1)
	if len(rows) != 5 || last.Position != 5 { // two positions wait for the next segment
		t.Errorf("%d rows, cursor at %d", len(rows), last.Position)
	}
}

func TestAWaitEndsWithItsReaderAndWhenThePlanIsReplaced(t *testing.T) {
	t.Parallel()
	g := newGrowing(t)
	p, follow := g.plan(), g.follow(time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := g.w.src.NewReader(ctx, stream.Options{Plans: []*curriculum.Plan{p}, Batch: 7, More: follow.More})
	if err != nil {
		t.Fatal(err)
	}
	b, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	b.Release()
	cancel()
	if _, err := r.Next(); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	r.Close()
	c := curriculum.DefaultConfig(1)
	c.Seed = 99
	other := streamtest.Plan(t, g.w.fsys, g.w.m, "other.parquet", c, 0, 0)
	follow.Open = func(int) (*curriculum.Plan, error) { return other, nil }
	if _, err := follow.More(t.Context(), 0, p); !errors.Is(err, stream.ErrCursor) {
		t.Errorf("%v", err)
	}
}
