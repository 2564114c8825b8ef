package audit

import "github.com/longctx/pipeline/sample/curriculum"

// Options say what is looked at, and from where on it is worth a finding.
type Options struct {
	Runs       []string // whose outcomes count; empty: the run with most outcomes
	Plans      []*curriculum.Plan
	Thresholds Thresholds
	Details    int // samples with a part of their own: texts, visits, last responses
	// Decode turns token ids into text, for a dataset without text; nil: it stays unknown.
	Decode func(ids []int32) (string, error)
}

// Thresholds decide states and findings. Shares are in [0, 1].
type Thresholds struct {
	QuarantineVisits int     `json:"quarantine_visits"` // visits without a success that make a sample unlearnable
	SolvedAbove      float64 `json:"solved_above"`      // mean reward over which a sample is solved
	MaxUnlearnable   float64 `json:"max_unlearnable"`   // of the samples with a known reward
	MaxSolved        float64 `json:"max_solved"`        // of the samples with a known reward
	MaxNeverVisited  float64 `json:"max_never_visited"` // of the samples of phases that were trained
	MaxZeroVariance  float64 `json:"max_zero_variance"` // of the groups in the last quarter of the steps
	MaxNull          float64 `json:"max_null"`          // of the rollouts
	MaxDisagreement  float64 `json:"max_disagreement"`  // of the rollouts that rule and judge both rewarded
	MaxOversampling  float64 `json:"max_oversampling"`  // groups that dynamic sampling draws for one that it keeps
}

// Defaults are what Config's tags say, for tests and for users of the library.
func Defaults() Options {
	return Options{Details: 2000, Thresholds: Thresholds{
		QuarantineVisits: 3, SolvedAbove: 0.9, MaxUnlearnable: 0.05, MaxSolved: 0.5, MaxNeverVisited: 0.5,
		MaxZeroVariance: 0.6, MaxNull: 0.01, MaxDisagreement: 0.2, MaxOversampling: 3,
	}}
}
