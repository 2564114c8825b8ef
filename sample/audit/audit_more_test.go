package audit_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/longctx/pipeline/dataset/faultfs"
	"github.com/longctx/pipeline/sample/audit"
	"github.com/longctx/pipeline/sample/audit/rehearsal"
	"github.com/longctx/pipeline/sample/history"
)

// told is a dataset of a few samples whose outcomes the test tells itself.
func told(t *testing.T, n int, outcomes func(ids []history.SampleID) []history.Outcome) *audit.Facts {
	t.Helper()
	fsys := faultfs.New()
	samples := rehearsal.Samples(n, 3)
	m, err := rehearsal.Dataset(fsys, samples)
	if err != nil {
		t.Fatal(err)
	}
	store, err := history.Open(fsys, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	ids := make([]history.SampleID, n)
	for i := range ids {
		ids[i] = samples[i].ID
	}
	if _, err := store.Append(t.Context(), outcomes(ids)); err != nil {
		t.Fatal(err)
	}
	return run(t, fsys, m, audit.Defaults())
}

// group is an outcome of a phase with these rewards; under 0 is unknown.
func group(id history.SampleID, phase int32, step int64, rewards ...float32) history.Outcome {
	o := history.Outcome{Identity: history.Identity{Run: "a", TrainStage: fmt.Sprint("phase-", phase), Step: step, Position: history.UnknownPosition, SampleID: id}, Phase: phase}
	for _, r := range rewards {
		x := history.Rollout{ResponseLength: history.UnknownLength}
		if r >= 0 {
			x.Reward = history.Known(r)
		}
		o.Rollouts = append(o.Rollouts, x)
	}
	return o
}

func sampleOf(t *testing.T, f *audit.Facts, id history.SampleID) *audit.Sample {
	t.Helper()
	i := slices.IndexFunc(f.Samples, func(s audit.Sample) bool { return s.ID == id })
	if i < 0 {
		t.Fatalf("no sample %v", id)
	}
	return &f.Samples[i]
}

func codes(f *audit.Facts, level audit.Level) (all []string) {
	for _, x := range f.Findings {
		if x.Level == level {
			all = append(all, x.Code)
		}
	}
	return all
}

func TestStatesSayWhatIsKnownAndMissingIsNotZero(t *testing.T) {
	var ids []history.SampleID
	f := told(t, 6, func(of []history.SampleID) (out []history.Outcome) {
		ids = of
		for step := range int64(3) {
			out = append(out,
				group(of[1], 1, step, -1, -1),
				group(of[2], 1, step, 0, 0),
				group(of[4], 1, step, 0, 1),
				group(of[5], 1, step, 1, 1))
		}
		return append(out, group(of[3], 1, 0, 0, 0, 0, 0, 0, 0, 0, 0))
	})
	for i, want := range []audit.State{audit.NeverVisited, audit.NoReward, audit.Unlearnable, audit.NoSuccess, audit.Learning, audit.Solved} {
		s := sampleOf(t, f, ids[i])
		if s.State != want {
			t.Errorf("sample %d is %v, want %v", i, s.State, want)
		}
		if i < 2 && (s.Estimate.Mean.Known() || s.Belief.Mean.Known() || s.PassRate.Known()) {
			t.Errorf("sample %d has an estimate: %+v", i, s)
		}
	}
	if e := sampleOf(t, f, ids[3]).Estimate; math.Abs(float64(e.Upper)-0.324) > 0.001 || e.N != 8 {
		t.Errorf("0 of 8 is %v of %d", e, e.N)
	}
	if got := f.Totals.RolloutsUnknown; got != 6 {
		t.Errorf("%d rollouts are unknown", got)
	}
	if !slices.Contains(codes(f, audit.Look), "null_rewards") {
		t.Errorf("six of 26 rewards are missing, and that is no finding: %v", f.Findings)
	}
}

func TestTheEstimateIsOfTheLastPhaseThatSawTheSample(t *testing.T) {
	var id history.SampleID
	f := told(t, 30, func(of []history.SampleID) []history.Outcome {
		id = of[0]
		return []history.Outcome{group(id, 4, 9, 1, 1, 1, 0), group(id, 1, 1, 0, 0, 0, 0), group(id, 1, 2, 0, 0, 0, 0)}
	})
	s := sampleOf(t, f, id)
	if s.Estimate.Mean != 0.75 || s.Estimate.N != 4 || s.Rollouts != 12 {
		t.Errorf("estimate %v of %d, %d rollouts", s.Estimate, s.Estimate.N, s.Rollouts)
	}
	a := s.Again
	if a == nil || a.Phase != 4 || a.FirstStep != 9 || a.Visits != 1 || a.Change.From.N != 4 && s.Phase == 1 || a.Change.By < 0.7 {
		t.Errorf("retrospective: %+v", a)
	}
	if a != nil && a.Became != audit.BecameBetter {
		t.Errorf("it became %v", a.Became)
	}
}

func TestStepsOfAPhaseComeAfterThoseBefore(t *testing.T) {
	f := told(t, 8, func(of []history.SampleID) (out []history.Outcome) {
		for step := range int64(10) {
			out = append(out, group(of[step%8], 1, step, 0, 1), group(of[step%8], 2, step, 0, 1))
		}
		return out
	})
	last := int64(-1)
	for _, s := range f.Steps {
		if s.Order <= last {
			t.Errorf("phase %d, step %d is at %d, after %d", s.Phase, s.Step, s.Order, last)
		}
		last = s.Order
	}
	if last != 19 {
		t.Errorf("the last step is at %d", last)
	}
}

func TestAHistoryWithoutZeroVarianceGroupsIsSuspect(t *testing.T) {
	f := told(t, 40, func(of []history.SampleID) (out []history.Outcome) {
		for step := range int64(4) {
			for _, id := range of {
				out = append(out, group(id, 1, step, 0, 1))
			}
		}
		return out
	})
	if !slices.Contains(codes(f, audit.Look), "no_zero_variance") {
		t.Errorf("findings: %v", f.Findings)
	}
}

func TestAnotherRunIsLeftOutAndNamed(t *testing.T) {
	f := told(t, 10, func(of []history.SampleID) (out []history.Outcome) {
		for i, id := range of {
			out = append(out, group(id, 1, int64(i), 0, 1))
		}
		b := group(of[0], 1, 3, 1, 1)
		b.Run = "b"
		return append(out, b)
	})
	if f.Totals.Groups != 10 || !slices.Contains(codes(f, audit.Note), "other_runs") {
		t.Errorf("%d groups; findings %v", f.Totals.Groups, f.Findings)
	}
}

func TestSetsAndBinsLoseNothing(t *testing.T) {
	fsys, m := rehearsed(t, 120)
	f := run(t, fsys, m, audit.Defaults())
	for _, by := range []string{audit.ByPhase, audit.ByDataSource, audit.BySource, audit.ByLength} {
		var samples, known, inBins int64
		for _, s := range f.SetsBy(by) {
			samples += s.Samples
			known += s.States.Known()
			for _, n := range s.Histogram {
				inBins += n
			}
		}
		if samples != f.Totals.Samples || known != f.Totals.Known || inBins != known {
			t.Errorf("by %s: %d samples, %d known, %d in bins; want %d and %d", by, samples, known, inBins, f.Totals.Samples, f.Totals.Known)
		}
	}
	for _, n := range []int{1, 7, 48, 1000} {
		bins, _ := audit.Bin(f.Steps, n)
		var groups, rollouts int64
		for _, b := range bins {
			groups += b.Zero.Groups() + b.TooFew
			rollouts += b.Rollouts
		}
		if groups != f.Totals.Groups || rollouts != f.Totals.Rollouts {
			t.Errorf("%d bins: %d groups, %d rollouts; want %d and %d", n, groups, rollouts, f.Totals.Groups, f.Totals.Rollouts)
		}
	}
	r := f.Retrospective
	var became int64
	for _, n := range r.Became {
		became += n
	}
	if became != r.Samples || r.Samples != int64(len(f.Again)) {
		t.Errorf("%d retrospective samples, %d became something, %d are listed", r.Samples, became, len(f.Again))
	}
}

func TestEveryLineIsJSONAndEverySampleHasOne(t *testing.T) {
	fsys, m := rehearsed(t, 60)
	f := run(t, fsys, m, audit.Defaults())
	var b bytes.Buffer
	if err := f.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for line := range strings.Lines(b.String()) {
		var o struct {
			Type string `json:"message_type"`
		}
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		kinds[o.Type]++
	}
	if kinds["audit"] != 1 || kinds["sample"] != 60 || kinds["finding"] != len(f.Findings) || kinds[""] > 0 {
		t.Errorf("lines: %v", kinds)
	}
}

func TestNoCellOfTheCSVIsAFormula(t *testing.T) {
	fsys, m := rehearsed(t, 20)
	f := run(t, fsys, m, audit.Defaults())
	f.Samples[0].SourceID, f.Samples[1].SourceID, f.Samples[2].SourceID = "=HYPERLINK(\"x\")", "@sum", "-12"
	var b bytes.Buffer
	if err := f.WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if got := []string{rows[1][1], rows[2][1], rows[3][1]}; !slices.Equal(got, []string{"'=HYPERLINK(\"x\")", "'@sum", "-12"}) {
		t.Errorf("got %q", got)
	}
	if len(rows) != 21 {
		t.Errorf("%d lines", len(rows))
	}
}

func TestPrintableLeavesNothingHidden(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		got := audit.Printable(text)
		for _, r := range got {
			if r < ' ' && r != '\n' && r != '\t' || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x7f {
				t.Fatalf("%U is left in %q", r, got)
			}
		}
		if again := audit.Printable(got); again != got {
			t.Fatalf("%q becomes %q", got, again)
		}
	})
	if got := audit.Printable("a\x00b\u202ec\xff"); got != "a␀b⟨U+202E⟩c\ufffd" {
		t.Errorf("got %q", got)
	}
}

func TestTheSameSnapshotGivesTheSameFacts(t *testing.T) {
	fsys, m := rehearsed(t, 40)
	var first []byte
	for range 3 {
		var b bytes.Buffer
		if err := run(t, fsys, m, audit.Defaults()).WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		if first != nil && !bytes.Equal(first, b.Bytes()) {
			t.Fatal("two audits differ")
		}
		first = b.Bytes()
	}
}
