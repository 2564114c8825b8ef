package history

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
)

func TestWilsonGivesTheKnownNumbers(t *testing.T) {
	// From R: prop.test(x, n, correct = FALSE).
	for _, test := range []struct{ sum, n, lower, upper float64 }{
		{0, 8, 0, 0.3244},
		{8, 8, 0.6756, 1},
		{4, 8, 0.2152, 0.7848},
		{1, 8, 0.0224, 0.4709},
		{81, 263, 0.2553, 0.3662}, // Newcombe 1998, table I
		{15, 148, 0.0624, 0.1605}, // Newcombe 1998, table I
		{0, 0, 0, 1},
	} {
		lower, upper := Wilson(test.sum, test.n)
		if math.Abs(lower-test.lower) > 5e-5 || math.Abs(upper-test.upper) > 5e-5 {
			t.Errorf("%v of %v: [%.4f, %.4f], want [%.4f, %.4f]", test.sum, test.n, lower, upper, test.lower, test.upper)
		}
	}
}

func TestAnIntervalHoldsItsMeanAndStaysInTheUnit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Float64Range(0.1, 1e6).Draw(t, "n")
		p := rapid.Float64Range(0, 1).Draw(t, "p")
		lower, upper := Wilson(p*n, n)
		if !(0 <= lower && lower <= p+1e-12 && p-1e-12 <= upper && upper <= 1) {
			t.Fatalf("[%v, %v] of %v in %v", lower, upper, p, n)
		}
	})
}

func summarize(t testing.TB, fsys dataset.FS, o SummaryOptions) *Summaries {
	t.Helper()
	snap, err := Read(fsys)
	if err != nil {
		t.Fatal(err)
	}
	sums, err := snap.Summarize(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return sums
}

func TestASummaryCountsWhatIsKnown(t *testing.T) {
	fsys := faultfs.New()
	s := mustOpen(t, fsys)
	mustAppend(t, s,
		group(1, 1, 0, 0, 0, 0),
		group(1, 2, 1, 0, -1, 0.5),
		group(1, 3, -1, -1),
		group(2, 3, 1, 1),
		group(1, 4, 1, 1, 1, 1),
		group(1, 5, 1),
	)
	sum := summarize(t, fsys, SummaryOptions{Decay: Decay{Forget: 0.5, Alpha: 1, Beta: 1}}).Of(sampleID(1))
	want := &Summary{
		SampleID: sampleID(1), Visits: 5, KnownVisits: 4, Known: 12, Unknown: 3, Successes: 7,
		ZeroVariance: 2, ZeroStreak: 1, Sum: 6.5, Squares: 6.25,
		First: Seen{1, 1, 0}, Last: Seen{1, 5, 1},
	}
	a, b := 1.0, 1.0
	for _, visit := range [][2]float64{{0, 4}, {1.5, 1.5}, {4, 0}, {1, 0}} {
		a, b = 0.5*a+0.5*1+visit[0], 0.5*b+0.5*1+visit[1]
	}
	want.Alpha, want.Beta = a, b
	if diff := cmp.Diff(want, sum, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
		t.Error(diff)
	}
	if sum.Mean() != 6.5/12 || sum.PassRate() != 7.0/12 {
		t.Errorf("mean %v, pass rate %v", sum.Mean(), sum.PassRate())
	}
	if summarize(t, fsys, SummaryOptions{}).Of(sampleID(3)) != nil {
		t.Error("a sample without outcomes has a summary")
	}
}

func TestUnknownRewardsAreNotZero(t *testing.T) {
	fsys := faultfs.New()
	mustAppend(t, mustOpen(t, fsys), group(1, 1, -1, -1, -1))
	sum := summarize(t, fsys, SummaryOptions{}).Of(sampleID(1))
	if sum.Visits != 1 || sum.KnownVisits != 0 || sum.ZeroVariance != 0 || !math.IsNaN(sum.Mean()) || !math.IsNaN(sum.Last.Mean) {
		t.Errorf("%+v", sum)
	}
	if lower, upper := sum.Interval(); lower != 0 || upper != 1 {
		t.Errorf("[%v, %v]", lower, upper)
	}
	if sum.Alpha != DefaultDecay.Alpha || sum.Beta != DefaultDecay.Beta {
		t.Errorf("evidence (%v, %v) without a reward", sum.Alpha, sum.Beta)
	}
}

// drawOutcomes draws outcomes with distinct identities, in any order.
func drawOutcomes(t *rapid.T, most int) []Outcome {
	out := []Outcome{}
	seen := map[Identity]bool{}
	for range rapid.IntRange(0, most).Draw(t, "outcomes") {
		phase := rapid.Int32Range(1, 3).Draw(t, "phase")
		o := group(rapid.IntRange(0, 5).Draw(t, "sample"), rapid.Int64Range(0, 6).Draw(t, "step"),
			rapid.SliceOfN(rapid.SampledFrom([]float32{0, 1, 0, 1, 0.5, 0.25, -1}), 1, 5).Draw(t, "rewards")...)
		o.Phase, o.TrainStage = phase, fmt.Sprintf("phase-%d", phase)
		o.Position = rapid.Int64Range(-1, 3).Draw(t, "position")
		if !seen[o.Identity] {
			seen[o.Identity] = true
			out = append(out, o)
		}
	}
	return out
}

// modelSummary computes a summary the plain way.
func modelSummary(id SampleID, outcomes []Outcome, o SummaryOptions) *Summary {
	var visits []Visit
	for i := range outcomes {
		if outcomes[i].SampleID == id {
			v := visitOf(&outcomes[i])
			v.Sequence = int64(i)
			visits = append(visits, v)
		}
	}
	slices.SortFunc(visits, compareOrder)
	if o.LastPhase {
		last := visits[len(visits)-1].Phase
		visits = slices.DeleteFunc(visits, func(v Visit) bool { return v.Phase != last })
	}
	s := &Summary{SampleID: id}
	s.forget(o.Decay)
	for i := range visits {
		s.visit(&visits[i], o.Decay)
	}
	return s
}

func TestSummariesDoNotDependOnTheOrderOfRecording(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fsys := faultfs.New()
		s, err := Open(fsys, nil)
		if err != nil {
			t.Fatal(err)
		}
		outcomes := drawOutcomes(t, 40)
		for rest := outcomes; len(rest) > 0; {
			n := min(len(rest), rapid.IntRange(5, 40).Draw(t, "batch"))
			if _, err := s.Append(context.Background(), rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
			if rapid.Bool().Draw(t, "compact") {
				if _, err := s.Compact(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
		}
		o := SummaryOptions{Decay: DefaultDecay, LastPhase: rapid.Bool().Draw(t, "last phase")}
		snap, err := s.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		sums, err := snap.Summarize(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[SampleID]bool{}
		for _, x := range outcomes {
			seen[x.SampleID] = true
		}
		if sums.Len() != len(seen) {
			t.Fatalf("%d summaries of %d samples", sums.Len(), len(seen))
		}
		for sum := range sums.All() {
			want := modelSummary(sum.SampleID, outcomes, o)
			if diff := cmp.Diff(want, sum, cmpopts.EquateNaNs(), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func TestAFilterChoosesWhatIsSummarized(t *testing.T) {
	fsys := faultfs.New()
	other := group(1, 9, 1, 1)
	other.Run, other.Judge, other.Limits.MaxResponse = "other", "judge", 20000
	start := group(1, 0, 0, 1)
	start.Phase, start.TrainStage = 0, "start"
	later := group(1, 20, 1, 0, 0)
	later.Phase, later.TrainStage = 2, "phase-2"
	mustAppend(t, mustOpen(t, fsys), start, group(1, 5, 0, 0), group(1, 6, 0, 0), other, later)
	judge, limits := "judge", other.Limits
	for name, test := range map[string]struct {
		f      Filter
		visits int32
	}{
		"all":          {Filter{}, 5},
		"run":          {Filter{Runs: []string{"run"}}, 4},
		"train stage":  {Filter{TrainStages: []string{"phase-2", "start"}}, 2},
		"phase":        {Filter{MinPhase: 1, MaxPhase: 1}, 3},
		"before":       {Filter{OnlyPhase0: true}, 1},
		"steps":        {Filter{MinStep: 6, MaxStep: 9}, 2},
		"limits":       {Filter{Limits: &limits}, 1},
		"judge":        {Filter{Judge: &judge}, 1},
		"policy":       {Filter{Policies: []string{"tiny@step-5", "tiny@step-6"}}, 2},
		"nothing left": {Filter{Runs: []string{"nobody"}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			sums := summarize(t, fsys, SummaryOptions{Filter: test.f, Mix: MixAll})
			got := int32(0)
			if s := sums.Of(sampleID(1)); s != nil {
				got = s.Visits
			}
			if got != test.visits || sums.Outcomes != int64(test.visits) {
				t.Errorf("%d visits, want %d", got, test.visits)
			}
		})
	}
}

func TestDifferentMeasurementsAreNotMixedSilently(t *testing.T) {
	longer := group(1, 9, 1, 1)
	longer.Limits.MaxResponse, longer.Phase, longer.TrainStage = 20000, 2, "phase-2"
	judged, otherRun, warmer := group(1, 9, 1, 1), group(1, 9, 1, 1), group(1, 9, 1, 1)
	judged.Judge, otherRun.Run, warmer.Limits.Temperature = "judge", "other", Number{}
	for name, o := range map[string]Outcome{"limits": longer, "judge": judged, "run": otherRun, "temperature": warmer} {
		t.Run(name, func(t *testing.T) {
			fsys := faultfs.New()
			s := mustOpen(t, fsys)
			mustAppend(t, s, group(1, 1, 0, 0), group(2, 1, 0, 1))
			snap, _ := s.Snapshot()
			if _, err := snap.Summarize(context.Background(), SummaryOptions{}); err != nil {
				t.Fatalf("one measurement, and two versions of the policy: %v", err)
			}
			apart := o
			apart.SampleID = sampleID(3)
			mustAppend(t, s, apart)
			snap, _ = s.Snapshot()
			_, err := snap.Summarize(context.Background(), SummaryOptions{})
			if mixed, ok := errors.AsType[*MixedError](err); !ok || !errors.Is(err, ErrMixed) || mixed.A == mixed.B {
				t.Fatalf("error: %v", err)
			}
			if _, err := snap.Summarize(context.Background(), SummaryOptions{Mix: MixAcrossSamples}); err != nil {
				t.Errorf("no sample has two: %v", err)
			}
			mustAppend(t, s, o)
			snap, _ = s.Snapshot()
			_, err = snap.Summarize(context.Background(), SummaryOptions{Mix: MixAcrossSamples})
			if mixed, ok := errors.AsType[*MixedError](err); !ok || mixed.SampleID == nil || *mixed.SampleID != sampleID(1) {
				t.Errorf("error: %v", err)
			}
			sums, err := snap.Summarize(context.Background(), SummaryOptions{Mix: MixAll})
			if err != nil || sums.Of(sampleID(1)).Visits != 2 || sums.Of(sampleID(1)).Measurement != -1 {
				t.Errorf("mixed when asked: %+v, %v", sums, err)
			}
			_, err = snap.Summarize(context.Background(), SummaryOptions{Mix: MixAcrossSamples, LastPhase: true})
			if (err == nil) != (name == "limits") { // only there the later visit is of a later phase
				t.Errorf("last phase alone: %v", err)
			}
		})
	}
}
