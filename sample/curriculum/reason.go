package curriculum

// A Reason says in a few words why a sample was drawn or refused.
type Reason uint8

// Reasons. The zero value is none.
const (
	ReasonNone Reason = iota

	ReasonUniform
	ReasonZeroMean
	ReasonInverseMean
	ReasonInverseEps
	ReasonInverseUnvisited
	ReasonPrioritized
	ReasonLearnability
	ReasonTarget
	ReasonThompson
	ReasonPrioritizedUnvisited
	ReasonLearnabilityUnvisited
	ReasonTargetUnvisited
	ReasonThompsonUnvisited

	ReasonUnvisited
	ReasonNotZero
	ReasonSolved
	ReasonZeroVariance
	ReasonUnlearnable
	ReasonHeldOut
	ReasonShare

	reasons // their number
)

var reasonTexts = [reasons]string{
	ReasonUniform:      "uniform",
	ReasonZeroMean:     "zero_mean: every known reward was 0",
	ReasonInverseMean:  "inverse_mean",
	ReasonInverseEps:   "inverse_mean: its mean is under eps",
	ReasonPrioritized:  "prioritized",
	ReasonLearnability: "learnability",
	ReasonTarget:       "target: nearest first",
	ReasonThompson:     "thompson",

	ReasonInverseUnvisited:      "inverse_mean: unvisited, weighs as the population's mean",
	ReasonPrioritizedUnvisited:  "prioritized: unvisited, weighs as the population",
	ReasonLearnabilityUnvisited: "learnability: unvisited, weighs as the population",
	ReasonTargetUnvisited:       "target: unvisited, as far as the population's mean",
	ReasonThompsonUnvisited:     "thompson: unvisited, any rate is as likely",

	ReasonUnvisited:    "unvisited: unknown is not zero",
	ReasonNotZero:      "its mean is not 0",
	ReasonSolved:       "solved: its mean is over the bound",
	ReasonZeroVariance: "zero variance: its last groups gave no signal",
	ReasonUnlearnable:  "unlearnable: visited often enough, without a success",
	ReasonHeldOut:      "held out: kept for evaluation",
	ReasonShare:        "its share of the epoch is full",
}

// String returns the words that a plan has.
func (r Reason) String() string {
	if r < reasons {
		return reasonTexts[r]
	}
	return "unknown"
}
