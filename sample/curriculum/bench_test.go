package curriculum

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
)

// benchSamples is the size of a benchmark: 100,000 samples, or $PIPELINE_BENCH_SAMPLES.
func benchSamples(b *testing.B) int {
	b.Helper()
	text := os.Getenv("PIPELINE_BENCH_SAMPLES")
	if text == "" {
		return 100_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// benchTable has two phases of equal size in shards of 100,000 rows.
func benchTable(n int) *Table {
	t := &Table{DatasetID: "0123456789abcdef0123456789abcdef", Tasks: []string{"docmath", "musique", "mc"}, Samples: make([]Sample, n)}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range t.Samples {
		if i%100_000 == 0 {
			t.Shards = append(t.Shards, fmt.Sprintf("phases/phase-%d/shard-%05d.parquet", 1+2*i/n, i/100_000))
		}
		s := &t.Samples[i]
		binary.LittleEndian.PutUint64(s.ID[:], rng.Uint64())
		binary.LittleEndian.PutUint64(s.ID[8:], rng.Uint64())
		s.Shard, s.Row, s.Phase, s.Task = int32(len(t.Shards)-1), int32(i%100_000), int32(1+2*i/n), int32(i%3)
	}
	return t
}

// benchKnowledge summarizes ten groups of eight of every sample of phase 1, as a summary in
// memory would: an open table of ids, found by their first bytes.
func benchKnowledge(t *Table) *Knowledge {
	slots := make([]int32, 1)
	for len(slots) < 2*len(t.Samples) {
		slots = make([]int32, 2*len(slots))
	}
	list := make([]history.Summary, 0, len(t.Samples))
	mask := len(slots) - 1
	find := func(id history.SampleID) int {
		at := int(binary.LittleEndian.Uint64(id[:])) & mask
		for slots[at] != 0 && list[slots[at]-1].SampleID != id {
			at = (at + 1) & mask
		}
		return at
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for _, i := range rng.Perm(len(t.Samples)) {
		id, right := t.Samples[i].ID, float64(rng.IntN(3)*rng.IntN(41))
		list = append(list, history.Summary{
			SampleID: id, Visits: 10, KnownVisits: 10, Known: 80, Successes: int32(right), Sum: right, Squares: right,
			Alpha: 1 + right/2, Beta: 1 + (80-right)/2,
		})
		slots[find(id)] = int32(len(list))
	}
	of := func(id history.SampleID) *history.Summary {
		if n := slots[find(id)]; n != 0 {
			return &list[n-1]
		}
		return nil
	}
	return &Knowledge{Snapshot: "s", Outcomes: 10 * int64(len(list)), Known: of, prior: newPrior(t, &Knowledge{Known: of})}
}

// cpuTime is what the process has used of all CPUs: on a shared machine it says more than time.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchConfig() Config {
	c := DefaultConfig(2)
	c.Retrospective, c.Ratio, c.Gates = NameInverseMean, 0.5, []string{NameDropSolved, NameQuarantineUnlearnable}
	return c
}

// BenchmarkPlan is a plan from summaries in memory to its files, and its parts. At 1,000,000
// samples and more (make bench-scale) it also reports the heap that it needs.
func BenchmarkPlan(b *testing.B) {
	n := benchSamples(b)
	table, c := benchTable(n), benchConfig()
	k := benchKnowledge(table)
	fsys := dataset.Dir(b.TempDir())
	draw := func(b *testing.B) *Segment {
		p, err := New(table, c)
		if err != nil {
			b.Fatal(err)
		}
		s, err := p.Next(context.Background(), k, 0)
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	b.Run("prior", func(b *testing.B) {
		for b.Loop() {
			newPrior(table, k)
		}
	})
	b.Run("draw", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			draw(b)
		}
	})
	b.Run("write", func(b *testing.B) {
		s := draw(b)
		b.ReportAllocs()
		b.ResetTimer()
		for b.Loop() {
			if err := s.Write(fsys, "plan.parquet"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("whole", func(b *testing.B) {
		b.ReportAllocs()
		before := cpuTime()
		for b.Loop() {
			if err := draw(b).Write(fsys, "plan.parquet"); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64((cpuTime()-before).Milliseconds())/float64(b.N), "cpu-ms/op")
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.Sys)/(1<<20), "MiB-sys")
	})
}

// BenchmarkReadTable reads ids and tasks of one shard.
func BenchmarkReadTable(b *testing.B) {
	n := benchSamples(b)
	dir := b.TempDir()
	out, err := os.Create(filepath.Join(dir, "shard.parquet"))
	if err != nil {
		b.Fatal(err)
	}
	w := parquet.NewGenericWriter[columns](out, parquet.Compression(&parquet.Zstd), parquet.MaxRowsPerRowGroup(1<<16))
	table := benchTable(n)
	for i := range table.Samples {
		if _, err := w.Write([]columns{{table.Samples[i].ID.String(), table.Tasks[i%3]}}); err != nil {
			b.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), out.Close()); err != nil {
		b.Fatal(err)
	}
	m := &dataset.Manifest{
		Stage: dataset.StageBucket, Phases: []dataset.Phase{{Phase: 1}},
		Shards: []dataset.Shard{{Path: "shard.parquet", Kind: dataset.KindRL, Phase: 1, Rows: int64(n)}},
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ReadTable(context.Background(), dataset.Dir(dir), m, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSort is the one sort of a draw.
func BenchmarkSort(b *testing.B) {
	n := benchSamples(b)
	rng := rand.New(rand.NewPCG(5, 6))
	keys := make([]keyed, n)
	items := make([]keyed, n)
	for i := range keys {
		keys[i] = keyed{rng.Uint64() >> 2, int32(i)}
	}
	for b.Loop() {
		copy(items, keys)
		radixSort(items)
	}
}
