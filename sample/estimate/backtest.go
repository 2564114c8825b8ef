package estimate

import (
	"cmp"
	"math"
	"slices"

	"github.com/longctx/pipeline/sample/history"
)

const (
	clip            = 1e-3 // log loss takes no prediction nearer to 0 or 1
	calibrationBins = 10
)

// A Score says how good an estimator's predictions were. NaN where there were none.
type Score struct {
	Estimator   string
	MSE         float64 // of the group's mean
	LogLoss     float64 // nats for each rollout, predictions clipped to [1e-3, 1 - 1e-3]
	Coverage    float64 // share of groups within the 95% beta-binomial predictive interval
	Predictions int64
	Default     bool
	BelowLast   float64 // 1 - MSE / MSE of last_mean
	BelowLastSE float64 // its standard error; samples, not visits, taken as independent
	Calibration []Bin   // by predicted mean, tenths
}

// A Bin is a line of a calibration table.
type Bin struct {
	From, To    float64 // predicted means [From, To); the last one includes 1
	Predictions int64
	Predicted   float64 // mean prediction; NaN without any
	Observed    float64 // mean of what came
}

// A Report is the outcome of a backtest.
type Report struct {
	Scores       []Score
	Visits       int64   // with a known reward
	Samples      int64   // with such a visit
	Measurements int     // each walked apart, with estimators of its own
	Noise        float64 // of a group's mean about its sample's rate: no predictor has a smaller MSE
}

// Options say what a backtest compares.
type Options struct {
	Estimators []string                     // empty: all
	Task       func(history.SampleID) int32 // groups with a prior of their own; nil: one
	Mix        bool                         // walk all measurements as one
}

// Backtest walks forward through visits and predicts, at each visit but a sample's first, the
// group's mean from the steps before it. It sorts the visits into the order of training.
func Backtest(visits []history.Visit, o Options) Report {
	if len(o.Estimators) == 0 {
		o.Estimators = Names()
	}
	visits = slices.DeleteFunc(visits, func(v history.Visit) bool { return v.Known == 0 })
	parts := measurements(visits, o.Mix)
	r := Report{Visits: int64(len(visits)), Measurements: len(parts)}
	tallies := make([]tally, len(o.Estimators))
	samples := map[history.SampleID]bool{}
	noise := noiseOf{}
	for _, part := range parts {
		estimators := make([]Estimator, len(o.Estimators))
		for i, name := range o.Estimators {
			estimators[i] = New(name, o.Task)
		}
		for step := range steps(part) {
			for i := range step {
				samples[step[i].SampleID] = true
				score(tallies, estimators, &step[i], &noise)
			}
			for _, e := range estimators {
				e.Observe(step)
			}
		}
	}
	r.Samples = int64(len(samples))
	r.Noise = noise.sum / float64(noise.n)
	last := slices.Index(o.Estimators, NameLastMean)
	for i, name := range o.Estimators {
		s := tallies[i].score(name)
		if last >= 0 {
			s.BelowLast, s.BelowLastSE = below(&tallies[i], &tallies[last])
		}
		r.Scores = append(r.Scores, s)
	}
	return r
}

// noiseOf averages the unbiased variance of a group's mean.
type noiseOf struct {
	sum float64
	n   int64
}

func (n *noiseOf) add(v *history.Visit) {
	if v.Known < 2 {
		return
	}
	k := float64(v.Known)
	n.sum += max(v.Squares-v.Sum*v.Sum/k, 0) / (k - 1) / k
	n.n++
}

// score lets every estimator predict one visit, or none.
func score(tallies []tally, estimators []Estimator, v *history.Visit, noise *noiseOf) {
	predictions := make([]Prediction, len(estimators))
	for i, e := range estimators {
		p, ok := e.Predict(v)
		if !ok {
			return
		}
		predictions[i] = p
	}
	noise.add(v)
	for i, p := range predictions {
		tallies[i].add(v, p)
	}
}

// tally sums the losses of one estimator.
type tally struct {
	squares, logLoss float64
	covered, n       int64
	bins             [calibrationBins]struct {
		predicted, observed float64
		n                   int64
	}
	bySample map[history.SampleID]float64
}

func (t *tally) add(v *history.Visit, p Prediction) {
	observed := v.Mean()
	square := (p.Mean - observed) * (p.Mean - observed)
	t.squares += square
	m := min(max(p.Mean, clip), 1-clip)
	t.logLoss -= observed*math.Log(m) + (1-observed)*math.Log(1-m)
	low, high := Interval(p.Alpha, p.Beta, int(v.Known))
	if v.Sum >= float64(low)-1e-6 && v.Sum <= float64(high)+1e-6 {
		t.covered++
	}
	b := &t.bins[min(int(p.Mean*calibrationBins), calibrationBins-1)]
	b.predicted += p.Mean
	b.observed += observed
	b.n++
	t.n++
	if t.bySample == nil {
		t.bySample = map[history.SampleID]float64{}
	}
	t.bySample[v.SampleID] += square
}

func (t *tally) score(name string) Score {
	n := float64(t.n)
	s := Score{
		Estimator: name, MSE: t.squares / n, LogLoss: t.logLoss / n, Coverage: float64(t.covered) / n,
		Predictions: t.n, Default: name == Default,
	}
	for i, b := range t.bins {
		s.Calibration = append(s.Calibration, Bin{
			From: float64(i) / calibrationBins, To: float64(i+1) / calibrationBins,
			Predictions: b.n, Predicted: b.predicted / float64(b.n), Observed: b.observed / float64(b.n),
		})
	}
	return s
}

// below returns 1 - a/b of two sums of squares, and its standard error by linearization with
// the samples as independent clusters.
func below(a, b *tally) (share, se float64) {
	ratio := a.squares / b.squares
	sum := 0.0
	for id, eb := range b.bySample {
		d := a.bySample[id] - ratio*eb
		sum += d * d
	}
	return 1 - ratio, math.Sqrt(sum) / b.squares
}

// measurements parts visits by what they were measured under and sorts each part into the
// order of training.
func measurements(visits []history.Visit, mix bool) [][]history.Visit {
	byMeasurement := map[history.Measurement]int{}
	var parts [][]history.Visit
	for i := range visits {
		var m history.Measurement
		if s := visits[i].Setting; s != nil && !mix {
			m = s.Measurement
		}
		at, ok := byMeasurement[m]
		if !ok {
			at = len(parts)
			byMeasurement[m] = at
			parts = append(parts, nil)
		}
		parts[at] = append(parts[at], visits[i])
	}
	for _, p := range parts {
		slices.SortStableFunc(p, inTraining)
	}
	return parts
}

// inTraining compares visits by when they came in training.
func inTraining(a, b history.Visit) int {
	return cmp.Or(cmp.Compare(a.Phase, b.Phase), cmp.Compare(a.Step, b.Step),
		cmp.Compare(a.Position, b.Position), cmp.Compare(a.Sequence, b.Sequence))
}

// Walk sorts visits into the order of training and hands them out step by step.
func Walk(visits []history.Visit, observe func(step []history.Visit)) {
	slices.SortStableFunc(visits, inTraining)
	for step := range steps(visits) {
		observe(step)
	}
}

// steps yields the runs of visits that share phase and step.
func steps(visits []history.Visit) func(func([]history.Visit) bool) {
	return func(yield func([]history.Visit) bool) {
		for from := 0; from < len(visits); {
			to := from + 1
			for to < len(visits) && visits[to].Phase == visits[from].Phase && visits[to].Step == visits[from].Step {
				to++
			}
			if !yield(visits[from:to]) {
				return
			}
			from = to
		}
	}
}
