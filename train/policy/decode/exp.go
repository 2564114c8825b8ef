package decode

import "math"

// The exponential by the usual split, 2^n times a polynomial on [-ln2/2, ln2/2], as Cephes has
// it: within 2 units in the last place, and the same steps in every kernel. Below the smallest
// normal number it is that number, which no sum of probabilities notices.
const (
	expLow  = -87.3
	expHigh = 88.3
	log2e   = 1.44269504088896341
	ln2High = 0.693359375
	ln2Low  = -2.12194440e-4
)

var expTerms = [6]float32{1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1}

func exp(x float32) float32 {
	x = min(max(x, expLow), expHigh)
	n := float32(math.RoundToEven(float64(x * log2e)))
	x -= n * ln2High
	x -= n * ln2Low
	p := expTerms[0]
	for _, t := range expTerms[1:] {
		p = p*x + t
	}
	return (p*x*x + x + 1) * math.Float32frombits(uint32(int32(n)+127)<<23)
}
