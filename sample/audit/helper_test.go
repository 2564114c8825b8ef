package audit_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
	"github.com/longctx/pipeline/sample/audit"
	"github.com/longctx/pipeline/sample/audit/rehearsal"
	"github.com/longctx/pipeline/sample/history"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// rehearsed is a dataset of n samples with a rehearsed history.
func rehearsed(t testing.TB, n int) (*faultfs.FS, *dataset.Manifest) {
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
	return fsys, m
}

func run(t testing.TB, fsys dataset.FS, m *dataset.Manifest, o audit.Options) *audit.Facts {
	t.Helper()
	snap, err := history.Read(fsys)
	if err != nil {
		t.Fatal(err)
	}
	f, err := audit.Run(t.Context(), fsys, m, snap, o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// golden compares with a file of testdata, or rewrites it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(got) {
		t.Errorf("%s differs; see what changed with -update and git diff", file)
	}
}
