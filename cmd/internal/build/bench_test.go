package build

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/longctx/pipeline/bucket"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/ingest"
	"github.com/longctx/pipeline/ingest/synth"
	"github.com/longctx/pipeline/tokenize"
)

// benchInput is the file that $PIPELINE_BENCH_INPUT names, or 16 MB of generated documents.
func benchInput(b *testing.B) (string, int64) {
	b.Helper()
	p := os.Getenv("PIPELINE_BENCH_INPUT")
	if p == "" {
		p = filepath.Join(b.TempDir(), "docs.jsonl")
		f, err := os.Create(p)
		if err != nil {
			b.Fatal(err)
		}
		if err := synth.Generate(f, synth.Options{Samples: 300, MinTokens: 500, MaxTokens: 60_000, Seed: 7}); err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
	info, err := os.Stat(p)
	if err != nil {
		b.Fatal(err)
	}
	return p, info.Size()
}

// benchTokenizer is Qwen2.5's where the real data are, else a built-in one.
func benchTokenizer() string {
	if real := os.Getenv("PIPELINE_REAL_DATA"); real != "" {
		return filepath.Join(real, "tokenizers", "qwen2_5", "tokenizer.json")
	}
	return tokenize.DefaultTokenizer
}

// BenchmarkBuild is the whole verb on a real disk; MB/s are of the input.
func BenchmarkBuild(b *testing.B) {
	input, size := benchInput(b)
	for _, bench := range []struct {
		name   string
		stages []dataset.Stage
		noText bool
	}{
		{"ingest", fused[:1], false},
		{"no-text", fused, true},
		{"full", fused, false},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				_, err := Run(b.Context(), Options{
					Stages: bench.stages, Output: dataset.Dir(filepath.Join(b.TempDir(), "data")), Workers: 2,
					Ingest:   ingest.Options{Inputs: []ingest.Input{{Path: input}}},
					Tokenize: tokenize.Options{Tokenizer: benchTokenizer()},
					Bucket:   bucket.Options{Phases: []int32{20_000, 60_000, 120_000}, Length: bucket.LengthPrompt, NoText: bench.noText},
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
