package estimate

import "math"

// A level follows what all samples' logits have in common. Each step gives a noisy reading of
// it (weighted least squares over the step's revisits); several Kalman filters with different
// process noise read along, and the one that predicted the readings best decides.
type level struct {
	value   float64
	filters []levelFilter // the first holds that nothing moves
	doubt   float64       // log likelihood by which another must be better
}

// levelFilter is a local-level model: value(t) = value(t-1) + N(0, noise).
type levelFilter struct {
	noise           float64
	value, variance float64
	score           float64 // decayed log likelihood of the readings
}

func newLevel(doubt float64) level {
	l := level{doubt: doubt}
	for _, noise := range []float64{0, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1} {
		l.filters = append(l.filters, levelFilter{noise: noise})
	}
	return l
}

// observe takes a step's reading. It reports whether the value moved.
func (l *level) observe(r reading) bool {
	const keep = 0.99
	if r.precision <= 0 {
		return false
	}
	// One step is not believed to move the level by more than two logits.
	read := l.value + min(max(r.weighted/r.precision, -2), 2)
	best, most := &l.filters[0], math.Inf(-1)
	for i := range l.filters {
		f := &l.filters[i]
		f.variance += f.noise
		total := f.variance + 1/r.precision
		miss := read - f.value
		f.score = keep*f.score - 0.5*(miss*miss/total+math.Log(total))
		gain := f.variance / total
		f.value += gain * miss
		f.variance *= 1 - gain
		score := f.score
		if i > 0 {
			score -= l.doubt
		}
		if score > most {
			best, most = f, score
		}
	}
	moved := best.value != l.value
	l.value = best.value
	return moved
}
