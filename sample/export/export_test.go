package export_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/export"
	"github.com/longctx/pipeline/sample/stream/streamtest"
)

type verlRow struct {
	DataSource  string           `parquet:"data_source"`
	Prompt      []export.Message `parquet:"prompt,list"`
	RewardModel struct {
		Style       string  `parquet:"style"`
		GroundTruth *string `parquet:"ground_truth,optional"`
	} `parquet:"reward_model"`
	ExtraInfo struct {
		Index       int64    `parquet:"index"`
		SampleID    string   `parquet:"sample_id"`
		DatasetID   string   `parquet:"dataset_id"`
		PlanID      string   `parquet:"plan_id,optional"`
		Phase       int32    `parquet:"phase"`
		OriginPhase int32    `parquet:"origin_phase"`
		Position    int64    `parquet:"position"`
		Epoch       int32    `parquet:"epoch"`
		Question    string   `parquet:"question"`
		Answers     []string `parquet:"answers,list"`
	} `parquet:"extra_info"`
}

var spec = streamtest.Spec{Phases: []int{40, 60}, Shards: 3, Seed: 1}

func TestEachPositionOfThePlanIsOneRowInItsOrder(t *testing.T) {
	w := newWorld(t, spec)
	p := w.plan(t, 2, func(c *curriculum.Config) { c.Epochs, c.Retrospective, c.Count = 3, "uniform", 11 })
	o := w.options(t, "verl")
	o.Plan = p
	report := run(t, o)
	rows, entries := rowsOf[verlRow](t, w.fsys, o.Name), entriesOf(t, p)
	if len(rows) != len(entries) || int64(len(rows)) != report.Rows || len(rows) != 3*71 {
		t.Fatalf("%d rows, %d positions, the report says %d", len(rows), len(entries), report.Rows)
	}
	tokens := int64(0)
	for i, r := range rows {
		e, s := entries[i], w.samples[entries[i].SampleID]
		x := r.ExtraInfo
		if x.SampleID != e.SampleID || x.Position != e.Position || x.Index != e.Position || x.Epoch != e.Epoch || x.OriginPhase != e.OriginPhase ||
			x.Phase != 2 || x.PlanID != p.ID() || x.DatasetID != w.m.ID {
			t.Fatalf("row %d is %+v, the plan says %+v", i, x, e)
		}
		want := []export.Message{{Role: "user", Content: w.prompt.Fill(s.Question, s.Context).Text}}
		if d := cmp.Diff(want, r.Prompt); d != "" {
			t.Fatalf("prompt of row %d (-want +got):\n%s", i, d)
		}
		if strings.Join(x.Answers, "|") != strings.Join(s.Answers, "|") || x.Question != s.Question || r.DataSource != s.DataSource {
			t.Fatalf("row %d: %+v, the sample is %+v", i, x, s.Sample)
		}
		if truth := r.RewardModel.GroundTruth; (truth == nil) != (len(s.Answers) == 0) || truth != nil && *truth != s.Answers[0] {
			t.Fatalf("row %d: ground truth %v, answers %q", i, truth, s.Answers)
		}
		tokens += int64(len(s.IDs))
	}
	if report.Tokens != tokens || report.MaxPrompt == 0 || report.Phase != 2 {
		t.Errorf("report %+v, tokens %d", report, tokens)
	}
}

func TestWithoutAPlanAPhaseIsWrittenOnceInTheOrderOfItsShards(t *testing.T) {
	w := newWorld(t, spec)
	o := w.options(t, "jsonl")
	o.Phase = 2
	run(t, o)
	var want []string
	for _, s := range w.m.Shards {
		if s.Phase != 2 {
			continue
		}
		for rows, err := range dataset.ReadRows[struct {
			SampleID string `parquet:"sample_id"`
		}](w.fsys, s.Path) {
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				want = append(want, r.SampleID)
			}
		}
	}
	var got []string
	for i, line := range bytes.Split(bytes.TrimSpace(w.fsys.Files()[o.Name]), []byte("\n")) {
		var r struct {
			SampleID string `json:"sample_id"`
			Position int    `json:"position"`
		}
		if err := json.Unmarshal(line, &r); err != nil || r.Position != i {
			t.Fatalf("line %d: position %d, %v", i, r.Position, err)
		}
		got = append(got, r.SampleID)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("samples (-want +got):\n%s", d)
	}
}

func TestTheBytesDoNotDependOnTheMemory(t *testing.T) {
	w := newWorld(t, spec)
	p := w.plan(t, 2, func(c *curriculum.Config) { c.Epochs, c.Retrospective = 2, "uniform" })
	for _, f := range export.Formats {
		var first []byte
		for _, memory := range []int64{1, 30_000, 1 << 30} {
			o := w.options(t, f.Name)
			o.Plan, o.Memory, o.Name = p, memory, fmt.Sprint(memory, f.Name)
			run(t, o)
			data := w.fsys.Files()[o.Name]
			if first == nil {
				first = data
			}
			if !bytes.Equal(first, data) {
				t.Errorf("%s: with %d bytes of memory it is another file", f.Name, memory)
			}
		}
	}
}

func TestOpenRLHFGetsTheSampleInItsLabel(t *testing.T) {
	w := newWorld(t, spec)
	o := w.options(t, "openrlhf")
	o.Plan = w.plan(t, 1, nil)
	run(t, o)
	entries := entriesOf(t, o.Plan)
	for i, line := range bytes.Split(bytes.TrimSpace(w.fsys.Files()[o.Name]), []byte("\n")) {
		var r struct{ Label string }
		var label export.Label
		if err := errors.Join(json.Unmarshal(line, &r), json.Unmarshal([]byte(r.Label), &label)); err != nil {
			t.Fatal(err)
		}
		s := w.samples[entries[i].SampleID]
		if label.SampleID != s.ID || label.Position != int64(i) || strings.Join(label.Answers, "|") != strings.Join(s.Answers, "|") || label.Answers == nil {
			t.Fatalf("label %d is %+v of %+v", i, label, s.Sample)
		}
	}
}

func TestHFCarriesTheIdsOfTheBuildAlsoWithoutText(t *testing.T) {
	for _, lean := range []bool{false, true} {
		w := newWorld(t, streamtest.Spec{Phases: []int{30}, Seed: 3, Lean: lean})
		o := w.options(t, "hf")
		o.Plan = w.plan(t, 1, nil)
		run(t, o)
		type hfRow struct {
			SampleID     string           `parquet:"sample_id"`
			Prompt       []export.Message `parquet:"prompt,optional,list"`
			PromptTokens []int32          `parquet:"prompt_tokens,list"`
			Question     *string          `parquet:"question,optional"`
		}
		for i, r := range rowsOf[hfRow](t, w.fsys, o.Name) {
			if d := cmp.Diff(w.samples[r.SampleID].IDs, r.PromptTokens); d != "" {
				t.Fatalf("row %d (-want +got):\n%s", i, d)
			}
			if (len(r.Prompt) == 0) != lean || (r.Question == nil) != lean {
				t.Fatalf("row %d: lean %v, and its prompt is %v", i, lean, r.Prompt)
			}
		}
	}
}

func TestWhatCannotBeExportedIsRefused(t *testing.T) {
	w, other := newWorld(t, spec), newWorld(t, streamtest.Spec{Phases: []int{9}, Seed: 9})
	lean := newWorld(t, streamtest.Spec{Phases: []int{9}, Seed: 9, Lean: true})
	growing := streamtest.Plan(t, w.fsys, w.m, "growing.parquet", curriculum.DefaultConfig(1), 10, 2)
	for _, c := range []struct {
		name   string
		world  *world
		change func(*export.Options)
		want   error
	}{
		{"a plan of another dataset", w, func(o *export.Options) { o.Plan = other.plan(t, 1, nil) }, export.ErrOtherDataset},
		{"a plan that grows", w, func(o *export.Options) { o.Plan = growing }, export.ErrGrowing},
		{"a dataset without text", lean, nil, export.ErrNoText},
	} {
		o := c.world.options(t, "verl")
		if c.change != nil {
			c.change(&o)
		}
		if _, err := export.Run(context.Background(), o); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.world.fsys.Files()[o.Name] != nil {
			t.Errorf("%s: a file was written", c.name)
		}
	}
	o := w.options(t, "verl")
	o.Phase = 3
	if _, err := export.Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), "no phase 3: its last is 2") {
		t.Errorf("a phase that is not there: %v", err)
	}
}

func TestAFileWithOtherContentIsOnlyReplacedByForce(t *testing.T) {
	w := newWorld(t, spec)
	o := w.options(t, "jsonl")
	first := run(t, o)
	if again := run(t, o); !again.Same || first.Same {
		t.Errorf("first same: %v, again same: %v", first.Same, again.Same)
	}
	o.Phase = 2
	before := w.fsys.Files()[o.Name]
	if _, err := export.Run(context.Background(), o); !errors.Is(err, export.ErrExists) {
		t.Errorf("other content: %v", err)
	}
	if !bytes.Equal(before, w.fsys.Files()[o.Name]) {
		t.Error("the file changed")
	}
	o.Force = true
	if r := run(t, o); r.Same || bytes.Equal(before, w.fsys.Files()[o.Name]) {
		t.Error("force did not replace it")
	}
	for name := range w.fsys.Files() {
		if strings.HasSuffix(name, ".tmp") {
			t.Errorf("%s was left", name)
		}
	}
}

func TestACrashLeavesTheFileWholeOrNotThere(t *testing.T) {
	whole := newWorld(t, spec)
	o := whole.options(t, "jsonl")
	before := whole.fsys.Ops()
	run(t, o)
	want, ops := whole.fsys.Files()[o.Name], whole.fsys.Ops()-before
	if ops < 4 {
		t.Fatalf("only %d operations", ops)
	}
	for fault := range ops {
		w := newWorld(t, spec)
		w.fsys.OnOp(func(i int, _ faultfs.Op) error {
			if i >= fault {
				return faultfs.ErrCrashed
			}
			return nil
		})
		_, err := export.Run(context.Background(), w.options(t, "jsonl"))
		if err == nil {
			t.Fatalf("operation %d failed, and nobody said so", fault)
		}
		for _, after := range []*faultfs.FS{w.fsys.AfterCrash(), w.fsys.AfterKill()} {
			if got := after.Files()[o.Name]; got != nil && !bytes.Equal(got, want) {
				t.Errorf("crash at operation %d leaves %d of %d bytes", fault, len(got), len(want))
			}
		}
	}
}

func TestAnExportThatIsCancelledLeavesNothing(t *testing.T) {
	w := newWorld(t, spec)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	o := w.options(t, "verl")
	if _, err := export.Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for name := range w.fsys.Files() {
		if strings.HasPrefix(name, "out") {
			t.Errorf("%s was left", name)
		}
	}
}
