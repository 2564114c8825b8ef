package estimate

import "math"

// The axis of a density: a sample's logit less the level that all samples share. Half a logit
// apart is finer than what 16 rollouts can tell.
const (
	points   = 37
	spacing  = 0.5
	leftmost = -9.0
)

// A density is a function on the axis: evidence (a likelihood, largest value 1), a population
// (sum 1), or a belief (sum 1).
type density [points]float32

func position(k int) float64 { return leftmost + spacing*float64(k) }

func flat(v float32) (d density) {
	for k := range d {
		d[k] = v
	}
	return d
}

// scale multiplies all values.
func (d *density) scale(by float32) {
	for k := range d {
		d[k] *= by
	}
}

// top scales the largest value to 1.
func (d *density) top() {
	largest := float32(0)
	for _, v := range d {
		largest = max(largest, v)
	}
	if largest > 0 {
		d.scale(1 / largest)
	}
}

// normalize scales the sum to 1 and returns what it was.
func (d *density) normalize() float32 {
	sum := float32(0)
	for _, v := range d {
		sum += v
	}
	if sum > 0 {
		d.scale(1 / sum)
	}
	return sum
}

// diffuse widens a density by a variance, in logits squared; nothing leaves the axis.
func (d *density) diffuse(variance float64) {
	const most = 0.3 * 2 * spacing * spacing // of one pass, so that it stays positive and smooth
	passes := int(math.Ceil(variance / most))
	if passes == 0 {
		return
	}
	a := float32(variance / float64(passes) / (2 * spacing * spacing))
	for range passes {
		before := d[0]
		for k := range points - 1 {
			here := d[k]
			d[k] = here + a*(before-2*here+d[k+1])
			before = here
		}
		here := d[points-1]
		d[points-1] = here + a*(before-here)
	}
}

// times is the product of evidence and a population: the belief, summing to 1.
func (d *density) times(population *density) (belief density, sum float32) {
	for k := range d {
		belief[k] = d[k] * population[k]
	}
	sum = belief.normalize()
	return belief, sum
}

// rates are what the axis means while the level stays where it is.
type rates struct {
	p        [points]float32 // expected reward
	logRight [points]float64 // log p
	logWrong [points]float64 // log (1 - p)
}

func ratesAt(level float64) *rates {
	r := new(rates)
	for k := range points {
		x := position(k) + level
		p := 1 / (1 + math.Exp(-x))
		r.p[k] = float32(p)
		r.logRight[k] = -math.Log1p(math.Exp(-x))
		r.logWrong[k] = -math.Log1p(math.Exp(x))
	}
	return r
}

// moments returns the mean and the variance of the rate, and the mean of p(1-p), which is also
// the slope of the mean as the level moves.
func (r *rates) moments(belief *density) (mean, variance, slope float64) {
	var m, s float32
	for k, w := range belief {
		m += w * r.p[k]
		s += w * r.p[k] * r.p[k]
	}
	return float64(m), max(float64(s-m*m), 0), float64(m - s)
}

// likelihood returns the likelihood of n rewards with a sum, largest value 1.
func (r *rates) likelihood(sum, n float64) (d density) {
	var logs [points]float64
	largest := math.Inf(-1)
	for k := range logs {
		logs[k] = sum*r.logRight[k] + (n-sum)*r.logWrong[k]
		largest = max(largest, logs[k])
	}
	for k := range d {
		d[k] = float32(math.Exp(logs[k] - largest))
	}
	return d
}
