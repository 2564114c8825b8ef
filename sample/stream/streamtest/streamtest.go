// Package streamtest makes small datasets and plans for the tests of streams.
package streamtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/history"
)

// A Spec says what a dataset holds.
type Spec struct {
	Phases  []int // samples of each phase
	Shards  int   // of each phase; 0: 1
	Longest int32 // prompt length; 0: 40
	Lean    bool  // without text
	Seed    uint64
}

// A Sample is what the dataset holds of one sample.
type Sample struct {
	dataset.Sample
	Phase int32
	IDs   []int32
}

// Dataset writes a dataset and returns its samples by their id.
func Dataset(t testing.TB, fsys dataset.FS, spec Spec) (*dataset.Manifest, map[string]Sample) {
	t.Helper()
	spec.Shards, spec.Longest = max(spec.Shards, 1), max(spec.Longest, 40)
	rng := rand.New(rand.NewPCG(spec.Seed, 3))
	config, layout := "{}", dataset.LayoutFull
	if spec.Lean {
		config, layout = `{"no_text":true}`, dataset.LayoutLean
	}
	m := &dataset.Manifest{
		Stage: dataset.StageBucket, Config: dataset.Config{dataset.StageBucket: []byte(config)},
		Tokenizer: &dataset.Tokenizer{Name: "test", SHA256: fmt.Sprint(spec.Seed), VocabSize: 1 << 20},
	}
	all := map[string]Sample{}
	for p, n := range spec.Phases {
		phase := int32(p + 1)
		m.Phases = append(m.Phases, dataset.Phase{Phase: phase, Min: spec.Longest * int32(p), Max: spec.Longest * phase, Samples: int64(n)})
		for shard := range spec.Shards {
			var samples []Sample
			for i := n * shard / spec.Shards; i < n*(shard+1)/spec.Shards; i++ {
				s := draw(rng, phase, i, spec)
				all[s.ID] = s
				samples = append(samples, s)
			}
			m.Shards = append(m.Shards, write(t, fsys, layout, phase, shard, samples))
		}
	}
	data, err := m.Seal()
	if err == nil {
		_, err = dataset.WriteFile(fsys, dataset.ManifestName, data)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m, all
}

func draw(rng *rand.Rand, phase int32, i int, spec Spec) Sample {
	s := Sample{Phase: phase, IDs: make([]int32, spec.Longest*(phase-1)+1+rng.Int32N(spec.Longest))}
	for j := range s.IDs {
		s.IDs[j] = rng.Int32N(1 << 20)
	}
	s.Sample = dataset.Sample{Source: "test", Context: "c", Question: fmt.Sprintf("question %d of phase %d, %d", i, phase, spec.Seed)}
	for range rng.IntN(3) {
		s.Answers = append(s.Answers, fmt.Sprint("answer ", rng.IntN(9)))
	}
	if i%3 > 0 {
		s.DataSource = fmt.Sprint("task ", i%3)
	}
	s.ID = dataset.HashSample(&s.Sample, dataset.HashContext("c"))
	return s
}

func write(t testing.TB, fsys dataset.FS, layout dataset.Layout, phase int32, shard int, samples []Sample) dataset.Shard {
	t.Helper()
	w, err := dataset.NewShardWriter(fsys, fmt.Sprintf("phases/phase-%d/shard-%05d.parquet", phase, shard), layout)
	if err != nil {
		t.Fatal(err)
	}
	b, tb := dataset.NewBatchBuilder(), dataset.NewTokenBuilder()
	phases := array.NewInt32Builder(memory.DefaultAllocator)
	rows := make([]int, len(samples))
	for i := range samples {
		rows[i] = i
		b.Append(&samples[i].Sample, dataset.Place{})
		tb.Append(dataset.Tokens{Prompt: samples[i].IDs})
		phases.Append(phase)
	}
	rec := dataset.Extend(b.Batch(), dataset.BucketSchema, append(tb.Columns(), phases.NewArray())...)
	defer rec.Release()
	if err := w.Append(dataset.ViewBatch(rec), rows); err != nil {
		t.Fatal(err)
	}
	s, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	s.Kind, s.Phase = dataset.KindRL, phase
	return s
}

// Plan draws a plan of a phase and writes it: in one segment, or in segments of so many
// positions each, of which only some are drawn (0: all).
func Plan(t testing.TB, fsys dataset.FS, m *dataset.Manifest, name string, c curriculum.Config, each int64, segments int) *curriculum.Plan {
	t.Helper()
	table, err := curriculum.ReadTable(context.Background(), fsys, m, c.Phase)
	if err != nil {
		t.Fatal(err)
	}
	planner, err := curriculum.New(table, c)
	if err != nil {
		t.Fatal(err)
	}
	Grow(t, fsys, planner, table, c, name, each, segments)
	p, err := curriculum.Open(fsys, name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Grow draws more segments of a plan; 0: all.
func Grow(t testing.TB, fsys dataset.FS, planner *curriculum.Planner, table *curriculum.Table, c curriculum.Config, name string, each int64, segments int) {
	t.Helper()
	snap, err := history.Read(fsys)
	if err != nil {
		t.Fatal(err)
	}
	known, err := curriculum.Learn(context.Background(), snap, table, c)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; !planner.Done() && (segments == 0 || n < segments); n++ {
		s, err := planner.Next(context.Background(), known, each)
		if err == nil {
			err = s.Write(fsys, name)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
