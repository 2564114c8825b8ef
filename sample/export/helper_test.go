package export_test

import (
	"context"
	"testing"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/export"
	"github.com/longctx/pipeline/sample/stream/streamtest"
	"github.com/longctx/pipeline/tokenize/template"
)

// A world is a dataset in memory, with what it holds.
type world struct {
	fsys    *faultfs.FS
	m       *dataset.Manifest
	samples map[string]streamtest.Sample
	prompt  *template.PromptTemplate
}

func newWorld(t testing.TB, spec streamtest.Spec) *world {
	t.Helper()
	w := &world{fsys: faultfs.New()}
	w.m, w.samples = streamtest.Dataset(t, w.fsys, spec)
	var err error
	if w.prompt, err = template.ParsePrompt("", ""); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) plan(t testing.TB, phase int32, change func(*curriculum.Config)) *curriculum.Plan {
	t.Helper()
	c := curriculum.DefaultConfig(phase)
	c.Seed = 7
	if change != nil {
		change(&c)
	}
	return streamtest.Plan(t, w.fsys, w.m, "plan.parquet", c, 0, 0)
}

// options are those of an export of the world.
func (w *world) options(t testing.TB, format string) export.Options {
	t.Helper()
	f, ok := export.Lookup(format)
	if !ok {
		t.Fatalf("no format %s", format)
	}
	return export.Options{Dataset: w.fsys, Manifest: w.m, Prompt: w.prompt, Phase: 1, Format: f, Output: w.fsys, Name: "out" + f.Extension}
}

func run(t testing.TB, o export.Options) export.Report {
	t.Helper()
	r, err := export.Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// rowsOf reads a Parquet file that an export wrote.
func rowsOf[R any](t testing.TB, fsys dataset.FS, name string) []R {
	t.Helper()
	var out []R
	for rows, err := range dataset.ReadRows[R](fsys, name) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rows...)
	}
	return out
}

func entriesOf(t testing.TB, p *curriculum.Plan) []curriculum.Entry {
	t.Helper()
	var out []curriculum.Entry
	for entries, err := range p.Entries(0) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, entries...)
	}
	return out
}
