package eval

import (
	"cmp"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
)

// A Difference compares two runs on the samples that both have a reward for.
type Difference struct {
	Name   string   `json:"name"`   // of the benchmark, or Average
	Common int64    `json:"common"` // samples
	OnlyA  int64    `json:"only_a"` // samples that the other run has no reward for
	OnlyB  int64    `json:"only_b"`
	A      Value    `json:"a"` // mean over the common samples
	B      Value    `json:"b"`
	By     Estimate `json:"by"` // mean of b - a, sample by sample, with its 95% interval
	P      Value    `json:"p"`  // of the sign-flip permutation test, two-sided
	Better int64    `json:"better"`
	Worse  int64    `json:"worse"` // common samples on which b is worse
}

// Compare returns the differences from run a to run b by benchmark, and of the macro average
// over the benchmarks that both have.
func Compare(a, b []*Group, seed uint64) []Difference {
	pairs := map[string]*pairing{}
	at := func(name string) *pairing {
		if pairs[name] == nil {
			pairs[name] = new(pairing)
		}
		return pairs[name]
	}
	other := map[string]*Group{}
	for _, g := range b {
		if g.Known > 0 {
			other[g.SampleID] = g
			at(g.Benchmark).onlyB++
		}
	}
	for _, g := range sorted(a) {
		if g.Known == 0 {
			continue
		}
		p := at(g.Benchmark)
		if h := other[g.SampleID]; h != nil && h.Benchmark == g.Benchmark {
			p.a, p.b = append(p.a, g.Mean()), append(p.b, h.Mean())
			p.onlyB--
		} else {
			p.onlyA++
		}
	}
	var out []Difference
	total := &pairing{}
	var reps [][]float64
	var of []*pairing
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		p := pairs[name]
		d, rep := p.difference(name, seed)
		out = append(out, d)
		total.onlyA, total.onlyB = total.onlyA+p.onlyA, total.onlyB+p.onlyB
		if rep != nil {
			reps, of = append(reps, rep), append(of, p)
		}
	}
	return append(out, total.average(out, reps, of, seed))
}

func sorted(groups []*Group) []*Group {
	return slices.SortedFunc(slices.Values(groups), func(a, b *Group) int { return cmp.Compare(a.SampleID, b.SampleID) })
}

// A pairing holds the means of the common samples of one benchmark.
type pairing struct {
	a, b         []float64 // [common samples]
	onlyA, onlyB int64
}

func (p *pairing) by() []float64 {
	d := make([]float64, len(p.a))
	for i := range d {
		d[i] = p.b[i] - p.a[i]
	}
	return d
}

func (p *pairing) difference(name string, seed uint64) (Difference, []float64) {
	d := Difference{
		Name: name, Common: int64(len(p.a)), OnlyA: p.onlyA, OnlyB: p.onlyB,
		A: Value(meanOf(p.a)), B: Value(meanOf(p.b)), By: noEstimate, P: Unknown,
	}
	if len(p.a) == 0 {
		return d, nil
	}
	by := p.by()
	d.Better, d.Worse = signs(by)
	rep := replicate(newRandom(seed, name+"/paired"), by)
	d.By.Mean, d.By.Samples = Value(meanOf(by)), int64(len(by))
	d.By.Lower, d.By.Upper = percentiles(rep)
	d.P = Value(signFlip(newRandom(seed, name+"/flips"), [][]float64{by}))
	return d, rep
}

// average is the macro average of the benchmarks that have common samples.
func (p *pairing) average(parts []Difference, reps [][]float64, of []*pairing, seed uint64) Difference {
	d := Difference{Name: Average, OnlyA: p.onlyA, OnlyB: p.onlyB, A: Unknown, B: Unknown, By: noEstimate, P: Unknown}
	m := Value(len(reps))
	if m == 0 {
		return d
	}
	d.A, d.B, d.By = 0, 0, Estimate{}
	for _, q := range parts {
		if q.Common > 0 {
			d.A, d.B, d.By.Mean = d.A+q.A/m, d.B+q.B/m, d.By.Mean+q.By.Mean/m
			d.Common, d.Better, d.Worse = d.Common+q.Common, d.Better+q.Better, d.Worse+q.Worse
		}
	}
	d.By.Samples = d.Common
	sum := make([]float64, Replicates)
	for _, rep := range reps {
		for r, v := range rep {
			sum[r] += v / float64(m)
		}
	}
	d.By.Lower, d.By.Upper = percentiles(sum)
	var by [][]float64
	for _, q := range of {
		by = append(by, q.by())
	}
	d.P = Value(signFlip(newRandom(seed, Average+"/flips"), by))
	return d
}

func signs(by []float64) (up, down int64) {
	for _, d := range by {
		switch {
		case d > 0:
			up++
		case d < 0:
			down++
		}
	}
	return up, down
}

const (
	flips      = 10_000 // random sign patterns: p to about 0.002 at 0.05
	exactFlips = 13     // with so many differences that are not 0, all patterns are tried
)

// signFlip is the two-sided permutation test for paired differences: how often random signs
// make the mean of the strata's means at least as large. by is [strata][pairs].
func signFlip(r *rand.Rand, by [][]float64) float64 {
	var terms []float64 // without zeros, which no sign moves
	observed := 0.0
	for _, stratum := range by {
		for _, d := range stratum {
			if t := d / float64(len(stratum)); t != 0 {
				terms = append(terms, t)
				observed += t
			}
		}
	}
	// Sums of the same terms in another order differ in their last digits.
	least := math.Abs(observed) * (1 - 1e-9)
	if len(terms) <= exactFlips {
		hits := 0
		for pattern := range 1 << len(terms) {
			sum := 0.0
			for i, t := range terms {
				sum += t * float64(1-2*(pattern>>i&1))
			}
			if math.Abs(sum) >= least {
				hits++
			}
		}
		return float64(hits) / float64(int(1)<<len(terms))
	}
	hits := 1 // the pattern that was observed
	for range flips {
		sum := 0.0
		var bits uint64
		for i, t := range terms {
			if i%64 == 0 {
				bits = r.Uint64()
			}
			sum += t * float64(1-2*int(bits&1))
			bits >>= 1
		}
		if math.Abs(sum) >= least {
			hits++
		}
	}
	return float64(hits) / float64(flips+1)
}
