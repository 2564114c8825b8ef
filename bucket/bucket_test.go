package bucket

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/longctx/pipeline/dataset"
)

func TestPhaseRangesAreOpenBelowAndClosedAbove(t *testing.T) {
	o := Options{Phases: []int32{20_000, 60_000}, Length: LengthPrompt}
	for _, c := range []struct {
		length, phase int32
		ok            bool
	}{{1, 1, true}, {20_000, 1, true}, {20_001, 2, true}, {60_000, 2, true}, {60_001, 3, false}} {
		if phase, ok := o.Phase(c.length); ok != c.ok || ok && phase != c.phase {
			t.Errorf("length %d: phase %d, %v; want %d, %v", c.length, phase, ok, c.phase, c.ok)
		}
	}
}

func TestPhasesPartitionAllLengths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := Options{Phases: rapid.SliceOfNDistinct(rapid.Int32Range(1, 1000), 1, 6, rapid.ID).Draw(t, "phases"), Length: LengthPrompt}
		for i := range o.Phases { // insertion sort keeps the test free of the code's own helpers
			for j := i; j > 0 && o.Phases[j] < o.Phases[j-1]; j-- {
				o.Phases[j], o.Phases[j-1] = o.Phases[j-1], o.Phases[j]
			}
		}
		if err := o.Validate(); err != nil {
			t.Fatal(err)
		}
		length := rapid.Int32Range(1, 1200).Draw(t, "length")
		phase, ok := o.Phase(length)
		holders := 0
		for _, r := range o.Ranges() {
			if r.Min < length && length <= r.Max {
				holders++
				if !ok || phase != r.Phase {
					t.Fatalf("length %d is in phase %d, Phase says %d, %v", length, r.Phase, phase, ok)
				}
			}
		}
		if want := map[bool]int{true: 1, false: 0}[ok]; holders != want {
			t.Fatalf("length %d is in %d ranges", length, holders)
		}
	})
}

func TestUnusablePhasesAreRefusedByName(t *testing.T) {
	for want, o := range map[string]Options{
		"none given":                      {Length: LengthPrompt},
		"4000 does not ascend":            {Phases: []int32{16_000, 4_000}, Length: LengthPrompt},
		"16000 does not ascend":           {Phases: []int32{16_000, 16_000}, Length: LengthPrompt},
		"-5 is not a length":              {Phases: []int32{-5}, Length: LengthPrompt},
		`"words" is neither "prompt" nor`: {Phases: []int32{5}, Length: "words"},
	} {
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v; want %q", o, err, want)
		}
	}
}

func TestAssignLeavesThePhaseOfOverlongSamplesNull(t *testing.T) {
	bb := dataset.NewBatchBuilder()
	defer bb.Release()
	tb := dataset.NewTokenBuilder()
	for _, n := range []int{3, 4, 9} {
		bb.Append(&dataset.Sample{ID: "x", Source: "s", Question: "q"}, dataset.Place{})
		tb.Append(dataset.Tokens{Prompt: make([]int32, n), QuestionContextLength: int32(n - 2)})
	}
	rec := dataset.Extend(bb.Batch(), dataset.TokenizeSchema, tb.Columns()...)
	defer rec.Release()
	for length, want := range map[string][]int32{LengthPrompt: {1, 2, 0}, LengthQuestionContext: {1, 1, 2}} {
		out := Options{Phases: []int32{3, 8}, Length: length}.Assign(rec)
		v := dataset.ViewBatch(out)
		for i, w := range want {
			if p, ok := v.Phase(i); ok != (w != 0) || p != w {
				t.Errorf("by %s, row %d: phase %d, %v; want %d", length, i, p, ok, w)
			}
		}
		out.Release()
	}
}
