// Package estimate predicts the mean reward of a sample's next group from the visits before
// it, and measures which way of predicting is right.
//
// Its rule: a prediction for a step sees the steps before it and nothing else, so that what the
// backtest measures is what a curriculum would have known.
//
// What it costs: the default (Drift) keeps about 200 bytes for each sample and takes two to
// three microseconds for each visit; the others keep about 60 bytes. DESIGN.md has the model and
// the figures.
package estimate

import "github.com/longctx/pipeline/sample/history"

// A Prediction is what an estimator expects of the mean of a sample's next group: a point, and
// Beta(Alpha, Beta) as belief about the sample's pass rate, from which the beta-binomial
// predictive interval follows.
type Prediction struct {
	Mean        float64 // in [0, 1]
	Alpha, Beta float64 // rollouts; both over 0
}

// An Estimator follows the samples of one measurement through their visits.
type Estimator interface {
	// Predict returns what is expected of a visit, of which only what is known before it is
	// used: sample, phase and step. ok is false where nothing is known of the sample.
	Predict(v *history.Visit) (p Prediction, ok bool)
	// Observe takes all visits of one step, in their order. Visits without a known reward
	// change nothing.
	Observe(step []history.Visit)
}

// Names of the estimators.
const (
	NameLastMean    = "last_mean"
	NameRunningMean = "running_mean"
	NameExpDecay    = "exp_decay"
	NameBetaDecay   = "beta_decay"
	NameDrift       = "drift"

	// Default is the estimator that a plan uses where its source is the running estimate.
	Default = NameDrift
)

// Names returns the names of all estimators, the default last.
func Names() []string {
	return []string{NameLastMean, NameRunningMean, NameExpDecay, NameBetaDecay, NameDrift}
}

// New returns an estimator by its name, nil where there is none. task gives the group of
// samples whose prior is shared; nil: one group.
func New(name string, task func(history.SampleID) int32) Estimator {
	switch name {
	case NameLastMean:
		return newSums(0, 0.5)
	case NameRunningMean:
		return newSums(1, 0.5)
	case NameExpDecay:
		return newSums(expKeep, 0.5)
	case NameBetaDecay:
		return newBetaDecay(history.DefaultDecay)
	case NameDrift:
		return NewDrift(task)
	}
	return nil
}
