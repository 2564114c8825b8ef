package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/ingest/source"
	"github.com/longctx/pipeline/ingest/synth"
)

// longDocuments is JSONL of long documents with an escape every few hundred bytes.
func longDocuments(b *testing.B) []byte {
	b.Helper()
	var text bytes.Buffer
	if err := synth.Generate(&text, synth.Options{Samples: 300, MinTokens: 2000, MaxTokens: 60_000, Seed: 1}); err != nil {
		b.Fatal(err)
	}
	return text.Bytes()
}

// transcripts is JSONL of real meetings, which have an escape every 60 bytes; without the
// real sets, lines as short are made up.
func transcripts(b *testing.B) []byte {
	b.Helper()
	p := plan(b, "made-up.jsonl", bytes.Repeat([]byte(fmt.Sprintf(`{"context":%q,"question":"q","answer":"a"}`+"\n",
		bytes.Repeat([]byte("Speaker: so that \"is\" what we agreed on, then .\nAnother: yes .\n"), 1500))), 30))
	if root := os.Getenv("PIPELINE_REAL_DATA"); root != "" {
		var err error
		if p, err = NewPlan(b.Context(), Options{Inputs: []Input{{Path: filepath.Join(root, "real/qmsum/*.jsonl")}}}); err != nil {
			b.Fatal(err)
		}
	}
	res, err := readPlan(b.Context(), p)
	if err != nil {
		b.Fatal(err)
	}
	var lines bytes.Buffer
	for _, s := range res.Samples {
		line, err := json.Marshal(map[string]any{"id": s.ID, "context": s.Context, "question": s.Question, "answers": s.Answers})
		if err != nil {
			b.Fatal(err)
		}
		lines.Write(append(line, '\n'))
	}
	return lines.Bytes()
}

// discard takes samples as the batch builder would, and forgets them.
type discard struct{}

func (discard) Sample(*dataset.Sample, dataset.Notes) {}
func (discard) Reject(string, *source.Problem)        { panic("a record of the benchmark was rejected") }

func BenchmarkRecords(b *testing.B) {
	for name, content := range map[string][]byte{"documents": longDocuments(b), "transcripts": transcripts(b)} {
		lines := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
		b.Run("check/"+name, func(b *testing.B) {
			c := source.NewChecker()
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				for _, l := range lines {
					if _, bad := c.Check(l, false); bad != nil {
						b.Fatal(bad)
					}
				}
			}
		})
		b.Run("samples/"+name, func(b *testing.B) {
			p, err := source.NewParser("jsonl", source.Options{}, discard{})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				for _, l := range lines {
					p.Parse(l, false)
				}
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	content := longDocuments(b)
	b.Run("lines", func(b *testing.B) { benchRead(b, plan(b, "docs.jsonl", content), len(content)) })
	b.Run("gzip", func(b *testing.B) { benchRead(b, plan(b, "docs.jsonl.gz", gzipped(b, content)), len(content)) })
	b.Run("zstd", func(b *testing.B) { benchRead(b, plan(b, "docs.jsonl.zst", zstandard(b, content)), len(content)) })
	b.Run("parquet", func(b *testing.B) {
		var rows []qaRow
		for line := range bytes.Lines(content) {
			var r struct{ ID, Context, Question, Answer string }
			if err := json.Unmarshal(line, &r); err != nil {
				b.Fatal(err)
			}
			rows = append(rows, qaRow{r.ID, r.Context, &r.Question, []string{r.Answer}})
		}
		benchRead(b, plan(b, "docs.parquet", table(b, rows, 50)), len(content))
	})
}

func benchRead(b *testing.B, p *Plan, size int) {
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for i := range p.Splits {
			r, err := OpenSplit(b.Context(), p, i)
			if err != nil {
				b.Fatal(err)
			}
			for {
				c, err := r.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					b.Fatal(err)
				}
				c.Release()
			}
			r.Close()
		}
	}
}

// BenchmarkIngest is the whole stage on one goroutine: read, hash, parse, build batches.
func BenchmarkIngest(b *testing.B) {
	for name, content := range map[string][]byte{"documents": longDocuments(b), "transcripts": transcripts(b)} {
		b.Run(name, func(b *testing.B) {
			p := plan(b, "docs.jsonl", content)
			parser := NewParser(p)
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				r, err := OpenSplit(b.Context(), p, 0)
				if err != nil {
					b.Fatal(err)
				}
				for {
					c, err := r.Next()
					if err != nil {
						break
					}
					if _, _, err := parser.Parse(c, func(rec arrow.Record) error { rec.Release(); return nil }); err != nil {
						b.Fatal(err)
					}
					c.Release()
				}
				r.Close()
			}
		})
	}
}
