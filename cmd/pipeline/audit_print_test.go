package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/longctx/pipeline/dataset/faultfs"
	"github.com/longctx/pipeline/sample/audit"
	"github.com/longctx/pipeline/sample/audit/rehearsal"
	"github.com/longctx/pipeline/sample/history"
)

var updateAudit = flag.Bool("update", false, "rewrite the golden files")

// rehearsedFacts are those of a rehearsal with n samples.
func rehearsedFacts(t *testing.T, n int) *audit.Facts {
	t.Helper()
	fsys := faultfs.New()
	samples := rehearsal.Samples(n, 7)
	m, err := rehearsal.Dataset(fsys, samples)
	if err != nil {
		t.Fatal(err)
	}
	o := rehearsal.DefaultOptions()
	o.Batch = 16
	if err := rehearsal.Write(t.Context(), fsys, samples, o); err != nil {
		t.Fatal(err)
	}
	snap, err := history.Read(fsys)
	if err != nil {
		t.Fatal(err)
	}
	f, err := audit.Run(t.Context(), fsys, m, snap, audit.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTheSummaryOfARehearsalIsTheGoldenOne(t *testing.T) {
	f := rehearsedFacts(t, 150)
	var b strings.Builder
	if err := printAudit(&b, "data", f, false); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join("testdata", "audit.golden")
	if *updateAudit {
		if err := os.WriteFile(name, []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("%s differs; see what changed with -update and git diff:\n%s", name, b.String())
	}
}

func TestTheSummaryFits100ColumnsAndNoTextCanWriteToTheTerminal(t *testing.T) {
	f := rehearsedFacts(t, 60)
	hostile := strings.Repeat("\x1b]0;title\x07\u202e\x00", 20)
	for i := range f.Samples {
		f.Samples[i].SourceID, f.Samples[i].DataSource = hostile, hostile
	}
	for i := range f.Sets {
		if f.Sets[i].By == audit.ByDataSource {
			f.Sets[i].Name = hostile
		}
	}
	f.Findings = append(f.Findings, audit.Finding{Level: audit.Look, Text: hostile, Hint: hostile})
	var b strings.Builder
	if err := printAudit(&b, hostile, f, false); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\x07\x00\u202e") {
		t.Error("a control character reached the terminal")
	}
	lines := strings.Split(b.String(), "\n")
	for _, line := range lines[1:] {
		if n := len([]rune(line)); n > 100 && strings.ContainsRune(line, ' ') && !strings.Contains(line, "title") {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	b.Reset()
	if err := printAudit(&b, "data", f, true); err != nil || !strings.Contains(b.String(), "\x1b[") {
		t.Errorf("no colour where it was asked for: %v", err)
	}
}
