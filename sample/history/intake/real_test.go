package intake

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
	"github.com/longctx/pipeline/sample/history"
)

// realSamples makes the samples that a real reward file is about. A file that has questions is
// read as a dataset would read it (question, gold answer, no document); one that has only ids
// gets a question that is its id.
func realSamples(t *testing.T, name string) *Samples {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := &Samples{ids: map[history.SampleID]struct{}{}, bySource: map[string]match{}}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var r struct{ ID, Question, Gold string }
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		sample := dataset.Sample{SourceID: r.ID, Question: r.Question, Answers: []string{r.Gold}}
		if r.Question == "" {
			sample.Question = r.ID
		}
		id, err := history.ParseSampleID(dataset.HashSample(&sample, dataset.HashContext("")))
		if err != nil {
			t.Fatal(err)
		}
		s.ids[id] = struct{}{}
		s.bySource[r.ID] = match{id: id}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRealRewardFilesAreReadWhole(t *testing.T) {
	data := os.Getenv("PIPELINE_REAL_DATA")
	if data == "" {
		t.Skip("PIPELINE_REAL_DATA names no folder with rewards/*.jsonl")
	}
	for _, test := range []struct {
		file     string
		run      string
		outcomes int64
		rollouts int64
		samples  int
		keep     bool
	}{
		{"qwen25math_math100_n8.jsonl", "math", 100, 800, 100, true},
		{"game24_gpt4_n100.jsonl", "game24 {policy}", 200, 20000, 100, false}, // two prompts, side by side
		{"cruxeval_codellama7b_n10.jsonl", "cruxeval", 1600, 16000, 1600, false},
	} {
		t.Run(test.file, func(t *testing.T) {
			dir := filepath.Join(data, "rewards")
			fsys := faultfs.New()
			s, err := history.Open(fsys, nil)
			if err != nil {
				t.Fatal(err)
			}
			o := Options{
				From: os.DirFS(dir), Files: []string{test.file}, Dataset: fsys, Samples: realSamples(t, filepath.Join(dir, test.file)),
				Run: test.run, KeepResponses: test.keep,
			}
			report, err := Run(context.Background(), s, o)
			if err != nil {
				t.Fatal(err)
			}
			if report.Added != test.outcomes || report.Rollouts != test.rollouts || report.BadRecords() != 0 {
				t.Errorf("%+v", report)
			}
			snap, err := s.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			sums, err := snap.Summarize(context.Background(), history.SummaryOptions{Mix: history.MixAll})
			if err != nil || sums.Len() != test.samples {
				t.Fatalf("%d samples, %v", sums.Len(), err)
			}
			var never, always int
			var sum, known float64
			for x := range sums.All() {
				sum += x.Sum
				known += float64(x.Known)
				if x.Sum == 0 {
					never++
				}
				if x.Successes == x.Known {
					always++
				}
			}
			t.Logf("mean reward %.3f; %d samples never solved, %d always, of %d", sum/known, never, always, sums.Len())
		})
	}
}
