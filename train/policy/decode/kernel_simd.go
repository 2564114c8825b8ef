//go:build goexperiment.simd && amd64

package decode

import (
	"simd/archsimd"
	"unsafe"
)

const tileRows = 8

var (
	wide   = archsimd.X86.AVX512()
	narrow = archsimd.X86.AVX2() && archsimd.X86.FMA()
)

// tile is 8 rows of x times one panel.
func tile(y []float32, ldy int, x []float32, ldx int, panel []float32, k int, add bool) {
	switch {
	case wide:
		tileWide(y, ldy, x, ldx, panel, k, add)
	case narrow:
		tileNarrow(y, ldy, x, ldx, panel, k, add)
		tileNarrow(y[4*ldy:], ldy, x[4*ldx:], ldx, panel, k, add)
	default:
		for r := range tileRows {
			rowScalar(y[r*ldy:], x[r*ldx:r*ldx+k], panel, add)
		}
	}
}

// tileWide checks its slices once and then goes by address: with bounds checked at every load
// the loop spills its registers and takes twice as long.
func tileWide(y []float32, ldy int, x []float32, ldx int, panel []float32, k int, add bool) {
	_, _, _ = y[7*ldy+lanes-1], x[7*ldx+k-1], panel[k*lanes-1]
	var s0, s1, s2, s3, s4, s5, s6, s7 archsimd.Float32x16
	if add {
		s0, s1 = archsimd.LoadFloat32x16Slice(y), archsimd.LoadFloat32x16Slice(y[ldy:])
		s2, s3 = archsimd.LoadFloat32x16Slice(y[2*ldy:]), archsimd.LoadFloat32x16Slice(y[3*ldy:])
		s4, s5 = archsimd.LoadFloat32x16Slice(y[4*ldy:]), archsimd.LoadFloat32x16Slice(y[5*ldy:])
		s6, s7 = archsimd.LoadFloat32x16Slice(y[6*ldy:]), archsimd.LoadFloat32x16Slice(y[7*ldy:])
	}
	w := unsafe.Pointer(&panel[0])
	x0, x1, x2, x3 := unsafe.Pointer(&x[0]), unsafe.Pointer(&x[ldx]), unsafe.Pointer(&x[2*ldx]), unsafe.Pointer(&x[3*ldx])
	x4, x5, x6, x7 := unsafe.Pointer(&x[4*ldx]), unsafe.Pointer(&x[5*ldx]), unsafe.Pointer(&x[6*ldx]), unsafe.Pointer(&x[7*ldx])
	for i := uintptr(0); i < uintptr(4*k); i += 4 {
		v := archsimd.LoadFloat32x16((*[lanes]float32)(unsafe.Add(w, i*lanes)))
		s0 = archsimd.BroadcastFloat32x16(*(*float32)(unsafe.Add(x0, i))).MulAdd(v, s0)
		s1 = archsimd.BroadcastFloat32x16(*(*float32)(unsafe.Add(x1, i))).MulAdd(v, s1)
		s2 = archsimd.BroadcastFloat32x16(*(*float32)(unsafe.Add(x2, i))).MulAdd(v, s2)
		s3 = archsimd.BroadcastFloat32x16(*(*float32)(unsafe.Add(x3, i))).MulAdd(v, s3)
		s4 = archsimd.BroadcastFloat32x16(*(*float32)(unsafe.Add(x4, i))).MulAdd(v, s4)
		s5 = archsimd.BroadcastFloat32x16(*(*float32)(unsafe.Add(x5, i))).MulAdd(v, s5)
		s6 = archsimd.BroadcastFloat32x16(*(*float32)(unsafe.Add(x6, i))).MulAdd(v, s6)
		s7 = archsimd.BroadcastFloat32x16(*(*float32)(unsafe.Add(x7, i))).MulAdd(v, s7)
	}
	s0.StoreSlice(y)
	s1.StoreSlice(y[ldy:])
	s2.StoreSlice(y[2*ldy:])
	s3.StoreSlice(y[3*ldy:])
	s4.StoreSlice(y[4*ldy:])
	s5.StoreSlice(y[5*ldy:])
	s6.StoreSlice(y[6*ldy:])
	s7.StoreSlice(y[7*ldy:])
}

// tileNarrow is 4 rows times one panel in halves of 8 lanes.
func tileNarrow(y []float32, ldy int, x []float32, ldx int, panel []float32, k int, add bool) {
	var a0, a1, a2, a3, b0, b1, b2, b3 archsimd.Float32x8
	if add {
		a0, b0 = archsimd.LoadFloat32x8Slice(y), archsimd.LoadFloat32x8Slice(y[8:])
		a1, b1 = archsimd.LoadFloat32x8Slice(y[ldy:]), archsimd.LoadFloat32x8Slice(y[ldy+8:])
		a2, b2 = archsimd.LoadFloat32x8Slice(y[2*ldy:]), archsimd.LoadFloat32x8Slice(y[2*ldy+8:])
		a3, b3 = archsimd.LoadFloat32x8Slice(y[3*ldy:]), archsimd.LoadFloat32x8Slice(y[3*ldy+8:])
	}
	x0, x1, x2, x3 := x[:k], x[ldx:][:k], x[2*ldx:][:k], x[3*ldx:][:k]
	for i := range x0 {
		w := (*[lanes]float32)(panel[i*lanes:])
		u, v := archsimd.LoadFloat32x8((*[8]float32)(w[:8])), archsimd.LoadFloat32x8((*[8]float32)(w[8:]))
		x := archsimd.BroadcastFloat32x8(x0[i])
		a0, b0 = x.MulAdd(u, a0), x.MulAdd(v, b0)
		x = archsimd.BroadcastFloat32x8(x1[i])
		a1, b1 = x.MulAdd(u, a1), x.MulAdd(v, b1)
		x = archsimd.BroadcastFloat32x8(x2[i])
		a2, b2 = x.MulAdd(u, a2), x.MulAdd(v, b2)
		x = archsimd.BroadcastFloat32x8(x3[i])
		a3, b3 = x.MulAdd(u, a3), x.MulAdd(v, b3)
	}
	a0.StoreSlice(y)
	b0.StoreSlice(y[8:])
	a1.StoreSlice(y[ldy:])
	b1.StoreSlice(y[ldy+8:])
	a2.StoreSlice(y[2*ldy:])
	b2.StoreSlice(y[2*ldy+8:])
	a3.StoreSlice(y[3*ldy:])
	b3.StoreSlice(y[3*ldy+8:])
}

// rowBy4 is one row times four panels.
func rowBy4(y, x, data []float32, stride int, add bool) {
	if !wide {
		for p := range 4 {
			rowBy1(y[p*lanes:], x, data[p*stride:], add)
		}
		return
	}
	var s0, s1, s2, s3 archsimd.Float32x16
	if add {
		s0, s1 = archsimd.LoadFloat32x16Slice(y), archsimd.LoadFloat32x16Slice(y[lanes:])
		s2, s3 = archsimd.LoadFloat32x16Slice(y[2*lanes:]), archsimd.LoadFloat32x16Slice(y[3*lanes:])
	}
	n := len(x) * lanes
	w0, w1, w2, w3 := data[:n], data[stride:][:n], data[2*stride:][:n], data[3*stride:][:n]
	for i, a := range x {
		v := archsimd.BroadcastFloat32x16(a)
		s0 = v.MulAdd(archsimd.LoadFloat32x16((*[lanes]float32)(w0[i*lanes:])), s0)
		s1 = v.MulAdd(archsimd.LoadFloat32x16((*[lanes]float32)(w1[i*lanes:])), s1)
		s2 = v.MulAdd(archsimd.LoadFloat32x16((*[lanes]float32)(w2[i*lanes:])), s2)
		s3 = v.MulAdd(archsimd.LoadFloat32x16((*[lanes]float32)(w3[i*lanes:])), s3)
	}
	s0.StoreSlice(y)
	s1.StoreSlice(y[lanes:])
	s2.StoreSlice(y[2*lanes:])
	s3.StoreSlice(y[3*lanes:])
}

// rowBy1 is one row times one panel.
func rowBy1(y, x, panel []float32, add bool) {
	switch {
	case wide:
		var s archsimd.Float32x16
		if add {
			s = archsimd.LoadFloat32x16Slice(y)
		}
		for i, a := range x {
			s = archsimd.BroadcastFloat32x16(a).MulAdd(archsimd.LoadFloat32x16((*[lanes]float32)(panel[i*lanes:])), s)
		}
		s.StoreSlice(y)
	case narrow:
		var s, t archsimd.Float32x8
		if add {
			s, t = archsimd.LoadFloat32x8Slice(y), archsimd.LoadFloat32x8Slice(y[8:])
		}
		for i, a := range x {
			w, v := (*[lanes]float32)(panel[i*lanes:]), archsimd.BroadcastFloat32x8(a)
			s = v.MulAdd(archsimd.LoadFloat32x8((*[8]float32)(w[:8])), s)
			t = v.MulAdd(archsimd.LoadFloat32x8((*[8]float32)(w[8:])), t)
		}
		s.StoreSlice(y)
		t.StoreSlice(y[8:])
	default:
		rowScalar(y, x, panel, add)
	}
}

// rowScalar is for processors without AVX2.
func rowScalar(y, x, panel []float32, add bool) {
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
