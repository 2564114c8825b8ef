package history

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Filter chooses outcomes. Its zero value takes all.
type Filter struct {
	Runs        []string // empty: any
	TrainStages []string // empty: any
	MinPhase    int32    // inclusive
	MaxPhase    int32    // inclusive; 0: no end. Phase 0 alone: OnlyPhase0
	OnlyPhase0  bool     // only measurements before training
	MinStep     int64    // inclusive
	MaxStep     int64    // inclusive; 0: no end
	Limits      *Limits  // nil: any
	Judge       *string  // nil: any
	Policies    []string // versions; empty: any
}

// takesSetting reports whether outcomes of a setting can be chosen.
func (f *Filter) takesSetting(s *Setting) bool {
	return within(f.Runs, s.Run) && within(f.TrainStages, s.TrainStage) && within(f.Policies, s.Policy) &&
		(f.Limits == nil || *f.Limits == s.Limits) && (f.Judge == nil || *f.Judge == s.Judge)
}

func within(list []string, s string) bool { return len(list) == 0 || slices.Contains(list, s) }

// takes reports whether an outcome of a setting that is taken is chosen.
func (f *Filter) takes(phase int32, step int64) bool {
	return phase >= f.MinPhase && (f.MaxPhase == 0 || phase <= f.MaxPhase) && (!f.OnlyPhase0 || phase == 0) &&
		step >= f.MinStep && (f.MaxStep == 0 || step <= f.MaxStep)
}

// Mix says which measurements may be put together.
type Mix int

const (
	// MixNone refuses outcomes of more than one measurement.
	MixNone Mix = iota
	// MixAcrossSamples lets samples differ in their measurement, but mixes none within one sample.
	MixAcrossSamples
	// MixAll puts everything together.
	MixAll
)

// ErrMixed is what every MixedError is.
var ErrMixed = errors.New("measurements differ")

// A MixedError says that outcomes of different measurements would have become one estimate.
type MixedError struct {
	SampleID *SampleID // the sample that has both; nil where different samples have them
	A, B     Measurement
}

func (e *MixedError) Error() string {
	var differ []string
	if e.A.Run != e.B.Run {
		differ = append(differ, fmt.Sprintf("run %q and run %q", e.A.Run, e.B.Run))
	}
	if e.A.Limits != e.B.Limits {
		differ = append(differ, fmt.Sprintf("limits (%v) and limits (%v)", e.A.Limits, e.B.Limits))
	}
	if e.A.Judge != e.B.Judge {
		differ = append(differ, fmt.Sprintf("judge %q and judge %q", e.A.Judge, e.B.Judge))
	}
	of := "the outcomes"
	if e.SampleID != nil {
		of = "the outcomes of sample " + e.SampleID.String()
	}
	return fmt.Sprintf("%s: %v: %s", of, ErrMixed, strings.Join(differ, "; "))
}

// Is makes every MixedError an ErrMixed.
func (e *MixedError) Is(target error) bool { return target == ErrMixed }

// takesSpans reports whether a segment with these spans can hold a chosen outcome.
func (f *Filter) takesSpans(spans []span) bool {
	return slices.ContainsFunc(spans, func(s span) bool {
		return within(f.Runs, s.Run) && within(f.TrainStages, s.TrainStage) &&
			s.MaxStep >= f.MinStep && (f.MaxStep == 0 || s.MinStep <= f.MaxStep)
	})
}
