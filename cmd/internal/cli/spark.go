package cli

import (
	"math"
	"strings"
)

var sparks = []rune("▁▂▃▄▅▆▇█")

// Spark draws values as a line of at most so many cells, from their least to their largest; a
// cell is the mean of the values that fall into it.
func Spark(values []float64, cells int) string {
	n := min(len(values), cells)
	means := make([]float64, n)
	low, high := math.Inf(1), math.Inf(-1)
	for i := range means {
		part := values[len(values)*i/n : len(values)*(i+1)/n]
		for _, x := range part {
			means[i] += x / float64(len(part))
		}
		low, high = min(low, means[i]), max(high, means[i])
	}
	var b strings.Builder
	for _, x := range means {
		at := 0
		if high > low {
			at = int((x - low) / (high - low) * float64(len(sparks)-1))
		}
		if math.IsNaN(x) {
			b.WriteByte('!')
			continue
		}
		b.WriteRune(sparks[min(max(at, 0), len(sparks)-1)])
	}
	return b.String()
}
