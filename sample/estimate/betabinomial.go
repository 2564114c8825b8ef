package estimate

import "math"

// Interval returns both ends of the 95% equal-tailed predictive interval of the sum of n
// rewards, each 0 or 1, at a rate that is Beta(alpha, beta): the beta-binomial distribution.
// The ends are inclusive, so it holds at least 95%.
func Interval(alpha, beta float64, n int) (low, high int) {
	const tail = 0.025
	pmf := math.Exp(logBeta(alpha, beta+float64(n)) - logBeta(alpha, beta)) // of 0
	low, high = -1, n
	cdf := 0.0
	for k := 0; k <= n; k++ {
		cdf += pmf
		if low < 0 && cdf > tail {
			low = k
		}
		if cdf >= 1-tail {
			high = k
			break
		}
		pmf *= float64(n-k) / float64(k+1) * (alpha + float64(k)) / (beta + float64(n-k-1))
	}
	return max(low, 0), high
}

// ZeroVariance returns the probability that all of n rewards, each 0 or 1, are 0, and that all
// are 1, at a rate that is Beta(alpha, beta): E[(1-p)^n] and E[p^n].
func ZeroVariance(alpha, beta float64, n int) (allWrong, allRight float64) {
	allWrong, allRight = 1, 1
	for i := range n {
		k, total := float64(i), alpha+beta+float64(i)
		allWrong *= (beta + k) / total
		allRight *= (alpha + k) / total
	}
	return allWrong, allRight
}

func logBeta(a, b float64) float64 {
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	return la + lb - lab
}
