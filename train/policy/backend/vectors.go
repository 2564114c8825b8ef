//go:build !(goexperiment.simd && amd64)

package backend

// vectors says which vector instructions the Go backend uses.
func vectors() string { return "no SIMD (build with GOEXPERIMENT=simd on amd64 for it)" }
