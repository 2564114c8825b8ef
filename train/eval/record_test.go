package eval

import (
	"errors"
	"iter"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/dataset/faultfs"
	"github.com/longctx/pipeline/sample/history"
)

const (
	idA = "0123456789abcdef0123456789abcdef"
	idB = "ffffffffffffffffffffffffffffffff"
)

func rolloutsOf(list ...*Rollout) iter.Seq2[*Rollout, error] {
	return func(yield func(*Rollout, error) bool) {
		for _, r := range list {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func scored(id string, rewards ...float32) (out []*Rollout) {
	for _, v := range rewards {
		r := &Rollout{SampleID: id, StopReason: "stop"}
		if v >= 0 {
			r.Reward, r.RuleReward = &v, &v
		}
		out = append(out, r)
	}
	return out
}

func TestRecordingIsAMeasurementBeforeTrainingAndTwiceIsOnce(t *testing.T) {
	fsys := faultfs.New()
	s, err := history.Open(fsys, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	cut := scored("00000000000000000000000000000001", 1, 1)
	cut[1].Truncated = true
	var all []*Rollout
	all = append(all, scored(idA, 1, -1)...) // the second reward is unknown
	all = append(all, scored(idB, 0, 0)...)
	all = append(all, scored("00000000000000000000000000000002", 1)...) // one response is missing
	all = append(all, scored("no id", 1, 1)...)
	all = append(all, cut...)
	m := Measurement{Run: "start", Policy: "m", Judge: "j", N: 2, Limits: history.Limits{MaxPrompt: 9, MaxResponse: 8, Temperature: history.Known(0.7)}}
	done, err := Record(t.Context(), s, m, rolloutsOf(all...))
	if err != nil || done.Added != 2 || done.Incomplete != 1 || done.Foreign != 1 || done.Truncated != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	if done, err = Record(t.Context(), s, m, rolloutsOf(all...)); err != nil || done.Added != 0 || done.Same != 2 {
		t.Fatalf("again: %+v, %v", done, err)
	}
	other := scored(idA, 0, 0)
	if _, err := Record(t.Context(), s, m, rolloutsOf(other...)); !errors.Is(err, history.ErrConflict) {
		t.Errorf("other rewards under the same name: %v", err)
	}
	snap, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	sums, err := snap.Summarize(t.Context(), history.SummaryOptions{Filter: history.Filter{OnlyPhase0: true}})
	if err != nil {
		t.Fatal(err)
	}
	id, _ := history.ParseSampleID(idA)
	sum := sums.Of(id)
	if sums.Len() != 2 || sum.Known != 1 || sum.Unknown != 1 || sum.Mean() != 1 {
		t.Errorf("%d samples, %+v", sums.Len(), sum)
	}
	want := []history.Measurement{{Run: "start", Limits: m.Limits, Judge: "j"}}
	if d := cmp.Diff(want, sums.Measurements); d != "" {
		t.Error(d)
	}
}

func TestLimitsAreThoseOfTheContext(t *testing.T) {
	c := &Config{MaxTokens: 100, Temperature: 0.7}
	if l := LimitsOf(c, 5000); l.MaxPrompt != 5000 || l.MaxResponse != 100 || l.Temperature != history.Known(0.7) {
		t.Errorf("%+v", l)
	}
	c.ContextLength = 1100
	if l := LimitsOf(c, 5000); l.MaxPrompt != 1000 {
		t.Errorf("%+v", l)
	}
}
