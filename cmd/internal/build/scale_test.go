package build

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/ingest"
)

// scaleSplits is $PIPELINE_BENCH_SPLITS, or few enough for every day.
func scaleSplits(b *testing.B) int {
	b.Helper()
	if text := os.Getenv("PIPELINE_BENCH_SPLITS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	return 2000
}

// scaleRows is how many samples a split of the simulation has: 64 MiB of documents of 640 KiB.
const scaleRows = 100

// manySplits writes an input that is cut into n splits of one short record each: what a split
// costs apart from its records is all that is left.
func manySplits(b *testing.B, n int) Options {
	b.Helper()
	dir := b.TempDir()
	const width = 100
	var text bytes.Buffer
	for i := range n {
		line := fmt.Sprintf(`{"id": "%d", "context": "c", "question": "q%d", "answer": "a"`, i, i)
		text.WriteString(line + strings.Repeat(" ", width-2-len(line)) + "}\n")
	}
	input := filepath.Join(dir, "in.jsonl")
	if err := os.WriteFile(input, text.Bytes(), 0o666); err != nil {
		b.Fatal(err)
	}
	o := options(dataset.Dir(filepath.Join(dir, "out")), input)
	o.Ingest = ingest.Options{Inputs: []ingest.Input{{Path: input}}, SplitBytes: width}
	return o
}

// fakeSplits stands for n tasks on other machines: every split gets the files of one that was
// done, with ids of its own. The shards are small, as a commit only renames them.
func fakeSplits(b *testing.B, o Options, n int) {
	b.Helper()
	probe, err := newBuild(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	if err := probe.adopt(false); err != nil {
		b.Fatal(err)
	}
	if err := probe.splits(b.Context(), []int{0}); err != nil {
		b.Fatal(err)
	}
	r, err := probe.readResult(0)
	if err != nil {
		b.Fatal(err)
	}
	out := string(o.Output.(dataset.Dir))
	shard := r.Shards[0]
	text, err := os.ReadFile(filepath.Join(out, splitDir(0), shard.Path))
	if err != nil {
		b.Fatal(err)
	}
	err = probe.each(b.Context(), n-1, func(i int) error { return fakeSplit(probe, r, i+1, text) })
	if err != nil {
		b.Fatal(err)
	}
}

func fakeSplit(p *build, like splitResult, i int, shard []byte) error {
	dir := filepath.Join(string(p.Output.(dataset.Dir)), filepath.FromSlash(splitDir(i)))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, like.Shards[0].Path), shard, 0o666); err != nil {
		return err
	}
	ids := make([]idRow, scaleRows)
	r := rand.New(rand.NewPCG(uint64(i), 1))
	for j := range ids {
		binary.LittleEndian.PutUint64(ids[j].ID[:], r.Uint64())
		binary.LittleEndian.PutUint64(ids[j].ID[8:], r.Uint64())
		ids[j].Kind, ids[j].Phase = string(dataset.KindRL), 1
	}
	var text bytes.Buffer
	w := parquet.NewGenericWriter[idRow](&text, parquet.Compression(&parquet.Zstd))
	if _, err := w.Write(ids); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, idsFile), text.Bytes(), 0o666); err != nil {
		return err
	}
	like.Files = append([]dataset.File{}, like.Files...)
	like.Ledger = maps.Clone(like.Ledger)
	for f := range like.Files {
		if like.Files[f].Path == idsFile {
			like.Files[f].Bytes = int64(text.Len())
		}
	}
	return writeResult(p.Output, path.Join(splitDir(i), resultFile), like)
}

// BenchmarkScale plans and commits a build of $PIPELINE_BENCH_SPLITS splits, 2,000 by default.
// What is between the two, a cluster does; here it is made up. The peak is of the Go heap.
func BenchmarkScale(b *testing.B) {
	n := scaleSplits(b)
	for b.Loop() {
		b.StopTimer()
		o := manySplits(b, n)
		b.StartTimer()
		start := time.Now()
		if _, _, err := PlanOnly(b.Context(), o); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(start).Seconds(), "s/plan")
		b.StopTimer()
		fakeSplits(b, o, n)
		syscall.Sync() // as every task does with its own files
		o.Trust = true
		stop := watchHeap()
		b.StartTimer()
		start = time.Now()
		report, err := Commit(b.Context(), o)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(start).Seconds(), "s/commit")
		b.ReportMetric(float64(stop())/(1<<20), "MiB-peak")
		if len(report.Manifest.Splits) != n || len(report.Manifest.Shards) != n {
			b.Fatalf("%d splits and %d shards", len(report.Manifest.Splits), len(report.Manifest.Shards))
		}
	}
}

// watchHeap returns a function that stops watching and returns the most memory seen in use.
func watchHeap() func() uint64 {
	runtime.GC()
	done, peak := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse+m.StackInuse)
			select {
			case <-done:
				peak <- most
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return func() uint64 { close(done); return <-peak }
}

// BenchmarkAttempt is a task of one split with one short record: what a task costs apart from
// its records and the start of the program.
func BenchmarkAttempt(b *testing.B) {
	o := manySplits(b, scaleSplits(b))
	if _, _, err := PlanOnly(b.Context(), o); err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		if err := Attempt(b.Context(), o, "bench-"+strconv.Itoa(i), []int{i % 2000}); err != nil {
			b.Fatal(err)
		}
	}
}
