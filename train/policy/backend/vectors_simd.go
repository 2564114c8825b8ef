//go:build goexperiment.simd && amd64

package backend

import "simd/archsimd"

// vectors says which vector instructions the Go backend uses.
func vectors() string {
	switch {
	case archsimd.X86.AVX512():
		return "AVX-512"
	case archsimd.X86.AVX2() && archsimd.X86.FMA():
		return "AVX2"
	}
	return "no SIMD (this processor has no AVX2)"
}
