package learner

import "math"

// A Schedule is a learning rate by step: a linear warm-up, then a cosine down to a share of the
// peak. Without Steps the rate stays at the peak.
type Schedule struct {
	Peak   float64
	Warmup int64   // steps; the first has Peak/Warmup, so that none is wasted at 0
	Steps  int64   // in all, warm-up included; 0: constant after the warm-up
	Floor  float64 // share of the peak at the end, in [0, 1]
}

// At returns the learning rate of a step, counted from 0.
func (s Schedule) At(step int64) float64 {
	switch {
	case step < s.Warmup:
		return s.Peak * float64(step+1) / float64(s.Warmup)
	case s.Steps <= s.Warmup:
		return s.Peak
	}
	done := min(1, float64(step-s.Warmup)/float64(s.Steps-s.Warmup))
	return s.Peak * (s.Floor + (1-s.Floor)*(1+math.Cos(math.Pi*done))/2)
}
