package decode

import (
	"math"
	"math/rand/v2"
	"testing"
)

// product is y = x times m by the definition, in float64.
func product(x [][]float32, m [][]float32) [][]float64 {
	var out [][]float64
	for _, row := range x {
		y := make([]float64, len(m[0]))
		for i, a := range row {
			for j, b := range m[i] {
				y[j] += float64(a) * float64(b)
			}
		}
		out = append(out, y)
	}
	return out
}

func random(r *rand.Rand, rows, columns int) [][]float32 {
	out := make([][]float32, rows)
	for i := range out {
		for range columns {
			out[i] = append(out[i], float32(r.NormFloat64()))
		}
	}
	return out
}

func TestTheKernelMultipliesEveryShape(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 3, 7, 8, 9, 17} {
		for _, k := range []int{1, 5, 64, blockRows, blockRows + 3, 3 * blockRows} {
			for _, columns := range []int{1, 16, 33, 80} {
				x, m := random(r, n, k), random(r, k, columns)
				p := newPanels(k, columns)
				for i := range m {
					for j, v := range m[i] {
						p.set(i, j, v)
					}
				}
				flat := make([]float32, n*k)
				for i, row := range x {
					copy(flat[i*k:], row)
				}
				y := make([]float32, n*p.count*lanes)
				multiply(y, p.count*lanes, flat, k, n, k, p, false)
				multiply(y, p.count*lanes, flat, k, n, k, p, true)
				for i, want := range product(x, m) {
					for j, w := range want {
						if got := float64(y[i*p.count*lanes+j]); math.Abs(got-2*w) > 1e-5*math.Sqrt(float64(k))*10 {
							t.Fatalf("%d x %d times %d columns: y[%d][%d] is %v, want %v", n, k, columns, i, j, got, 2*w)
						}
					}
				}
			}
		}
	}
}

func TestARowsProductIsTheSameInEveryBatch(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const k, n = 500, 19
	p := newPanels(k, 100)
	for i := range p.data {
		p.data[i] = float32(r.NormFloat64())
	}
	x := make([]float32, n*k)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	ld := p.count * lanes
	all, one := make([]float32, n*ld), make([]float32, ld)
	multiply(all, ld, x, k, n, k, p, false)
	for i := range n {
		multiply(one, ld, x[i*k:], k, 1, k, p, false)
		for j, v := range one {
			if all[i*ld+j] != v {
				t.Fatalf("row %d, column %d: %v among others, %v alone", i, j, all[i*ld+j], v)
			}
		}
	}
}

func TestTheExponentialIsWithinFloat32(t *testing.T) {
	for x := float32(-87); x < 88; x += 0.0137 {
		want := math.Exp(float64(x))
		if got := float64(exp(x)); math.Abs(got-want) > 3e-7*want {
			t.Fatalf("exp(%v) is %v, want %v", x, got, want)
		}
	}
	x := make([]float32, 21)
	var want float64
	for i := range x {
		x[i] = float32(i)*0.7 - 9
		want += math.Exp(float64(x[i]) - 2)
	}
	if got := float64(expSum(x, 2)); math.Abs(got-want) > 1e-6*want {
		t.Errorf("the sum is %v, want %v", got, want)
	}
	if exp(-1e30) > 2e-38 || math.IsInf(float64(exp(1e30)), 0) {
		t.Errorf("far out: %v and %v", exp(-1e30), exp(1e30))
	}
}

func BenchmarkMultiply(b *testing.B) {
	const n, k, columns = 32, 256, 512
	p := newPanels(k, columns)
	x, y := make([]float32, n*k), make([]float32, n*columns)
	for b.Loop() {
		multiply(y, columns, x, k, n, k, p, false)
	}
	b.ReportMetric(2*n*k*columns*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gflop/s")
}
