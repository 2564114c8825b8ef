package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/google/go-cmp/cmp"
	"github.com/longctx/pipeline/dataset"
)

// chunks returns all chunks of a plan's splits.
func chunks(t testing.TB, plan *Plan) (all []Chunk) {
	t.Helper()
	for i := range plan.Splits {
		r, err := OpenSplit(t.Context(), plan, i)
		if err != nil {
			t.Fatal(err)
		}
		for {
			c, err := r.Next()
			if err != nil {
				break
			}
			all = append(all, c)
		}
		r.Close()
	}
	return all
}

// plan makes a plan of one file.
func plan(t testing.TB, name string, content []byte) *Plan {
	t.Helper()
	p, err := NewPlan(t.Context(), Options{Inputs: []Input{{Path: write(t, t.TempDir(), name, content)}}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestADocumentWithManyQuestionsComesInSmallBatches(t *testing.T) {
	questions := strings.Repeat(`{"question":"q","answer":"x"},`, 300)
	record := fmt.Sprintf(`{"context":%q,"questions":[%s]}`, strings.Repeat("word ", 60_000), strings.TrimSuffix(questions, ","))
	p := plan(t, "docs.jsonl", []byte(record))
	parser := NewParser(p)
	rows, batches := 0, 0
	for _, c := range chunks(t, p) {
		_, _, err := parser.Parse(c, func(rec arrow.Record) error {
			if rec.NumRows() > 4 {
				t.Errorf("a batch of %d documents of 300 kB", rec.NumRows())
			}
			rows += int(rec.NumRows())
			batches++
			rec.Release()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if rows != 300 || batches != 75 {
		t.Errorf("%d rows in %d batches", rows, batches)
	}
}

func TestAnErrorOfTheTakerEndsTheChunk(t *testing.T) {
	p := plan(t, "docs.jsonl", bytes.Repeat([]byte(fmt.Sprintf(`{"context":%q,"question":"q","answer":1}`+"\n", strings.Repeat("x", 50_000))), 200))
	stop := errors.New("disk full")
	calls := 0
	for _, c := range chunks(t, p) {
		parser := NewParser(p)
		_, _, err := parser.Parse(c, func(rec arrow.Record) error {
			calls++
			rec.Release()
			return stop
		})
		if !errors.Is(err, stop) {
			t.Errorf("got %v", err)
		}
	}
	if want := len(chunks(t, p)); calls != want {
		t.Errorf("%d calls for %d chunks", calls, want)
	}
}

func TestManyParsersGiveWhatOneGives(t *testing.T) {
	var content bytes.Buffer
	for i := range 400 {
		fmt.Fprintf(&content, `{"id":%d,"context":%q,"question":"a\nb %d","answer":%d}`+"\n", i, strings.Repeat(fmt.Sprint("té\"xt ", i, "\n"), 700), i, i)
	}
	p := plan(t, "docs.jsonl", content.Bytes())
	want, err := readPlan(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	all := chunks(t, p)
	parts := make([][]dataset.Sample, len(all))
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			parser := NewParser(p)
			defer parser.Release()
			for i := w; i < len(all); i += 4 {
				_, _, _ = parser.Parse(all[i], func(rec arrow.Record) error {
					b := dataset.ViewBatch(rec)
					for row := range b.Rows() {
						parts[i] = append(parts[i], clone(b.Sample(row)))
					}
					rec.Release()
					return nil
				})
				all[i].Release()
			}
		})
	}
	wg.Wait()
	var got []dataset.Sample
	for _, part := range parts {
		got = append(got, part...)
	}
	if diff := cmp.Diff(want.Samples, got); diff != "" {
		t.Errorf("%.500s", diff)
	}
}

// FuzzFiles reads any bytes as any container: no panic, and every record accounted for.
func FuzzFiles(f *testing.F) {
	lines := []byte(good + "\n{\n" + good)
	f.Add(lines)
	f.Add(gzipped(f, lines))
	f.Add(zstandard(f, lines))
	f.Add(table(f, qaRows(3), 2))
	f.Fuzz(func(t *testing.T, content []byte) {
		p, err := NewPlan(t.Context(), Options{Inputs: []Input{{Path: write(t, t.TempDir(), "fuzz", content)}}, MaxRecord: 1 << 20, SplitBytes: 50})
		if err != nil {
			return // not a readable file
		}
		res, err := readPlan(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if c := res.Counts; c.In != c.Kept+int64(len(res.Rejects)) || c.Kept != int64(len(res.Samples)) {
			t.Errorf("counts %+v: %d samples, %d rejects", c, len(res.Samples), len(res.Rejects))
		}
		var bytes int64
		for _, s := range res.Sums {
			bytes += s.Bytes
		}
		if bytes != int64(len(content)) {
			t.Errorf("the splits own %d of %d bytes", bytes, len(content))
		}
	})
}
