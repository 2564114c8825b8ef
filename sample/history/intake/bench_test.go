package intake

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
)

// benchSamples is the number of samples of a benchmark, 10 outcomes each:
// PIPELINE_BENCH_SAMPLES, as `make bench-scale` sets it to 1000000, or 10000.
func benchSamples() int {
	n, err := strconv.Atoi(os.Getenv("PIPELINE_BENCH_SAMPLES"))
	if err != nil {
		return 10_000
	}
	return n
}

const (
	benchVisits = 10
	benchGroup  = 8
)

// writeGroups writes a JSONL file with visits of n samples and returns the samples.
func writeGroups(b *testing.B, name string, n int) *Samples {
	b.Helper()
	samples := &Samples{ids: make(map[history.SampleID]struct{}, n)}
	r := rand.New(rand.NewPCG(3, 4))
	ids := make([]history.SampleID, n)
	for i := range ids {
		for k := range ids[i] {
			ids[i][k] = byte(r.Uint32())
		}
		samples.ids[ids[i]] = struct{}{}
	}
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	defer w.Flush()
	for epoch := range benchVisits {
		for i, id := range ids {
			k := epoch*n + i
			fmt.Fprintf(w, `{"sample_id": "%v", "run": "bench", "train_stage": "phase-1", "phase": 1, "step": %d, "position": %d, "policy": "tiny@step-%d", "rewards": [`, id, k/128, k, k/128)
			for g := range benchGroup {
				if g > 0 {
					w.WriteString(", ")
				}
				fmt.Fprintf(w, "%d", r.IntN(2))
			}
			w.WriteString("]}\n")
		}
	}
	return samples
}

func BenchmarkImport(b *testing.B) {
	n := benchSamples()
	dir := b.TempDir()
	samples := writeGroups(b, filepath.Join(dir, "rewards.jsonl"), n)
	var before, after syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	for b.Loop() {
		fsys := dataset.Dir(b.TempDir())
		s, err := history.Open(fsys, nil)
		if err != nil {
			b.Fatal(err)
		}
		report, err := Run(context.Background(), s, Options{
			From: os.DirFS(dir), Files: []string{"rewards.jsonl"}, Dataset: fsys, Samples: samples, Run: "bench",
		})
		if err != nil || report.Added != int64(n*benchVisits) {
			b.Fatalf("%+v, %v", report, err)
		}
		s.Close()
	}
	syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	outcomes := float64(n*benchVisits) * float64(b.N)
	cpu := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	b.ReportMetric(outcomes/b.Elapsed().Seconds(), "outcomes/s")
	b.ReportMetric(float64(cpu.Nanoseconds())/outcomes, "cpu-ns/outcome")
	b.ReportMetric(float64(after.Maxrss)/(1<<10), "MiB-peak")
}
