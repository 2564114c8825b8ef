package estimate

import "math"

// A level follows what all samples' logits have in common. Each step gives a noisy reading of
// it (weighted least squares over the step's revisits); several Kalman filters with different
// process noise read along, and the one that predicted the readings best decides.
type level struct {
	value   float64
	filters []levelFilter
}

// levelFilter is a local-level model: value(t) = value(t-1) + N(0, noise).
type levelFilter struct {
	noise           float64
	value, variance float64
	score           float64 // decayed log likelihood of the readings
}

func newLevel() level {
	l := level{}
	for _, noise := range []float64{0, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1} {
		l.filters = append(l.filters, levelFilter{noise: noise})
	}
	return l
}

// observe takes a step's reading, as the sums of weighted least squares: weighted/precision is
// the shift from the present value. It reports whether the value moved.
func (l *level) observe(weighted, precision float64) bool {
	const keep = 0.99
	if precision <= 0 {
		return false
	}
	// One step is not believed to move the level by more than two logits.
	reading := l.value + min(max(weighted/precision, -2), 2)
	best := &l.filters[0]
	for i := range l.filters {
		f := &l.filters[i]
		f.variance += f.noise
		total := f.variance + 1/precision
		miss := reading - f.value
		f.score = keep*f.score - 0.5*(miss*miss/total+math.Log(total))
		gain := f.variance / total
		f.value += gain * miss
		f.variance *= 1 - gain
		if f.score > best.score {
			best = f
		}
	}
	moved := best.value != l.value
	l.value = best.value
	return moved
}
