package export_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/history"
	"github.com/longctx/pipeline/sample/history/intake"
)

// A rolloutLine is a line of verl 0.7's dump (trainer.rollout_data_dir): input to step are its own,
// the rest is what the reward function returned.
type rolloutLine struct {
	Input    string  `json:"input"`
	Output   string  `json:"output"`
	Gts      *string `json:"gts"`
	Score    float64 `json:"score"`
	Step     int64   `json:"step"`
	Acc      float64 `json:"acc"`
	SampleID string  `json:"sample_id,omitempty"`
}

func TestRewardsOfAnExportFindTheirSamples(t *testing.T) {
	w := newWorld(t, spec)
	o := w.options(t, "verl")
	o.Plan = w.plan(t, 2, func(c *curriculum.Config) { c.Retrospective, c.Count = "uniform", 5 })
	run(t, o)
	right := map[string]float64{} // mean reward by sample
	var lines strings.Builder
	for i, r := range rowsOf[verlRow](t, w.fsys, o.Name) {
		for rollout := range 4 {
			line := rolloutLine{Input: "not the prompt", Output: "x", Gts: r.RewardModel.GroundTruth, Step: 3, Score: -0.5, SampleID: r.ExtraInfo.SampleID}
			if rollout < i%5 {
				line.Acc = 1
			}
			right[line.SampleID] += line.Acc / 4
			data, err := json.Marshal(line)
			if err != nil {
				t.Fatal(err)
			}
			lines.Write(append(data, '\n'))
		}
	}
	samples, err := intake.LoadSamples(context.Background(), w.fsys, w.m, nil)
	if err != nil {
		t.Fatal(err)
	}
	store, err := history.Open(w.fsys, nil)
	if err != nil {
		t.Fatal(err)
	}
	report, err := intake.Run(context.Background(), store, intake.Options{
		From: fstest.MapFS{"3.jsonl": &fstest.MapFile{Data: []byte(lines.String())}}, Files: []string{"3.jsonl"},
		Dataset: w.fsys, Samples: samples, Format: intake.FormatVerl, Run: "r", TrainStage: "phase-2", Phase: 2, RewardField: "acc",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if report.Added != 65 || len(report.Bad) > 0 {
		t.Fatalf("%d outcomes, bad: %v", report.Added, report.Bad)
	}
	snap, err := history.Read(w.fsys)
	if err != nil {
		t.Fatal(err)
	}
	table, err := curriculum.ReadTable(context.Background(), w.fsys, w.m, 2)
	if err != nil {
		t.Fatal(err)
	}
	c := curriculum.DefaultConfig(2)
	c.Source = curriculum.SourceRunning
	known, err := curriculum.Learn(context.Background(), snap, table, c)
	if err != nil {
		t.Fatal(err)
	}
	for id, mean := range right {
		parsed, err := history.ParseSampleID(id)
		if err != nil {
			t.Fatal(err)
		}
		s := known.Known(parsed)
		if s == nil {
			t.Fatalf("nothing is known of sample %s", id)
		}
		if got := s.Mean(); got != mean || s.Known != 4 {
			t.Errorf("sample %s: mean reward %v of %d, it was %v of 4", id, got, s.Known, mean)
		}
	}
}
