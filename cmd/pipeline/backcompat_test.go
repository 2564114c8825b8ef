package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/tokenize"
	"github.com/longctx/pipeline/tokenize/bpe"
)

// TestDatasetsOfEveryVersionAreRead reads a dataset of each format that was ever written.
func TestDatasetsOfEveryVersionAreRead(t *testing.T) {
	versions, err := filepath.Glob("../../testdata/backcompat/v*")
	if err != nil || len(versions) != dataset.FormatVersion {
		t.Fatalf("%d datasets for %d versions, %v", len(versions), dataset.FormatVersion, err)
	}
	for _, dir := range versions {
		fsys := dataset.Dir(dir)
		v, err := dataset.Verify(t.Context(), fsys)
		if err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		m, err := dataset.ReadManifest(fsys)
		if err != nil {
			t.Fatal(err)
		}
		if v.Rows != 9 || m.Phases[0].SFTSamples != 3 || m.LedgerOf(dataset.StageIngest).Drops[dataset.ReasonInvalidJSON] != 1 {
			t.Errorf("%s: %+v %+v", dir, v, m.Phases)
		}
		row, ok, err := dataset.FindSample(t.Context(), fsys, m, "lookup-000000")
		if err != nil || !ok {
			t.Fatalf("%s: %v, %v", dir, ok, err)
		}
		tok, err := tokenize.OfDataset(dir, m)
		if err != nil {
			t.Fatal(err)
		}
		prompt, err := tok.Decode(row.PromptTokens, bpe.DecodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.MarshalIndent(map[string]any{"question": row.Question, "answers": row.Answers, "phase": row.Phase, "prompt": prompt}, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(filepath.Dir(dir), "expect-"+filepath.Base(dir)+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), string(got)+"\n"); d != "" {
			t.Errorf("%s (-want +got):\n%s", dir, d)
		}
	}
}
