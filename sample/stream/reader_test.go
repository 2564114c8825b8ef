package stream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/stream"
	"github.com/longctx/pipeline/sample/stream/streamtest"
)

func TestEveryPositionIsSeenOnceWhateverRanksAndWorkers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamtest.Spec{Phases: []int{37, 23}, Shards: 2}, true)
	p := w.plan(t, 2, 7)
	numbers := []int{1, 2, 3, 8}
	for _, ranks := range numbers {
		for _, workers := range numbers {
			for _, o := range []stream.Options{{Batch: 8}, {Batch: 11, Balance: true}, {BatchTokens: 700}, {BatchTokens: 900, Balance: true}} {
				o.Plans, o.Ranks, o.Workers = []*curriculum.Plan{p}, ranks, workers
				var all []row
				for o.Rank = range ranks {
					for o.Worker = range workers {
						got, _ := read(t, w.src, o, -1)
						all = append(all, got...)
					}
				}
				w.wantPlan(t, all, 0, p)
			}
		}
	}
}

func TestRankROfRTakesThePositionsPModR(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamtest.Spec{Phases: []int{20}}, false)
	p := w.plan(t, 1, 1)
	got, _ := read(t, w.src, stream.Options{Plans: []*curriculum.Plan{p}, Batch: 6, Rank: 1, Ranks: 3}, -1)
	for i, r := range got {
		if r.Position != int64(3*i+1) {
			t.Fatalf("row %d is position %d", i, r.Position)
		}
	}
}

// consume takes the first global batches with every rank and worker, and returns the rows
// that were taken and the cursor after them.
func consume(t testing.TB, src *stream.Source, o stream.Options, batches int64) ([]row, stream.Cursor) {
	t.Helper()
	var out []row
	next, furthest := o.Cursor, int64(-1)
	for o.Rank = range o.Ranks {
		for o.Worker = range o.Workers {
			r, err := src.NewReader(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			for {
				b, err := r.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if b.Number >= batches {
					b.Release()
					break
				}
				if b.Number > furthest {
					next, furthest = b.Cursor, b.Number
				}
				out = append(out, rowsOf(t, b.Record)...)
				b.Release()
			}
			r.Close()
		}
	}
	return out, next
}

func TestResumingWithOtherNumbersEqualsNeverHavingStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamtest.Spec{Phases: []int{41, 23}, Shards: 3}, true)
	one := w.plan(t, 1, 5)
	two := streamtest.Plan(t, w.fsys, w.m, "two.parquet", func() curriculum.Config {
		c := curriculum.DefaultConfig(2)
		c.Retrospective = curriculum.NameUniform
		return c
	}(), 0, 0)
	plans := []*curriculum.Plan{one, two}
	rapid.Check(t, func(rt *rapid.T) {
		number := rapid.SampledFrom([]int{1, 2, 3, 8})
		var all []row
		var c stream.Cursor
		for range rapid.IntRange(0, 1).Draw(rt, "stops") {
			o := drawOptions(rt, plans, c)
			o.Ranks, o.Workers = number.Draw(rt, "ranks"), number.Draw(rt, "workers")
			got, next := consume(t, w.src, o, rapid.Int64Range(0, 8).Draw(rt, "batches"))
			all, c = append(all, got...), next
			back, err := stream.ParseCursor(c.String())
			if err != nil || back != c {
				rt.Fatalf("%v became %v: %v", c, back, err)
			}
		}
		o := drawOptions(rt, plans, c)
		rest, _ := read(t, w.src, o, -1)
		w.wantPlan(t, append(all, rest...), 0, plans...)
	})
}

func drawOptions(rt *rapid.T, plans []*curriculum.Plan, c stream.Cursor) stream.Options {
	o := stream.Options{Plans: plans, Cursor: c, Balance: rapid.Bool().Draw(rt, "balance"), Ranks: 1, Workers: 1}
	if rapid.Bool().Draw(rt, "by tokens") {
		o.BatchTokens = rapid.Int64Range(1, 900).Draw(rt, "tokens")
	} else {
		o.Batch = rapid.IntRange(8, 20).Draw(rt, "batch")
	}
	o.Prefetch = rapid.Int64Range(1, 1<<16).Draw(rt, "prefetch")
	return o
}

func TestAnyPositionIsAPlaceToBegin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamtest.Spec{Phases: []int{19}}, true)
	p := w.plan(t, 1, 5)
	_, c := read(t, w.src, stream.Options{Plans: []*curriculum.Plan{p}, Batch: 1}, 1)
	for position := int64(1); position <= p.Len(); position++ {
		c.Position = position
		got, _ := read(t, w.src, stream.Options{Plans: []*curriculum.Plan{p}, Batch: 5, Cursor: c}, -1)
		w.wantPlan(t, got, position, p)
	}
}

func TestAPlanThatGrowsGoesOnWhereItEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamtest.Spec{Phases: []int{30}}, false)
	c := curriculum.DefaultConfig(1)
	c.Strategy = curriculum.NameThompson
	p := streamtest.Plan(t, w.fsys, w.m, "plan.parquet", c, 7, 2) // 14 of 30 positions
	o := stream.Options{Plans: []*curriculum.Plan{p}, Batch: 4}
	first, next := read(t, w.src, o, -1)
	if len(first) != 12 || next.Position != 12 {
		t.Fatalf("%d rows to position %d; a batch that is not full should wait", len(first), next.Position)
	}
	table, err := curriculum.ReadTable(t.Context(), w.fsys, w.m, 1)
	if err != nil {
		t.Fatal(err)
	}
	planner, err := curriculum.Resume(table, p)
	if err != nil {
		t.Fatal(err)
	}
	streamtest.Grow(t, w.fsys, planner, table, c, "plan.parquet", 7, 0)
	if err := p.Refresh(); err != nil {
		t.Fatal(err)
	}
	o.Cursor = next
	rest, _ := read(t, w.src, o, -1)
	w.wantPlan(t, append(first, rest...), 0, p)
}

func TestTheLastBatchIsDroppedWhereAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamtest.Spec{Phases: []int{10, 9}}, false)
	one := w.plan(t, 1, 5) // 20 positions
	two := streamtest.Plan(t, w.fsys, w.m, "two.parquet", curriculum.DefaultConfig(2), 0, 0)
	got, _ := read(t, w.src, stream.Options{Plans: []*curriculum.Plan{one, two}, Batch: 8, DropLast: true}, -1)
	var phases [3]int
	for _, r := range got {
		phases[r.Phase]++
	}
	if phases != [3]int{0, 16, 8} {
		t.Errorf("rows by phase %v", phases)
	}
}

func TestACursorOfSomethingElseIsRefusedWithTheDifferenceNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamtest.Spec{Phases: []int{10, 10}}, false)
	other := newWorld(t, streamtest.Spec{Phases: []int{10, 10}, Seed: 9}, false)
	p := w.plan(t, 1, 5)
	_, c := read(t, w.src, stream.Options{Plans: []*curriculum.Plan{p}, Batch: 4}, 1)
	epochs := curriculum.DefaultConfig(1)
	epochs.Seed, epochs.Epochs = 5, 3
	past := c
	past.Position = 99
	redrawn := c
	redrawn.RowsSHA256 = "0123456789abcdef"
	for _, test := range []struct {
		name   string
		src    *world
		plan   *curriculum.Plan
		cursor stream.Cursor
		want   string
	}{
		{"dataset", other, other.plan(t, 1, 5), c, fmt.Sprintf("it is of dataset %.16s, and this is %.16s", w.m.ID, other.m.ID)},
		{"seed", w, w.plan(t, 1, 6), c, "it is of a plan with seed 5, and this one has seed 6"},
		{"phase", w, w.plan(t, 2, 5), c, "it is of a plan of phase 1, and this is one of phase 2"},
		{"options", w, streamtest.Plan(t, w.fsys, w.m, "e.parquet", epochs, 0, 0), c, "same phase and seed, but another history or other options"},
		{"position", w, p, past, "it is at position 99, and the plan has 20 so far"},
		{"rows", w, p, redrawn, "the rows before position 4 are others than it has seen"},
	} {
		_, err := test.src.src.NewReader(t.Context(), stream.Options{Plans: []*curriculum.Plan{test.plan}, Batch: 4, Cursor: test.cursor})
		if !errors.Is(err, stream.ErrCursor) || !contains(err, test.want) {
			t.Errorf("%s: %v; want %q", test.name, err, test.want)
		}
	}
	for _, text := range []string{"{", "x", `{"version":2}`, `{"version":1,"positon":3}`, `{"version":1,"position":-1}`, c.String() + c.String()} {
		if got, err := stream.ParseCursor(text); !errors.Is(err, stream.ErrCursor) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

func contains(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }

func TestOptionsThatCannotBeUsedAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamtest.Spec{Phases: []int{10}}, false)
	p := w.plan(t, 1, 5)
	plans := []*curriculum.Plan{p}
	for _, o := range []stream.Options{
		{Batch: 4},
		{Plans: plans},
		{Plans: plans, Batch: 4, BatchTokens: 100},
		{Plans: plans, Batch: 4, Rank: 2, Ranks: 2},
		{Plans: plans, Batch: 4, Worker: -1},
		{Plans: plans, Batch: 4, Ranks: 5},
		{Plans: plans, BatchTokens: 1 << 40},
		{Plans: append(plans, p), Batch: 4},
	} {
		if r, err := w.src.NewReader(t.Context(), o); err == nil {
			r.Close()
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestAShardWithoutTextHasNullQuestions(t *testing.T) {
	t.Parallel()
	for _, cache := range []bool{false, true} {
		w := newWorld(t, streamtest.Spec{Phases: []int{10}, Lean: true}, cache)
		if err := w.src.Warm(); err != nil {
			t.Fatal(err)
		}
		p := w.plan(t, 1, 5)
		got, _ := read(t, w.src, stream.Options{Plans: []*curriculum.Plan{p}, Batch: 4}, -1)
		for _, r := range got {
			if r.HasQuestion || len(r.IDs) == 0 {
				t.Fatalf("%+v", r)
			}
		}
	}
}

func TestBalancedRanksGetEqualRowsAndNearlyEqualTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamtest.Spec{Phases: []int{256}, Longest: 4000}, false)
	p := w.plan(t, 1, 5)
	spread := func(balance bool) (worst float64) {
		var tokens [4][]int64
		for rank := range tokens {
			r, err := w.src.NewReader(t.Context(), stream.Options{Plans: []*curriculum.Plan{p}, Batch: 64, Rank: rank, Ranks: 4, Balance: balance})
			if err != nil {
				t.Fatal(err)
			}
			for range 8 {
				b, err := r.Next()
				if err != nil {
					t.Fatal(err)
				}
				if b.Record.NumRows() != 16 {
					t.Fatalf("%d rows", b.Record.NumRows())
				}
				tokens[rank] = append(tokens[rank], b.Tokens)
				b.Release()
			}
			r.Close()
		}
		for i := range tokens[0] {
			low, high := tokens[0][i], tokens[0][i]
			for _, of := range tokens {
				low, high = min(low, of[i]), max(high, of[i])
			}
			worst = max(worst, float64(high)/float64(low))
		}
		return worst
	}
	plain, balanced := spread(false), spread(true)
	if balanced > 1.05 || balanced > plain {
		t.Errorf("the rank with most tokens has %.3f times those of the rank with fewest; %.3f unbalanced", balanced, plain)
	}
}

func TestPrefetchIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamtest.Spec{Phases: []int{64}, Longest: 4000}, false)
	p := w.plan(t, 1, 5)
	asked := make(chan struct{}, 1000)
	r, err := w.src.NewReader(t.Context(), stream.Options{Plans: []*curriculum.Plan{p}, Batch: 1, Limit: func() int64 {
		asked <- struct{}{}
		return 1 // each batch alone
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	<-asked // the second batch waits for the first to be taken
	select {
	case <-asked:
		t.Error("a third batch was thought of before the first was taken")
	case <-time.After(20 * time.Millisecond):
	}
	b, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	b.Release()
	<-asked
}

func TestACancelledReaderEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamtest.Spec{Phases: []int{64}}, false)
	p := w.plan(t, 1, 5)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := w.src.NewReader(ctx, stream.Options{Plans: []*curriculum.Plan{p}, Batch: 1, Prefetch: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cancel()
	for {
		b, err := r.Next()
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			return
		}
		b.Release()
	}
}
