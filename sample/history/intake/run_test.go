package intake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
	"github.com/longctx/pipeline/sample/history"
)

func sampleID(n int) (id history.SampleID) {
	id[0], id[15] = byte(n), 0xee
	return id
}

// someSamples are a dataset of samples 0 to n-1 with source ids "q0".. and prompts "prompt 0"..
func someSamples(n int) *Samples {
	s := &Samples{ids: map[history.SampleID]struct{}{}, bySource: map[string]match{}, byPrompt: map[promptHash]match{}}
	for i := range n {
		s.ids[sampleID(i)] = struct{}{}
		s.bySource[fmt.Sprintf("q%d", i)] = match{id: sampleID(i)}
		s.byPrompt[hashPrompt(fmt.Sprintf("prompt %d", i))] = match{id: sampleID(i)}
	}
	s.bySource["twice"] = match{sampleID(0), true}
	s.byPrompt[hashPrompt("prompt twice")] = match{sampleID(0), true}
	return s
}

// load imports files, by their names, into a history.
func load(t testing.TB, fsys dataset.FS, o Options, files map[string]string) (Report, error) {
	t.Helper()
	s, err := history.Open(fsys, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	from := fstest.MapFS{}
	for name, text := range files {
		from[name] = &fstest.MapFile{Data: []byte(text)}
	}
	o.From, o.Dataset = from, fsys
	if o.Files == nil {
		o.Files = slices.Sorted(maps.Keys(files))
	}
	if o.Samples == nil {
		o.Samples = someSamples(10)
	}
	if o.Run == "" {
		o.Run = "run"
	}
	return Run(context.Background(), s, o)
}

func mustLoad(t testing.TB, fsys dataset.FS, o Options, files map[string]string) Report {
	t.Helper()
	r, err := load(t, fsys, o, files)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func outcomes(t testing.TB, fsys dataset.FS) []history.Outcome {
	t.Helper()
	snap, err := history.Read(fsys)
	if err != nil {
		t.Fatal(err)
	}
	out := []history.Outcome{}
	for o, err := range snap.Outcomes(context.Background(), history.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, *o)
	}
	return out
}

func rewardsOf(o history.Outcome) string {
	var text []string
	for _, r := range o.Rollouts {
		text = append(text, r.Reward.String())
	}
	return strings.Join(text, " ")
}

func TestEveryFieldOfARecordIsRead(t *testing.T) {
	fsys := faultfs.New()
	mustLoad(t, fsys, Options{KeepResponses: true, Phase: 9, Judge: "default"}, map[string]string{"a.jsonl": strings.ReplaceAll(`{"sample_id": "`+sampleID(3).String()+`", "id": "ignored", "run": "r\u0031", "train_stage": "phase-2",
 "phase": 2, "step": 12.0, "position": 7, "policy": "p@12", "max_prompt": 60000, "max_response": 20000, "temperature": 0.7,
 "judge": "qwen", "time": "2026-11-23T10:00:00.5Z", "rewards": [1, null, 0.25], "rule_rewards": [1, 0, 0],
 "judge_rewards": [null, null, 0.25], "response_lengths": [10, null, 0], "stop_reasons": ["stop", "length", null],
 "responses": ["a \"b\"", null, ""], "level": {"x": [1, "]}"]}}`, "\n", "")})
	got := outcomes(t, fsys)
	if len(got) != 1 {
		t.Fatalf("%d outcomes", len(got))
	}
	o := got[0]
	want := history.Outcome{
		Identity: history.Identity{Run: "r1", TrainStage: "phase-2", Step: 12, Position: 7, SampleID: sampleID(3)},
		Phase:    2, Policy: "p@12", Judge: "qwen",
		Limits: history.Limits{MaxPrompt: 60000, MaxResponse: 20000, Temperature: history.Known(0.7)},
		Time:   o.Time,
		Rollouts: []history.Rollout{
			{Reward: history.Known(1), RuleReward: history.Known(1), ResponseLength: 10, StopReason: "stop", Response: `a "b"`},
			{RuleReward: history.Known(0), ResponseLength: history.UnknownLength, StopReason: "length"},
			{Reward: history.Known(0.25), RuleReward: history.Known(0), JudgeReward: history.Known(0.25)},
		},
	}
	if diff := cmp.Diff(want, o); diff != "" {
		t.Error(diff)
	}
	if o.Time.UnixMilli() != 1795428000500 {
		t.Errorf("time %v", o.Time)
	}
}

func TestWhatIsExportedCanBeImported(t *testing.T) {
	fsys := faultfs.New()
	mustLoad(t, fsys, Options{KeepResponses: true, Limits: history.Limits{MaxPrompt: 10}}, map[string]string{
		"a.jsonl": `{"id": "q1", "rewards": [1, null], "responses": ["x", "y"], "time": 1.5}
{"id": "q2", "step": 3, "position": 0, "temperature": 0, "rewards": [0.1, 0.3], "response_lengths": [3, 4]}`,
	})
	snap, err := history.Read(fsys)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if n, err := snap.ExportJSONL(context.Background(), &text, history.Filter{}); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	again := faultfs.New()
	mustLoad(t, again, Options{KeepResponses: true}, map[string]string{"b.jsonl": text.String()})
	if diff := cmp.Diff(outcomes(t, fsys), outcomes(t, again)); diff != "" {
		t.Error(diff)
	}
}

func TestImportingTwiceChangesNothing(t *testing.T) {
	fsys := faultfs.New()
	files := map[string]string{"a.jsonl": `{"id": "q1", "rewards": [1, 0]}` + "\n" + `{"id": "nobody", "rewards": [1]}`, "b.jsonl": `{"id": 5, "rewards": [1]}`}
	first := mustLoad(t, fsys, Options{}, files)
	before := fsys.Files()
	second := mustLoad(t, fsys, Options{}, files)
	if first.Added != 1 || second.Added != 0 || second.Same != 1 || second.Snapshot != first.Snapshot || second.Quarantine != first.Quarantine {
		t.Errorf("first %+v, second %+v", first, second)
	}
	if diff := cmp.Diff(before, fsys.Files()); diff != "" {
		t.Error(diff)
	}
}

func TestARefusedImportLeavesNothing(t *testing.T) {
	fsys := faultfs.New()
	mustLoad(t, fsys, Options{}, map[string]string{"a.jsonl": `{"id": "q9", "rewards": [1, 0]}`})
	var lines []string
	for i := range 3 * batchOutcomes {
		lines = append(lines, fmt.Sprintf(`{"id": "q1", "step": %d, "rewards": [1]}`, i))
	}
	lines = append(lines, "bad", `{"id": "q9", "rewards": [1, 1]}`)
	_, err := load(t, fsys, Options{}, map[string]string{"b.jsonl": strings.Join(lines, "\n")})
	at, ok := errors.AsType[*PlaceError](err)
	if !ok || !errors.Is(err, history.ErrConflict) || at.File != "b.jsonl" || at.Line != 3*batchOutcomes+2 {
		t.Fatalf("error: %v", err)
	}
	if got := outcomes(t, fsys); len(got) != 1 {
		t.Errorf("%d outcomes after a refused import", len(got))
	}
	if r := mustLoad(t, fsys, Options{Run: "another"}, map[string]string{"b.jsonl": strings.Join(lines, "\n")}); r.Added != 3*batchOutcomes+1 {
		t.Errorf("%+v", r)
	}
	for name := range fsys.Files() {
		if strings.HasSuffix(name, ".tmp") {
			t.Errorf("left behind: %s", name)
		}
	}
}

func TestAnImportIsWholeOrNothingAtAnyFault(t *testing.T) {
	files := map[string]string{"a.jsonl": `{"id": "q1", "rewards": [1, 0]}` + "\nbad\n" + `{"id": "q2", "rewards": [1]}`}
	count := faultfs.New()
	mustLoad(t, count, Options{}, files)
	for i := range count.Ops() {
		for _, fault := range []error{errors.New("injected"), faultfs.ErrCrashed} {
			fsys := faultfs.New()
			fsys.OnOp(func(at int, _ faultfs.Op) error {
				if at == i {
					return fault
				}
				return nil
			})
			s, err := history.Open(fsys, nil)
			if err == nil {
				_, err = Run(context.Background(), s, Options{
					From: fstest.MapFS{"a.jsonl": {Data: []byte(files["a.jsonl"])}}, Files: []string{"a.jsonl"}, Dataset: fsys, Samples: someSamples(3), Run: "run",
				})
			}
			fsys.OnOp(nil)
			after := fsys
			if errors.Is(fault, faultfs.ErrCrashed) {
				after = fsys.AfterCrash()
			}
			again, err2 := history.Open(after, nil)
			if err2 != nil {
				t.Fatalf("operation %d: %v", i, err2)
			}
			again.Close()
			if n := len(outcomes(t, after)); n != 0 && n != 2 || err == nil && n != 2 {
				t.Errorf("operation %d, %v: %d outcomes, error %v", i, fault, n, err)
			}
			for name := range after.Files() {
				if strings.HasSuffix(name, ".tmp") {
					t.Errorf("operation %d: left behind: %s", i, name)
				}
			}
		}
	}
}

func TestADumpOfVerlIsGroupedByStepAndPrompt(t *testing.T) {
	type rollout struct {
		step   int
		prompt int
		score  string
	}
	all := []rollout{}
	for step := range 3 {
		for p := range 4 {
			for g := range 3 {
				all = append(all, rollout{step, p, fmt.Sprint((p + g) % 2)})
			}
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	files := map[string]string{}
	for step := range 3 {
		one := slices.DeleteFunc(slices.Clone(all), func(x rollout) bool { return x.step != step })
		r.Shuffle(len(one), func(i, j int) { one[i], one[j] = one[j], one[i] })
		var text strings.Builder
		for _, x := range one {
			fmt.Fprintf(&text, `{"input": "\n prompt %d ", "output": "two words", "gts": "42", "score": %s, "step": %d}`+"\n", x.prompt, x.score, x.step)
		}
		files[fmt.Sprintf("%d.jsonl", step)] = text.String()
	}
	fsys := faultfs.New()
	report := mustLoad(t, fsys, Options{TrainStage: "phase-1", Phase: 1, CountTokens: func(s string) int { return len(strings.Fields(s)) }}, files)
	if report.Added != 12 || report.Rollouts != 36 || len(report.Files) != 3 || report.Files[0].Format != FormatVerl {
		t.Errorf("%+v", report)
	}
	for _, o := range outcomes(t, fsys) {
		if len(o.Rollouts) != 3 || o.Rollouts[0].ResponseLength != 2 || o.TrainStage != "phase-1" || o.Phase != 1 {
			t.Errorf("%+v", o)
		}
		ones := strings.Count(rewardsOf(o), "1")
		if want := 1 + int(o.SampleID[0])%2; ones != want {
			t.Errorf("sample %v: rewards %s", o.SampleID, rewardsOf(o))
		}
	}
}

func TestADumpThatCarriesTheSampleIsNotJoinedByPrompt(t *testing.T) {
	id := sampleID(4).String()
	for name, record := range map[string]string{
		"sample_id":        `{"input": "changed", "output": "", "score": 1, "sample_id": "` + id + `"}`,
		"extra_info":       `{"input": "changed", "output": "", "score": 1, "extra_info": {"index": 3, "sample_id": "` + id + `"}}`,
		"ground truth":     `{"input": "changed", "output": "", "score": 1, "gts": {"answers": ["x"], "sample_id": "` + id + `"}}`,
		"as text":          `{"input": "changed", "output": "", "score": 1, "gts": "{\"answers\": [\"x\"], \"sample_id\": \"` + id + `\"}"}`,
		"unshaped reward":  `{"input": "prompt 4", "output": "", "score": -3, "acc": 1}`,
		"escaped in input": `{"input": "\u0070rompt 4", "output": "", "score": 1}`,
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Format: FormatVerl}
			if strings.Contains(record, "acc") {
				o.RewardField = "acc"
			}
			fsys := faultfs.New()
			mustLoad(t, fsys, o, map[string]string{"17.jsonl": record})
			got := outcomes(t, fsys)
			if len(got) != 1 || got[0].SampleID != sampleID(4) || got[0].Step != 17 || rewardsOf(got[0]) != "1" {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestBadRecordsGoToQuarantineWithPlaceAndReason(t *testing.T) {
	for record, want := range map[string]dataset.Reason{
		`{"id": "q1", "rewards": [1, 0`:                                        dataset.ReasonInvalidJSON,
		`{"id": "q1", "rewards": [1]} x`:                                       dataset.ReasonInvalidJSON,
		`{"id": "q1", "id": "q2", "rewards": [1]}`:                             dataset.ReasonInvalidJSON,
		"{\"id\": \"\xff\", \"rewards\": [1]}":                                 dataset.ReasonInvalidUTF8,
		`"text"`:                                                               dataset.ReasonWrongType,
		`{"id": ["q1"], "rewards": [1]}`:                                       dataset.ReasonWrongType,
		`{"id": "q1", "rewards": 1}`:                                           dataset.ReasonWrongType,
		`{"id": "q1", "rewards": [true]}`:                                      dataset.ReasonWrongType,
		`{"id": "q1", "rewards": [1], "policy": 3}`:                            dataset.ReasonWrongType,
		`{"id": "q1", "rewards": [1], "step": "4"}`:                            dataset.ReasonWrongType,
		`{"sample_id": 5, "rewards": [1]}`:                                     dataset.ReasonWrongType,
		`{"id": "q1"}`:                                                         dataset.ReasonMissingField,
		`{"rewards": [1]}`:                                                     dataset.ReasonMissingField,
		`{"id": "q1", "rewards": null}`:                                        dataset.ReasonMissingField,
		`{"id": "q1", "rewards": []}`:                                          ReasonEmptyGroup,
		`{"id": "q1", "rewards": [1], "response_lengths": [1, 2]}`:             ReasonCounts,
		`{"id": "q1", "rewards": [1.0001]}`:                                    ReasonOutOfRange,
		`{"id": "q1", "rewards": [-0.5]}`:                                      ReasonOutOfRange,
		`{"id": "q1", "rewards": [0], "judge_rewards": [2]}`:                   ReasonOutOfRange,
		`{"id": "q1", "rewards": [NaN]}`:                                       ReasonNotANumber,
		`{"id": "q1", "rewards": [-Infinity, 1]}`:                              ReasonNotANumber,
		`{"id": "q1", "rewards": [Infinity]}`:                                  ReasonNotANumber,
		`{"id": "q1", "rewards": ["nan"]}`:                                     ReasonNotANumber,
		`{"id": "q1", "rewards": [1e999]}`:                                     ReasonNotANumber,
		`{"id": "nobody", "rewards": [1]}`:                                     ReasonUnknownSample,
		`{"sample_id": "q1", "rewards": [1]}`:                                  ReasonUnknownSample,
		`{"sample_id": "` + strings.Repeat("0", 32) + `", "rewards": [1]}`:     ReasonUnknownSample,
		`{"id": "twice", "rewards": [1]}`:                                      ReasonAmbiguousSource,
		`{"id": "q1", "rewards": [1], "step": -1}`:                             ReasonInvalidValue,
		`{"id": "q1", "rewards": [1], "step": 1.5}`:                            ReasonInvalidValue,
		`{"id": "q1", "rewards": [1], "phase": 99999999999}`:                   ReasonInvalidValue,
		`{"id": "q1", "rewards": [1], "temperature": -1}`:                      ReasonInvalidValue,
		`{"id": "q1", "rewards": [1], "time": "yesterday"}`:                    ReasonInvalidValue,
		`{"id": "q1", "rewards": [1], "run": "", "pad": ""}`:                   ReasonInvalidValue,
		`{"id": "q1", "rewards": [1], "pad": "` + strings.Repeat("x", 999):     dataset.ReasonTooLarge,
		`{"input": "prompt twice", "output": "", "score": 1, "step": 1}`:       ReasonAmbiguousPrompt,
		`{"input": "another prompt", "output": "", "score": 1, "step": 1}`:     ReasonUnknownSample,
		`{"input": "prompt 1", "output": "", "step": 1, "scores": 1}`:          dataset.ReasonMissingField,
		`{"input": "prompt 1", "output": "", "score": "good", "step": 1}`:      dataset.ReasonWrongType,
		`{"input": "prompt 1", "output": "", "score": 1}`:                      dataset.ReasonMissingField,
		`{"input": "prompt 1", "output": "", "score": 1, "step": -4}`:          ReasonInvalidValue,
		`{"input": "prompt 1", "output": 7, "score": 1, "step": 1}`:            dataset.ReasonWrongType,
		`{"output": "", "score": 1, "step": 1}`:                                dataset.ReasonMissingField,
		`{"input": "x", "output": "", "score": 1, "step": 1, "sample_id":"0"}`: ReasonUnknownSample,
	} {
		fsys := faultfs.New()
		o := Options{MaxRecord: 500, Format: FormatJSONL}
		good := `{"id": "q0", "rewards": [1]}`
		if strings.Contains(record, `"output"`) {
			o.Format = FormatVerl
			good = `{"input": "prompt 0", "output": "", "score": 1, "step": 0}`
		}
		report := mustLoad(t, fsys, o, map[string]string{"a.jsonl": good + "\r\n\n" + record})
		if diff := cmp.Diff(map[dataset.Reason]int64{want: 1}, report.Bad); diff != "" {
			t.Errorf("%s: %s", record, diff)
			continue
		}
		data, err := fs.ReadFile(fsys, report.Quarantine)
		if err != nil {
			t.Fatal(err)
		}
		place := fmt.Sprintf(`"source":"a.jsonl","line":3,"byte_offset":%d,`, len(good)+3)
		if !strings.Contains(string(data), place) || !strings.Contains(string(data), string(want)) {
			t.Errorf("%s: quarantine says %s", record, data)
		}
		if n := len(outcomes(t, fsys)); n != 1 || report.Records != 2 || report.BadShare() != 0.5 {
			t.Errorf("%s: %d outcomes, %+v", record, n, report)
		}
	}
}

func TestARangeMapsRewardsInProportion(t *testing.T) {
	fsys := faultfs.New()
	report := mustLoad(t, fsys, Options{Range: Range{-1, 3}}, map[string]string{"a.jsonl": `{"id": "q1", "rewards": [-1, 0, 3, null], "rule_rewards": [1, 1, 1, 1]}
{"id": "q2", "rewards": [-1.5]}`})
	got := outcomes(t, fsys)
	if rewardsOf(got[0]) != "0 0.25 1 null" || got[0].Rollouts[0].RuleReward != history.Known(0.5) || report.Bad[ReasonOutOfRange] != 1 {
		t.Errorf("%s, %+v", rewardsOf(got[0]), report)
	}
	if _, err := load(t, faultfs.New(), Options{Range: Range{1, 1}}, nil); err == nil {
		t.Error("an empty range is taken")
	}
}

func TestAFileOfAnotherKindIsRefused(t *testing.T) {
	_, err := load(t, faultfs.New(), Options{}, map[string]string{"a.jsonl": `{"question": "what?"}`})
	if !errors.Is(err, ErrNothing) || !strings.Contains(err.Error(), "a.jsonl, line 1") {
		t.Errorf("error: %v", err)
	}
}
