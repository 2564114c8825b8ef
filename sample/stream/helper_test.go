package stream_test

import (
	"context"
	"errors"
	"io"
	"reflect"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/stream"
	"github.com/longctx/pipeline/sample/stream/streamtest"
)

// A row is one row of a batch, as a consumer sees it.
type row struct {
	Position      int64
	Epoch         int32
	ID            string
	Phase, Origin int32
	IDs           []int32
	Question      string
	HasQuestion   bool
	Answers       []string
	DataSource    string
}

func rowsOf(t testing.TB, rec arrow.Record) []row {
	t.Helper()
	out := make([]row, rec.NumRows())
	ids, answers := rec.Column(5).(*array.List), rec.Column(8).(*array.List)
	for i := range out {
		r := &out[i]
		r.Position = rec.Column(0).(*array.Int64).Value(i)
		r.Epoch = rec.Column(1).(*array.Int32).Value(i)
		r.ID = rec.Column(2).(*array.String).Value(i)
		r.Phase = rec.Column(3).(*array.Int32).Value(i)
		r.Origin = rec.Column(4).(*array.Int32).Value(i)
		from, to := ids.ValueOffsets(i)
		r.IDs = slices.Clone(ids.ListValues().(*array.Int32).Int32Values()[from:to])
		if n := rec.Column(6).(*array.Int32).Value(i); int(n) != len(r.IDs) {
			t.Fatalf("position %d: prompt_length %d, and %d ids", r.Position, n, len(r.IDs))
		}
		if q := rec.Column(7).(*array.String); q.IsValid(i) {
			r.Question, r.HasQuestion = q.Value(i), true
		}
		from, to = answers.ValueOffsets(i)
		for j := from; j < to; j++ {
			r.Answers = append(r.Answers, answers.ListValues().(*array.String).Value(int(j)))
		}
		r.DataSource = rec.Column(9).(*array.String).Value(i)
		last := i == len(out)-1
		if c := rec.Column(10).(*array.String); c.IsValid(i) != last {
			t.Fatalf("position %d: row %d of %d has a cursor: %v", r.Position, i, len(out), c.IsValid(i))
		}
	}
	return out
}

// A world is a dataset with plans in memory.
type world struct {
	fsys    *faultfs.FS
	m       *dataset.Manifest
	samples map[string]streamtest.Sample
	src     *stream.Source
}

func newWorld(t testing.TB, spec streamtest.Spec, cache bool) *world {
	t.Helper()
	w := &world{fsys: faultfs.New()}
	w.m, w.samples = streamtest.Dataset(t, w.fsys, spec)
	w.src = w.open(t, cache)
	return w
}

func (w *world) open(t testing.TB, cache bool) *stream.Source {
	t.Helper()
	src, err := stream.Open(w.fsys, stream.SourceOptions{Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	})
	return src
}

func (w *world) plan(t testing.TB, phase int32, seed uint64) *curriculum.Plan {
	t.Helper()
	c := curriculum.DefaultConfig(phase)
	c.Seed, c.Epochs = seed, 2
	if phase > 1 {
		c.Retrospective, c.Ratio = curriculum.NameUniform, 0.5
	}
	return streamtest.Plan(t, w.fsys, w.m, "plan.parquet", c, 0, 0)
}

// read reads up to n batches, -1: all, and returns their rows and the last cursor.
func read(t testing.TB, src *stream.Source, o stream.Options, n int) ([]row, stream.Cursor) {
	t.Helper()
	r, err := src.NewReader(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var out []row
	last := o.Cursor
	for ; n != 0; n-- {
		b, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, last
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rowsOf(t, b.Record)...)
		last = b.Cursor
		b.Release()
	}
	return out, last
}

// wantPlan checks that rows are exactly the positions of plans from one on, with the samples
// that the plans name.
func (w *world) wantPlan(t testing.TB, got []row, from int64, plans ...*curriculum.Plan) {
	t.Helper()
	slices.SortFunc(got, func(a, b row) int {
		if a.Phase != b.Phase {
			return int(a.Phase - b.Phase)
		}
		return int(a.Position - b.Position)
	})
	var want []row
	for _, p := range plans {
		for entries, err := range p.Entries(from) {
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				s, ok := w.samples[e.SampleID]
				if !ok {
					t.Fatalf("no sample %s", e.SampleID)
				}
				want = append(want, row{
					e.Position, e.Epoch, e.SampleID, p.Config().Phase, s.Phase, s.IDs, s.Question, true, s.Answers, s.DataSource,
				})
			}
		}
		from = 0
	}
	if !reflect.DeepEqual(want, got) { // much faster than cmp.Diff
		t.Fatalf("rows (-want +got):\n%.2000s", cmp.Diff(want, got))
	}
}
