package stream_test

import (
	"testing"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/stream"
	"github.com/longctx/pipeline/sample/stream/streamtest"
)

// BenchmarkEpoch reads a shuffled epoch of 24 M tokens in batches of 16 samples: from the
// cache, and from the shards by their page index.
func BenchmarkEpoch(b *testing.B) {
	fsys := dataset.Dir(b.TempDir())
	m, _ := streamtest.Dataset(b, fsys, streamtest.Spec{Phases: []int{1600}, Shards: 2, Longest: 30000})
	p := streamtest.Plan(b, fsys, m, "plan.parquet", curriculum.DefaultConfig(1), 0, 0)
	for _, cache := range []bool{true, false} {
		b.Run(map[bool]string{true: "cache", false: "shards"}[cache], func(b *testing.B) {
			src, err := stream.Open(fsys, stream.SourceOptions{Cache: cache})
			if err != nil {
				b.Fatal(err)
			}
			defer src.Close()
			if err := src.Warm(); err != nil {
				b.Fatal(err)
			}
			tokens := int64(0)
			for b.Loop() {
				tokens += epoch(b, src, p)
			}
			b.ReportMetric(float64(tokens)/b.Elapsed().Seconds()/1e6, "Mtokens/s")
		})
	}
}

// BenchmarkFirstBatch opens a dataset and takes its first batch, the cache being there.
func BenchmarkFirstBatch(b *testing.B) {
	fsys := dataset.Dir(b.TempDir())
	m, _ := streamtest.Dataset(b, fsys, streamtest.Spec{Phases: []int{400}, Shards: 2, Longest: 30000})
	streamtest.Plan(b, fsys, m, "plan.parquet", curriculum.DefaultConfig(1), 0, 0)
	for b.Loop() {
		src, err := stream.Open(fsys, stream.SourceOptions{Cache: true})
		if err != nil {
			b.Fatal(err)
		}
		p, err := curriculum.Open(fsys, "plan.parquet")
		if err != nil {
			b.Fatal(err)
		}
		r, err := src.NewReader(b.Context(), stream.Options{Plans: []*curriculum.Plan{p}, Batch: 16})
		if err != nil {
			b.Fatal(err)
		}
		batch, err := r.Next()
		if err != nil {
			b.Fatal(err)
		}
		batch.Release()
		r.Close()
		src.Close()
	}
}

func epoch(b *testing.B, src *stream.Source, p *curriculum.Plan) int64 {
	r, err := src.NewReader(b.Context(), stream.Options{Plans: []*curriculum.Plan{p}, Batch: 16})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	c, err := r.Each(func(*stream.Batch) error { return nil })
	if err != nil {
		b.Fatal(err)
	}
	return c.Tokens
}
