//go:build goexperiment.simd && amd64

package decode

import "simd/archsimd"

// exp8 is exp for 8 lanes; the steps are those of exp.
func exp8(x archsimd.Float32x8) archsimd.Float32x8 {
	x = x.Max(archsimd.BroadcastFloat32x8(expLow)).Min(archsimd.BroadcastFloat32x8(expHigh))
	n := x.Mul(archsimd.BroadcastFloat32x8(log2e)).RoundToEven()
	x = n.MulAdd(archsimd.BroadcastFloat32x8(-ln2High), x)
	x = n.MulAdd(archsimd.BroadcastFloat32x8(-ln2Low), x)
	p := archsimd.BroadcastFloat32x8(expTerms[0])
	p = p.MulAdd(x, archsimd.BroadcastFloat32x8(expTerms[1]))
	p = p.MulAdd(x, archsimd.BroadcastFloat32x8(expTerms[2]))
	p = p.MulAdd(x, archsimd.BroadcastFloat32x8(expTerms[3]))
	p = p.MulAdd(x, archsimd.BroadcastFloat32x8(expTerms[4]))
	p = p.MulAdd(x, archsimd.BroadcastFloat32x8(expTerms[5]))
	p = p.Mul(x).MulAdd(x, x.Add(archsimd.BroadcastFloat32x8(1)))
	power := n.ConvertToInt32().Add(archsimd.BroadcastInt32x8(127)).ShiftAllLeft(23)
	return p.Mul(power.AsFloat32x8())
}

// expSum replaces x by exp(x - shift) and returns the sum.
func expSum(x []float32, shift float32) float32 {
	var sum float32
	if narrow {
		var s archsimd.Float32x8
		by := archsimd.BroadcastFloat32x8(shift)
		for ; len(x) >= 8; x = x[8:] {
			e := exp8(archsimd.LoadFloat32x8Slice(x).Sub(by))
			e.StoreSlice(x)
			s = s.Add(e)
		}
		sum = total(s)
	}
	for i, a := range x {
		x[i] = exp(a - shift)
		sum += x[i]
	}
	return sum
}

// swish is gate x sigmoid(gate) x up, into gate.
func swish(gate, up []float32) {
	if narrow {
		one, zero := archsimd.BroadcastFloat32x8(1), archsimd.BroadcastFloat32x8(0)
		for ; len(gate) >= 8; gate, up = gate[8:], up[8:] {
			g := archsimd.LoadFloat32x8Slice(gate)
			g.Div(one.Add(exp8(zero.Sub(g)))).Mul(archsimd.LoadFloat32x8Slice(up)).StoreSlice(gate)
		}
	}
	for i, g := range gate {
		gate[i] = g / (1 + exp(-g)) * up[i]
	}
}

// sumSquares is the sum of the squares.
func sumSquares(x []float32) float32 {
	var sum float32
	if narrow {
		var s archsimd.Float32x8
		for ; len(x) >= 8; x = x[8:] {
			v := archsimd.LoadFloat32x8Slice(x)
			s = v.MulAdd(v, s)
		}
		sum = total(s)
	}
	for _, a := range x {
		sum += a * a
	}
	return sum
}

// total adds the lanes, always in the same order.
func total(s archsimd.Float32x8) float32 {
	var l [8]float32
	s.Store(&l)
	return ((l[0] + l[4]) + (l[1] + l[5])) + ((l[2] + l[6]) + (l[3] + l[7]))
}
