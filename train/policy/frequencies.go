package policy

import "math"

// Frequencies are the rope's radians per position for each pair of a head, [HeadDim/2].
func (c *Config) Frequencies() []float32 {
	out := make([]float32, c.HeadDim/2)
	for i := range out {
		f := math.Pow(c.RopeTheta, -float64(2*i)/float64(c.HeadDim))
		out[i] = float32(c.RopeScaling.apply(f))
	}
	return out
}

// apply stretches one frequency: by its wavelength it is kept, divided by Factor, or blended
// in between (Llama 3.1's scheme).
func (r *RopeScaling) apply(f float64) float64 {
	if r == nil {
		return f
	}
	wavelength := 2 * math.Pi / f
	long := float64(r.OriginalMaxPositions) / r.LowFreqFactor
	short := float64(r.OriginalMaxPositions) / r.HighFreqFactor
	switch {
	case wavelength > long:
		return f / r.Factor
	case wavelength < short:
		return f
	}
	keep := (float64(r.OriginalMaxPositions)/wavelength - r.LowFreqFactor) / (r.HighFreqFactor - r.LowFreqFactor)
	return (1-keep)*f/r.Factor + keep*f
}
