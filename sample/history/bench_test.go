package history

import (
	"context"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/longctx/pipeline/dataset"
)

// benchSamples is the number of samples of a benchmark, 10 outcomes each:
// PIPELINE_BENCH_SAMPLES, as `make bench-scale` sets it to 1000000, or 20000.
func benchSamples(b *testing.B) int {
	n, err := strconv.Atoi(os.Getenv("PIPELINE_BENCH_SAMPLES"))
	if err != nil {
		return 20_000
	}
	return n
}

const (
	benchVisits = 10
	benchGroup  = 8
	benchBatch  = 1 << 15
)

// generated hands out the outcomes of n samples, each visited once an epoch.
func generated(n int, yield func([]Outcome)) {
	r := rand.New(rand.NewPCG(1, 2))
	ids := make([]SampleID, n)
	for i := range ids {
		ids[i] = sampleID(i)
	}
	batch := make([]Outcome, 0, benchBatch)
	rollouts := make([]Rollout, benchBatch*benchGroup)
	for epoch := range benchVisits {
		for i, id := range ids {
			k := len(batch)
			o := Outcome{
				Identity: Identity{"run", "phase-1", int64(epoch*n+i) / 128, int64(epoch*n + i), id},
				Phase:    1, Policy: "tiny", Limits: Limits{20000, 10000, Known(0.7)},
				Rollouts: rollouts[k*benchGroup : (k+1)*benchGroup],
			}
			for j := range o.Rollouts {
				o.Rollouts[j] = Rollout{Reward: Known(float32(r.IntN(2))), ResponseLength: int32(r.IntN(10000)), StopReason: "stop"}
			}
			if batch = append(batch, o); len(batch) == cap(batch) {
				yield(batch)
				batch = batch[:0]
			}
		}
	}
	if len(batch) > 0 {
		yield(batch)
	}
}

func fill(b *testing.B, fsys dataset.FS, n int) {
	b.Helper()
	s := mustOpen(b, fsys)
	defer s.Close()
	tx, err := s.Begin()
	if err != nil {
		b.Fatal(err)
	}
	generated(n, func(outcomes []Outcome) {
		if _, err := tx.Add(context.Background(), outcomes); err != nil {
			b.Fatal(err)
		}
	})
	if _, err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
}

// cpu returns the processor time that the process has had.
func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// reportOutcomes reports rates; before is cpu() at the beginning, 0 where other work counts.
func reportOutcomes(b *testing.B, n int, before time.Duration) {
	outcomes := float64(n*benchVisits) * float64(b.N)
	b.ReportMetric(outcomes/b.Elapsed().Seconds(), "outcomes/s")
	if before > 0 {
		b.ReportMetric(float64((cpu()-before).Nanoseconds())/outcomes, "cpu-ns/outcome")
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.Sys)/(1<<20), "MiB-from-system")
}

func BenchmarkAdd(b *testing.B) {
	n := benchSamples(b)
	before := cpu()
	for b.Loop() {
		fill(b, dataset.Dir(b.TempDir()), n)
	}
	reportOutcomes(b, n, before)
}

func BenchmarkSummarize(b *testing.B) {
	n := benchSamples(b)
	dir := dataset.Dir(b.TempDir())
	fill(b, dir, n)
	snap, err := Read(dir)
	if err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	before := cpu()
	for b.Loop() {
		sums, err := snap.Summarize(context.Background(), SummaryOptions{})
		if err != nil || sums.Len() != n {
			b.Fatal(sums.Len(), err)
		}
	}
	reportOutcomes(b, n, before)
}

func BenchmarkCompact(b *testing.B) {
	n := benchSamples(b)
	for b.Loop() {
		b.StopTimer()
		dir := dataset.Dir(b.TempDir())
		fill(b, dir, n)
		s := mustOpen(b, dir)
		// One superseded outcome makes it rewrite everything.
		if _, err := s.Resume(context.Background(), Cursor{Run: "run", TrainStage: "phase-1", Position: int64(n*benchVisits - 1)}); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if _, err := s.Compact(context.Background()); err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
	reportOutcomes(b, n, 0)
}

func BenchmarkAppendOneStep(b *testing.B) {
	s := mustOpen(b, dataset.Dir(b.TempDir()))
	defer s.Close()
	var step int64
	for b.Loop() {
		outcomes := make([]Outcome, 128)
		for i := range outcomes {
			outcomes[i] = group(i, step, 0, 1, 1, 0, 1, 0, 0, 1)
		}
		if _, err := s.Append(context.Background(), outcomes); err != nil {
			b.Fatal(err)
		}
		step++
	}
}
