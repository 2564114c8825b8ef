package ingest

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRealSetsAreRecognizedAndReadWhole(t *testing.T) {
	for _, test := range []struct {
		set, pattern, format string
		samples              int64
	}{
		{"qmsum", "*.jsonl", "qmsum", 0},
		{"hotpotqa_distractor100", "*.jsonl", "hotpotqa", 100},
		{"ircot_multihop", "*.jsonl", "multihop", 89},
		{"loogle", "*.jsonl", "loogle", 222},
		{"tatqa", "*.json", "tatqa", 3331},
		{"qasper_fixture", "*.json", "qasper", 4},
	} {
		t.Run(test.set, func(t *testing.T) {
			plan, res := readAll(t, Options{Inputs: []Input{{Path: filepath.Join(realData(t, test.set), test.pattern)}}})
			for _, in := range plan.Inputs {
				if in.Format != test.format || !in.Recognized {
					t.Errorf("%s was read as %s (recognized: %v)", in.Name, in.Format, in.Recognized)
				}
			}
			if diff := cmp.Diff(res.Rejects, res.Rejects[:0]); diff != "" {
				t.Error(diff)
			}
			if test.samples > 0 && res.Counts.Kept != test.samples {
				t.Errorf("%d samples, want %d", res.Counts.Kept, test.samples)
			}
			for _, s := range res.Samples {
				if s.DataSource != test.format || s.Context == "" || strings.Contains(s.Context, `\u`) {
					t.Errorf("strange sample: %.300q", s)
				}
			}
			t.Logf("%d samples of %d records; first: %.600q", res.Counts.Kept, res.Counts.Records, res.Samples[0])
		})
	}
}
