package eval

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/longctx/pipeline/sample/history"
)

// Replicates is how often the samples are drawn again: the ends of a 95% interval then move by
// about a tenth of a standard error from seed to seed.
const Replicates = 2000

// level is the coverage of every interval.
const level = 0.95

// newRandom returns the random stream of a name. Streams of different names are independent, so
// that a further benchmark moves no interval of another.
func newRandom(seed uint64, name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// replicate draws the values with replacement, Replicates times, and returns the mean of each.
func replicate(r *rand.Rand, values []float64) []float64 {
	out := make([]float64, Replicates)
	for b := range out {
		sum := 0.0
		for range values {
			sum += values[r.IntN(len(values))]
		}
		out[b] = sum / float64(len(values))
	}
	return out
}

// estimate is the mean of some samples' values with its percentile interval. Where all values are
// alike resampling sees no spread at all, and would call 0 of 5 certain: there the interval is
// Wilson's.
func estimate(r *rand.Rand, values []float64) Estimate {
	if len(values) == 0 {
		return noEstimate
	}
	n := float64(len(values))
	e := Estimate{Mean: Value(meanOf(values)), Samples: int64(len(values))}
	if alike(values) {
		lower, upper := history.Wilson(values[0]*n, n)
		e.Lower, e.Upper = Value(lower), Value(upper)
		return e
	}
	e.Lower, e.Upper = percentiles(replicate(r, values))
	return e
}

func percentiles(replicates []float64) (lower, upper Value) {
	sorted := slices.Sorted(slices.Values(replicates))
	return Value(quantile(sorted, (1-level)/2)), Value(quantile(sorted, (1+level)/2))
}

func alike(values []float64) bool {
	for _, v := range values {
		if v != values[0] {
			return false
		}
	}
	return true
}

func meanOf(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
