package clean

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/zeebo/xxh3"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/ingest"
	"github.com/longctx/pipeline/ingest/dedup"
)

// A Benchmark is one file that samples must not have been taken from. Name and hash are part of
// what makes two builds the same.
type Benchmark struct {
	dataset.Input
	Samples int64 `json:"samples"`
	Rejects int64 `json:"rejects"` // records that could not be read, and so are not looked for
}

// leaks is an index of benchmarks.
type leaks struct {
	fields   []string
	grams    *dedup.Grams
	short    map[uint64]int // question and one answer -> origin, of questions shorter than an n-gram
	origins  []origin
	contexts map[uint64]bool // documents that are indexed already
}

// An origin is one text of a benchmark.
type origin struct{ benchmark, id, field string }

// contextStride thins out the n-grams of documents: an overlap of 25 words (twice 13, less
// one) still holds one that is indexed, for a thirteenth of the memory.
func contextStride(n int) int { return n }

// readBenchmarks indexes the files.
func readBenchmarks(ctx context.Context, o Options) (*leaks, []Benchmark, error) {
	p, err := ingest.NewPlan(ctx, ingest.Options{Inputs: o.Decontaminate, AllowNoContext: true})
	if err != nil {
		return nil, nil, err
	}
	l := &leaks{fields: o.Fields, grams: dedup.NewGrams(o.NGram), short: map[uint64]int{}, contexts: map[uint64]bool{}}
	files := make([]Benchmark, len(p.Inputs))
	sums := make([][]byte, len(p.Inputs))
	for i, in := range p.Inputs {
		files[i].Input = in.Input
	}
	parser := ingest.NewParser(p)
	defer parser.Release()
	for i, s := range p.Splits {
		sum, err := l.readSplit(ctx, p, i, parser, &files[s.Input])
		if err != nil {
			return nil, nil, err
		}
		raw, err := hex.DecodeString(sum)
		if err != nil {
			return nil, nil, err
		}
		sums[s.Input] = append(sums[s.Input], raw...)
	}
	for i := range files {
		sum := sha256.Sum256(sums[i])
		files[i].SHA256 = hex.EncodeToString(sum[:])
		if files[i].Samples == 0 {
			return nil, nil, fmt.Errorf("%q: none of its %d records could be read as a sample", files[i].Name, files[i].Rejects)
		}
	}
	l.grams.Seal()
	return l, files, nil
}

func (l *leaks) readSplit(ctx context.Context, p *ingest.Plan, i int, parser *ingest.Parser, file *Benchmark) (sum string, err error) {
	r, err := ingest.OpenSplit(ctx, p, i)
	if err != nil {
		return "", err
	}
	defer r.Close()
	for {
		c, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Sum().SHA256, nil
		}
		if err != nil {
			return "", err
		}
		counts, rejects, err := parser.Parse(c, func(rec arrow.Record) error {
			defer rec.Release()
			v := dataset.ViewBatch(rec)
			for i := range v.Rows() {
				s := v.Sample(i)
				l.add(file.Name, &s)
			}
			return nil
		})
		c.Release()
		if err != nil {
			return "", err
		}
		file.Samples += counts.Kept
		file.Rejects += int64(len(rejects))
	}
}

// add indexes one sample of a benchmark.
func (l *leaks) add(benchmark string, s *dataset.Sample) {
	id := s.SourceID
	if id == "" {
		id = s.ID
	}
	from := func(field string) int {
		l.origins = append(l.origins, origin{clone(benchmark), clone(id), field})
		return len(l.origins) - 1
	}
	question := dedup.Hash(nil, s.Question)
	if slices.Contains(l.fields, FieldQuestion) && len(question) > 0 {
		o := from(FieldQuestion)
		if !l.grams.Add(question, o, 1) {
			for _, a := range s.Answers {
				key := fold(question, dedup.Hash(nil, a))
				if _, ok := l.short[key]; !ok {
					l.short[key] = o
				}
			}
		}
	}
	if slices.Contains(l.fields, FieldAnswer) {
		for _, a := range append(s.Answers, s.Response) {
			if words := dedup.Hash(nil, a); len(words) >= l.grams.N() {
				l.grams.Add(words, from(FieldAnswer), 1)
			}
		}
	}
	if key := xxh3.HashString(s.Context); slices.Contains(l.fields, FieldContext) && !l.contexts[key] {
		l.contexts[key] = true
		l.grams.Add(dedup.Hash(nil, s.Context), from(FieldContext), contextStride(l.grams.N()))
	}
}

// fold hashes lists of words: where one ends and the next begins counts.
func fold(lists ...[]uint64) uint64 {
	var h uint64
	for _, l := range lists {
		for _, w := range l {
			h = dedup.Mix(h, w)
		}
		h = dedup.Mix(h, uint64(len(l)))
	}
	return h
}
