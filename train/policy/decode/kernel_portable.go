//go:build !(goexperiment.simd && amd64)

package decode

const tileRows = 4

// tile is 4 rows of x times one panel.
func tile(y []float32, ldy int, x []float32, ldx int, panel []float32, k int, add bool) {
	for r := range tileRows {
		rowBy1(y[r*ldy:], x[r*ldx:r*ldx+k], panel, add)
	}
}

// rowBy4 is one row times four panels.
func rowBy4(y, x, data []float32, stride int, add bool) {
	for p := range 4 {
		rowBy1(y[p*lanes:], x, data[p*stride:], add)
	}
}

// rowBy1 is one row times one panel.
func rowBy1(y, x, panel []float32, add bool) {
	var sum [lanes]float32
	if add {
		copy(sum[:], y[:lanes])
	}
	for i, a := range x {
		w := (*[lanes]float32)(panel[i*lanes:])
		for j := range sum {
			sum[j] += a * w[j]
		}
	}
	copy(y[:lanes], sum[:])
}

// expSum replaces x by exp(x - shift) and returns the sum.
func expSum(x []float32, shift float32) float32 {
	var sum float32
	for i, a := range x {
		x[i] = exp(a - shift)
		sum += x[i]
	}
	return sum
}

// swish is gate x sigmoid(gate) x up, into gate.
func swish(gate, up []float32) {
	for i, g := range gate {
		gate[i] = g / (1 + exp(-g)) * up[i]
	}
}

// sumSquares is the sum of the squares.
func sumSquares(x []float32) float32 {
	var sum float32
	for _, a := range x {
		sum += a * a
	}
	return sum
}
