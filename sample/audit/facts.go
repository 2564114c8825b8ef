package audit

import (
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
)

// Facts are everything that an audit found.
type Facts struct {
	Dataset       Dataset
	History       History
	Thresholds    Thresholds
	Totals        Totals
	Findings      []Finding
	Sets          []Set         // by phase, data_source, source, length
	Steps         []Step        // in the order of training; phase 0 first
	Trends        []Trend       // of each phase that was trained
	Expected      []Expectation // of another pass, by phase
	Judge         Judge
	Retrospective Retrospective
	Plans         []PlanFacts
	Samples       []Sample // RL samples in the order of the shards

	// Indexes into Samples, all of each kind, the most telling first.
	Hardest      []int32 // not unlearnable, with a known reward: least upper bound first
	Unlearnable  []int32
	Solved       []int32
	NeverVisited []int32
	Moved        []int32 // interval of the change without 0
	Disagreed    []int32 // rule and judge differ
	Again        []int32 // retrospective samples

	Details map[int32]*Detail // by index into Samples
}

// Dataset says which samples the audit is of.
type Dataset struct {
	ID      string           `json:"id"`
	Phases  []dataset.Phase  `json:"phases"`
	Ledger  []dataset.Ledger `json:"ledger"`
	SFT     int64            `json:"sft_samples"` // left out: nobody rewards them
	HasText bool             `json:"has_text"`
}

// History says which outcomes the audit is of.
type History struct {
	Snapshot     string            `json:"snapshot"` // id
	Runs         []TrainingRun     `json:"runs"`
	Measurements []MeasuredUnder   `json:"measurements"` // of the chosen runs
	GroupSize    int32             `json:"group_size"`   // the most frequent one; 0: unknown
	Unknown      int64             `json:"outcomes_of_unknown_samples"`
	UnknownIDs   int64             `json:"unknown_samples"` // that are not in this dataset
	Refused      map[string]int64  `json:"refused_records"` // reward records in the history's quarantine, by reason
	Positions    []PositionAccount `json:"positions"`
}

// A TrainingRun is one run in the history.
type TrainingRun struct {
	Name     string `json:"run"`
	Outcomes int64  `json:"outcomes"` // rows on disk
	MinStep  int64  `json:"min_step"`
	MaxStep  int64  `json:"max_step"`
	Chosen   bool   `json:"chosen"`
}

// MeasuredUnder counts the outcomes of one measurement in one phase. Estimates belong to theirs.
type MeasuredUnder struct {
	history.Measurement
	Phase    int32
	Outcomes int64
}

// A PositionAccount compares the plan positions that a stage recorded with those it came to.
type PositionAccount struct {
	Run        string `json:"run"`
	TrainStage string `json:"train_stage"`
	Recorded   int64  `json:"recorded"` // distinct positions
	Reached    int64  `json:"reached"`  // the highest position, plus one
}

// Totals count the whole dataset and the chosen outcomes.
type Totals struct {
	Samples         int64    `json:"samples"`
	Visited         int64    `json:"visited"`              // samples with an outcome
	Known           int64    `json:"known"`                // samples with a known reward
	Groups          int64    `json:"groups"`               // outcomes of samples of this dataset
	GroupsUnknown   int64    `json:"groups_unknown"`       // without any known reward
	GroupsTooFew    int64    `json:"groups_too_few"`       // with one known reward: no advantage can be made
	Rollouts        int64    `json:"rollouts"`             // known and unknown
	RolloutsUnknown int64    `json:"rollouts_unknown"`     // null rewards
	Mean            Estimate `json:"mean"`                 // of the samples' estimates; n: samples
	RecentZero      Zero     `json:"recent_zero_variance"` // of the groups in the last quarter of the steps
	MovedBy         Value    `json:"median_change"`        // over the samples whose change is known
	ChangeKnown     int64    `json:"change_known"`
	Mixed           int64    `json:"mixed_estimates"` // samples whose estimate was measured under several limits or judges
	Ahead           int64    `json:"ahead_of_phase"`  // visits in a phase before the sample's own
	States          States   `json:"states"`
}

// States count samples by state: they add up to the samples.
type States struct {
	NeverVisited int64 `json:"never_visited"`
	NoReward     int64 `json:"no_reward"`
	Unlearnable  int64 `json:"unlearnable"`
	NoSuccess    int64 `json:"no_success"`
	Learning     int64 `json:"learning"`
	Solved       int64 `json:"solved"`
}

func (s *States) add(state State) {
	*[...]*int64{&s.NeverVisited, &s.NoReward, &s.Unlearnable, &s.NoSuccess, &s.Learning, &s.Solved}[state]++
}

// Of returns the number of samples in a state.
func (s States) Of(state State) int64 {
	return [...]int64{s.NeverVisited, s.NoReward, s.Unlearnable, s.NoSuccess, s.Learning, s.Solved}[state]
}

// Known returns the number of samples with a known reward.
func (s States) Known() int64 { return s.Unlearnable + s.NoSuccess + s.Learning + s.Solved }

// Zero counts groups by whether their known rewards differ.
type Zero struct {
	AllWrong int64 `json:"all_wrong"` // two known rewards or more, all 0
	AllEqual int64 `json:"all_equal"` // all the same, neither 0 nor 1
	AllRight int64 `json:"all_right"` // all 1
	Mixed    int64 `json:"mixed"`     // they differ: the only ones that teach
}

// Groups returns the number of groups with two known rewards or more.
func (z Zero) Groups() int64 { return z.AllWrong + z.AllEqual + z.AllRight + z.Mixed }

// Share returns the share of zero-variance groups.
func (z Zero) Share() Value { return share(z.AllWrong+z.AllEqual+z.AllRight, z.Groups()) }

func (z *Zero) add(o Zero) {
	z.AllWrong += o.AllWrong
	z.AllEqual += o.AllEqual
	z.AllRight += o.AllRight
	z.Mixed += o.Mixed
}
