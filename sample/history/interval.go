package history

import "math"

// z95 is the 97.5% quantile of the normal distribution.
const z95 = 1.959963984540054

// Wilson returns both ends of the 95% score interval (Wilson 1927) of a rate from the sum of
// n rewards in [0, 1]. For binary rewards it is exact Wilson: 0 of 8 gives [0, 0.324]. For
// fractional ones it takes n as the effective count, which is conservative: no variable in
// [0, 1] with mean p varies more than a binary one. With n = 0 it is [0, 1].
//
// It takes all rollouts as draws at one rate. Where the policy drifts, use evidence that
// decays: Summary.Posterior.
func Wilson(sum float64, n float64) (lower, upper float64) {
	if n <= 0 {
		return 0, 1
	}
	p := min(max(sum/n, 0), 1)
	const z2 = z95 * z95
	center := (p + z2/(2*n)) / (1 + z2/n)
	half := z95 / (1 + z2/n) * math.Sqrt(p*(1-p)/n+z2/(4*n*n))
	lower, upper = max(center-half, 0), min(center+half, 1)
	// At the ends the formula is exact, rounding is not.
	if p == 0 {
		lower = 0
	}
	if p == 1 {
		upper = 1
	}
	return lower, upper
}

// A Decay says how evidence fades. At each visit to a sample, before its rewards are added:
//
//	alpha <- (1 - Forget) alpha + Forget Alpha
//	beta  <- (1 - Forget) beta  + Forget Beta
//
// then alpha grows by the sum of the rewards and beta by the rest (BOTS, arXiv 2510.26374;
// MoPPS, arXiv 2507.04632). Visits without a known reward change nothing.
type Decay struct {
	Forget      float64 // in [0, 1]; 0: all visits count alike
	Alpha, Beta float64 // the prior, in rollouts; both over 0
}

// DefaultDecay forgets a fifth at each visit, towards a uniform prior.
var DefaultDecay = Decay{Forget: 0.2, Alpha: 1, Beta: 1}

// visit returns the evidence after one more visit.
func (d Decay) visit(alpha, beta float64, v *Visit) (float64, float64) {
	if v.Known == 0 {
		return alpha, beta
	}
	alpha += d.Forget*(d.Alpha-alpha) + v.Sum
	beta += d.Forget*(d.Beta-beta) + float64(v.Known) - v.Sum
	return alpha, beta
}
