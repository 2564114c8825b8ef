package audit

import "github.com/longctx/pipeline/sample/history"

// A State is what is known of a sample, in one word.
type State int

// States, from nothing known to nothing left to learn.
const (
	NeverVisited State = iota // no outcome in the chosen runs
	NoReward                  // visited, but every reward is unknown
	Unlearnable               // Thresholds.QuarantineVisits visits or more, no success: a person should look
	NoSuccess                 // no success yet, in fewer visits
	Learning                  // some success
	Solved                    // the estimate is over Thresholds.SolvedAbove
	states
)

var stateNames = [states]string{"never_visited", "no_reward", "unlearnable", "no_success", "learning", "solved"}

func (s State) String() string { return stateNames[s] }

// MarshalText writes the state's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A Sample is one sample of the dataset with what its visits say.
type Sample struct {
	ID           history.SampleID `json:"sample_id"`
	SourceID     string           `json:"source_id"`
	Source       string           `json:"source"`
	DataSource   string           `json:"data_source"`
	Phase        int32            `json:"phase"` // of the dataset, from 1
	PromptLength int32            `json:"prompt_length"`
	State        State            `json:"state"`

	Visits       int32   `json:"visits"`        // groups
	KnownVisits  int32   `json:"known_visits"`  // with at least one known reward
	Rollouts     int32   `json:"rollouts"`      // with a known reward, over all visits
	Unknown      int32   `json:"unknown"`       // rollouts without
	Successes    int32   `json:"successes"`     // rewards of at least 0.5, over all visits
	ZeroVariance int32   `json:"zero_variance"` // visits whose known rewards were two or more and all equal
	LastPhase    Ordinal `json:"last_phase"`    // of the last visit
	LastStep     Ordinal `json:"last_step"`     // of the last visit

	Estimate Estimate `json:"estimate"` // over the visits of the last phase that saw it; n: rollouts
	PassRate Value    `json:"pass_rate"`
	Belief   Belief   `json:"belief"` // of its pass rate now
	Change   Change   `json:"change"` // first half of its known visits to the second; n: rollouts
	Again    *Again   `json:"retrospective"`

	Outages      int32 `json:"judge_outages"` // rollouts whose judge gave nothing
	Rescued      int32 `json:"rescued"`       // rollouts that the rule rejected and the judge accepted
	Contradicted int32 `json:"contradicted"`  // rollouts that the rule accepted and the judge rejected
}

// A Belief is what the default estimator expects of a sample now, following the drift of the
// policy through all visits. Unknown where there is no known reward.
type Belief struct {
	Mean  Value `json:"mean"`
	Lower Value `json:"lower"` // 95% Wilson, of as many rollouts as the belief is worth
	Upper Value `json:"upper"`
}

// Again is what became of a sample that a later phase drew again.
type Again struct {
	Phase     int32  `json:"phase"`      // the last phase that drew it again
	FirstStep int64  `json:"first_step"` // of the first such visit
	Visits    int32  `json:"visits"`     // in later phases
	Change    Change `json:"change"`     // last phase before, to all visits since; n: rollouts
	Became    Became `json:"became"`
	Reason    string `json:"reason"` // of the plan that drew it; empty without one
	Weight    Value  `json:"weight"` // in that plan
}

// An Ordinal is a phase or a step; None where there was none.
type Ordinal int64

// None is no phase and no step. It is null in JSON.
const None Ordinal = -1

// MarshalJSON writes the number, or null.
func (o Ordinal) MarshalJSON() ([]byte, error) {
	if o == None {
		return []byte("null"), nil
	}
	return marshal(int64(o))
}

// BecameCounts count samples by what became of them.
type BecameCounts [becameAll]int64

// MarshalJSON writes the counts by name.
func (b BecameCounts) MarshalJSON() ([]byte, error) {
	named := map[string]int64{}
	for i, n := range b {
		named[Became(i).String()] = n
	}
	return marshal(named)
}

// Became says what retrospective sampling did for a sample.
type Became int

// What became of retrospective samples, from best to worst.
const (
	BecameSolved  Became = iota // its mean since is over Thresholds.SolvedAbove
	BecameBetter                // the interval of the change is over 0
	BecameUnclear               // the interval holds 0
	BecameNothing               // still no success
	BecameWorse                 // the interval of the change is under 0
	BecameUnknown               // no known reward since, or none before
	becameAll
)

var becameNames = [becameAll]string{"solved", "improved", "no_clear_change", "still_no_success", "worse", "unknown"}

func (b Became) String() string { return becameNames[b] }

// MarshalText writes its name.
func (b Became) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// visit is a history.Visit of a sample of the dataset, made small.
type visit struct {
	step, position     int64
	sum, squares       float64
	sample             int32
	phase              int32
	measured           int32 // index into gather.measurements
	known, unknown     int32
	successes          int32
	zeroVariance, late bool // late: of a phase after the sample's own
}

// Visit is one visit in a sample's own part.
type Visit struct {
	Phase         int32 `json:"phase"`
	Step          int64 `json:"step"`
	Mean          Value `json:"mean"`
	Known         int32 `json:"known"`
	Unknown       int32 `json:"unknown"`
	Successes     int32 `json:"successes"`
	Retrospective bool  `json:"retrospective"`
}

// A Detail is what a sample's own part has besides its numbers.
type Detail struct {
	Question  string // its head
	Context   string // the document's head; empty where there is none or it is not known
	Prompt    string // head and tail of the decoded prompt, where the dataset has no text
	Answers   []string
	TextKnown bool
	Visits    []Visit // the last ones, in the order of training
	Earlier   int     // visits before those
	Responses []Response
}

// A Response is one that the last recorded group of a sample kept: at most one right, one wrong
// and one without a reward.
type Response struct {
	Step   int64
	Reward history.Number
	Stop   string
	Length int32  // tokens; history.UnknownLength
	Tail   string // its last characters: answers stand at the end
}
