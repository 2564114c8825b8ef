package history

import (
	"iter"
	"math"
)

// A Summary is what the history knows of one sample. Visits are in the order of training:
// phase, step, plan position, commit.
type Summary struct {
	SampleID     SampleID
	Visits       int32   // groups
	KnownVisits  int32   // groups with at least one known reward
	Known        int32   // rollouts with a known reward
	Unknown      int32   // rollouts without
	Successes    int32   // rewards of at least SuccessReward
	ZeroVariance int32   // visits whose known rewards were two or more and all equal
	ZeroStreak   int32   // of those, how many came last without another between
	Sum, Squares float64 // of the known rewards
	Alpha, Beta  float64 // decayed evidence, prior included
	First, Last  Seen    // the first and the last visit
	Measurement  int32   // index in Summaries.Measurements; -1: several (MixAll)
}

// Seen is a visit that a summary remembers.
type Seen struct {
	Phase int32
	Step  int64
	Mean  float64 // of the last (or first) visit with a known reward; NaN without any
}

// Mean returns the mean of all known rewards; NaN without any.
func (s *Summary) Mean() float64 { return s.Sum / float64(s.Known) }

// Std returns the standard deviation (N - 1) of all known rewards; NaN with fewer than two.
func (s *Summary) Std() float64 {
	if s.Known < 2 {
		return math.NaN()
	}
	n := float64(s.Known)
	return math.Sqrt(max(s.Squares-s.Sum*s.Sum/n, 0) / (n - 1))
}

// PassRate returns the share of successes among the known rewards; NaN without any.
func (s *Summary) PassRate() float64 { return float64(s.Successes) / float64(s.Known) }

// Interval returns both ends of the 95% Wilson interval of the mean; see Wilson.
func (s *Summary) Interval() (lower, upper float64) { return Wilson(s.Sum, float64(s.Known)) }

// PassInterval returns both ends of the 95% Wilson interval of the pass rate.
func (s *Summary) PassInterval() (lower, upper float64) {
	return Wilson(float64(s.Successes), float64(s.Known))
}

// PosteriorMean returns the mean of Beta(Alpha, Beta), the decayed evidence.
func (s *Summary) PosteriorMean() float64 { return s.Alpha / (s.Alpha + s.Beta) }

// PosteriorInterval returns both ends of a 95% interval from the decayed evidence: Wilson's,
// with Alpha + Beta as the effective count, prior included.
func (s *Summary) PosteriorInterval() (lower, upper float64) { return Wilson(s.Alpha, s.Alpha+s.Beta) }

// SummaryOptions say which outcomes are summarized, and how.
type SummaryOptions struct {
	Filter    Filter
	Mix       Mix
	LastPhase bool  // of each sample only the visits of the last phase that saw it
	Decay     Decay // zero: DefaultDecay
}

// Summaries are the summaries of all samples that a snapshot has outcomes of.
type Summaries struct {
	Snapshot     string        // id of the snapshot
	Measurements []Measurement // those that the outcomes came from
	Outcomes     int64         // outcomes summarized

	list  []Summary
	table idTable
}

// Len returns the number of samples.
func (s *Summaries) Len() int { return len(s.list) }

// Of returns the summary of a sample, nil where it has no outcome.
func (s *Summaries) Of(id SampleID) *Summary {
	if i, ok := s.table.find(s.list, id); ok {
		return &s.list[i]
	}
	return nil
}

// All returns the summaries in the order in which the history first saw their samples.
func (s *Summaries) All() iter.Seq[*Summary] {
	return func(yield func(*Summary) bool) {
		for i := range s.list {
			if !yield(&s.list[i]) {
				return
			}
		}
	}
}
