package ingest

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/longctx/pipeline/dataset"
)

// A result is all that comes out of some inputs.
type result struct {
	Samples []dataset.Sample
	Places  []dataset.Place
	Rejects []dataset.Reject // lines and rows numbered from 1, across splits
	Counts  Counts
	Sums    []Sum
}

// readAll plans, reads and parses everything, split by split.
func readAll(t testing.TB, o Options) (*Plan, result) {
	t.Helper()
	plan, err := NewPlan(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	res, err := readPlan(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	return plan, res
}

func readPlan(ctx context.Context, plan *Plan) (res result, err error) {
	p := NewParser(plan)
	defer p.Release()
	before := map[int]int64{}
	for i := range plan.Splits {
		if err := readSplit(ctx, plan, i, p, before, &res); err != nil {
			return res, err
		}
	}
	return res, nil
}

func readSplit(ctx context.Context, plan *Plan, i int, p *Parser, before map[int]int64, res *result) error {
	r, err := OpenSplit(ctx, plan, i)
	if err != nil {
		return err
	}
	defer r.Close()
	first := before[plan.Splits[i].Input]
	for {
		c, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		counts, rejects, err := p.Parse(c, func(rec arrow.Record) error {
			b := dataset.ViewBatch(rec)
			for row := range b.Rows() {
				res.Samples = append(res.Samples, clone(b.Sample(row)))
				place := b.Place(row)
				place.Line += first
				res.Places = append(res.Places, place)
			}
			rec.Release()
			return nil
		})
		if err != nil {
			return err
		}
		c.Release()
		for _, rej := range rejects {
			rej.Line += first + 1
			res.Rejects = append(res.Rejects, rej)
		}
		res.Counts.Add(counts)
	}
	sum := r.Sum()
	before[plan.Splits[i].Input] += sum.Lines
	res.Sums = append(res.Sums, sum)
	return nil
}

// clone copies what points into a batch.
func clone(s dataset.Sample) dataset.Sample {
	for _, f := range []*string{&s.ID, &s.SourceID, &s.Source, &s.DataSource, &s.Question, &s.Context, &s.Response, &s.Messages, &s.Meta} {
		*f = string([]byte(*f))
	}
	for i := range s.Answers {
		s.Answers[i] = string([]byte(s.Answers[i]))
	}
	return s
}

// write makes a file and returns its path.
func write(t testing.TB, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// realData returns the folder of the real sets, or skips the test.
func realData(t testing.TB, set string) string {
	t.Helper()
	root := os.Getenv("PIPELINE_REAL_DATA")
	if root == "" {
		t.Skip("PIPELINE_REAL_DATA does not name the folder of the real sets")
	}
	dir := filepath.Join(root, "real", set)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no real set %s: %v", set, err)
	}
	return dir
}
