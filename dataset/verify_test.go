package dataset_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
)

// sealed writes a small finished dataset by hand, as FORMAT.md has it.
func sealed(t testing.TB, dir dataset.FS) {
	t.Helper()
	w, err := dataset.NewShardWriter(dir, "samples/shard-00000.parquet", dataset.LayoutIngest)
	if err != nil {
		t.Fatal(err)
	}
	b := dataset.NewBatchBuilder()
	defer b.Release()
	s := dataset.Sample{Source: "in.jsonl", Question: "Who?", Context: strings.Repeat("It was Ann. ", 100), Answers: []string{"Ann"}}
	s.ID = dataset.HashSample(&s, dataset.HashContext(s.Context))
	b.Append(&s, dataset.Place{})
	rec := b.Batch()
	defer rec.Release()
	if err := w.Append(dataset.ViewBatch(rec), []int{0}); err != nil {
		t.Fatal(err)
	}
	shard, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	shard.Kind = dataset.KindMixed
	bad, err := dataset.WriteFile(dir, "quarantine/ingest.jsonl", []byte("{}\n"))
	if err != nil {
		t.Fatal(err)
	}
	l := dataset.NewLedger(dataset.StageIngest)
	l.Keep(0)
	m := &dataset.Manifest{Stage: dataset.StageIngest, Shards: []dataset.Shard{shard}, Files: []dataset.File{bad}, Ledger: []dataset.Ledger{l}}
	data, err := m.Seal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dataset.WriteFile(dir, dataset.ManifestName, data); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyFindsAFlippedBitInEveryFile(t *testing.T) {
	clean := faultfs.New()
	sealed(t, clean)
	if v, err := dataset.Verify(t.Context(), clean); err != nil || v.Rows != 1 || v.Files != 2 {
		t.Fatalf("as it was written: %+v, %v", v, err)
	}
	for name, data := range clean.Files() {
		for _, at := range []int{0, len(data) / 3, len(data) / 2, len(data) - 2} {
			damaged := faultfs.New()
			sealed(t, damaged)
			flipped := []byte(string(data))
			flipped[at] ^= 4
			if _, err := dataset.WriteFile(damaged, name, flipped); err != nil {
				t.Fatal(err)
			}
			if _, err := dataset.Verify(t.Context(), damaged); !errors.Is(err, dataset.ErrCorrupt) || !strings.Contains(err.Error(), filepath.Base(name)) {
				t.Errorf("a bit at %d of %s: %v", at, name, err)
			}
		}
	}
}

func TestPathsThatLeaveTheDatasetAreRefusedByVerifyAndByReaders(t *testing.T) {
	outside := t.TempDir()
	dir := dataset.Dir(filepath.Join(outside, "data"))
	sealed(t, dir)
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := dataset.ReadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"../secret", "/etc/passwd", "samples/../../secret", ".work/x"} {
		m.Files[0].Path = path
		data, err := m.Seal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := dataset.WriteFile(dir, dataset.ManifestName, data); err != nil {
			t.Fatal(err)
		}
		if _, err := dataset.Verify(t.Context(), dir); !errors.Is(err, dataset.ErrCorrupt) || !strings.Contains(err.Error(), "leaves the dataset") {
			t.Errorf("%s: %v", path, err)
		}
		m.Files[0].Path, m.Shards[0].Path = "quarantine/ingest.jsonl", path
		if data, err = m.Seal(); err != nil {
			t.Fatal(err)
		}
		if _, err := dataset.WriteFile(dir, dataset.ManifestName, data); err != nil {
			t.Fatal(err)
		}
		if _, err := dataset.ReadManifest(dir); !errors.Is(err, dataset.ErrCorrupt) {
			t.Errorf("a shard at %s is read: %v", path, err)
		}
		m.Shards[0].Path = "samples/shard-00000.parquet"
	}
}

func TestVerifyNoticesCountsThatDoNotAgree(t *testing.T) {
	for what, change := range map[string]func(*dataset.Manifest){
		"rows":   func(m *dataset.Manifest) { m.Shards[0].Rows = 2 },
		"tokens": func(m *dataset.Manifest) { m.Shards[0].Tokens = 1 },
		"ledger": func(m *dataset.Manifest) { m.Ledger[0].In++ },
	} {
		fsys := faultfs.New()
		sealed(t, fsys)
		m, err := dataset.ReadManifest(fsys)
		if err != nil {
			t.Fatal(err)
		}
		change(m)
		data, err := m.Seal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := dataset.WriteFile(fsys, dataset.ManifestName, data); err != nil {
			t.Fatal(err)
		}
		if _, err := dataset.Verify(t.Context(), fsys); !errors.Is(err, dataset.ErrCorrupt) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
