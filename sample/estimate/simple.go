package estimate

import "github.com/longctx/pipeline/sample/history"

// expKeep is what a visit's weight keeps at each later visit of the same sample.
const expKeep = 0.8

// sums predicts the mean of the rewards so far, each visit weighing keep times the next one's.
// keep 0 is the last mean, 1 the running mean.
type sums struct {
	keep, jeffreys float64
	of             map[history.SampleID]evidence
}

// evidence is a weighted count of rollouts and of their rewards.
type evidence struct{ sum, n float64 }

func newSums(keep, jeffreys float64) *sums {
	return &sums{keep, jeffreys, map[history.SampleID]evidence{}}
}

// Predict implements Estimator.
func (s *sums) Predict(v *history.Visit) (Prediction, bool) {
	e, ok := s.of[v.SampleID]
	if !ok {
		return Prediction{}, false
	}
	return Prediction{e.sum / e.n, e.sum + s.jeffreys, e.n - e.sum + s.jeffreys}, true
}

// Observe implements Estimator.
func (s *sums) Observe(step []history.Visit) {
	for i := range step {
		v := &step[i]
		if v.Known == 0 {
			continue
		}
		e := s.of[v.SampleID]
		s.of[v.SampleID] = evidence{s.keep*e.sum + v.Sum, s.keep*e.n + float64(v.Known)}
	}
}

// betaDecay predicts from evidence that decays towards a prior, as summaries keep it.
type betaDecay struct {
	decay history.Decay
	of    map[history.SampleID]Prediction
}

func newBetaDecay(d history.Decay) *betaDecay {
	return &betaDecay{d, map[history.SampleID]Prediction{}}
}

// Predict implements Estimator.
func (b *betaDecay) Predict(v *history.Visit) (Prediction, bool) {
	p, ok := b.of[v.SampleID]
	return p, ok
}

// Observe implements Estimator.
func (b *betaDecay) Observe(step []history.Visit) {
	for i := range step {
		v := &step[i]
		if v.Known == 0 {
			continue
		}
		p, ok := b.of[v.SampleID]
		if !ok {
			p.Alpha, p.Beta = b.decay.Alpha, b.decay.Beta
		}
		p.Alpha += b.decay.Forget*(b.decay.Alpha-p.Alpha) + v.Sum
		p.Beta += b.decay.Forget*(b.decay.Beta-p.Beta) + float64(v.Known) - v.Sum
		p.Mean = p.Alpha / (p.Alpha + p.Beta)
		b.of[v.SampleID] = p
	}
}
