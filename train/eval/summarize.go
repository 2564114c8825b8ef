package eval

import (
	"maps"
	"math"
	"slices"
)

// A Benchmark is the result on the samples of one data_source.
type Benchmark struct {
	Name string `json:"name"`

	Avg  Estimate   `json:"avg_at_n"` // mean of the samples' mean rewards
	Pass []PassRate `json:"pass_at_k"`

	Samples   int64 `json:"samples"`   // chosen
	Scored    int64 `json:"scored"`    // with at least one known reward
	Refused   int64 `json:"refused"`   // samples that were not asked, for a reason
	Responses int64 `json:"responses"` //
	Missing   int64 `json:"missing"`   // responses of samples that were not refused and are not there
	Null      int64 `json:"null"`      // responses without a reward; left out of all rates
	JudgeOnly int64 `json:"judge_only"`
	Overlong  int64 `json:"overlong"`  // responses that met their limit
	Truncated int64 `json:"truncated"` // responses to a context that was cut

	Lengths Lengths `json:"response_length"`
}

// A PassRate is pass@k.
type PassRate struct {
	K int `json:"k"`
	Estimate
}

// PassAt returns pass@k, unknown where it is not among those reported.
func (b *Benchmark) PassAt(k int) Estimate {
	for _, p := range b.Pass {
		if p.K == k {
			return p.Estimate
		}
	}
	return noEstimate
}

// Share returns a count as a share of the responses; NaN without any.
func (b *Benchmark) Share(n int64) Value { return Value(float64(n) / float64(b.Responses)) }

// Average is the name of the macro average: every benchmark counts alike.
const Average = "average"

// A Result is what groups of responses say.
type Result struct {
	N          int         `json:"n"`          // responses to a sample
	Benchmarks []Benchmark `json:"benchmarks"` // by name
	Average    Benchmark   `json:"average"`    // rates: the mean of the benchmarks'; counts: sums
}

// Summarize estimates every rate with its interval. Samples of a group are drawn again as a
// whole: their responses are not independent. n is the largest k of pass@k.
func Summarize(groups []*Group, n int, seed uint64) Result {
	byName := map[string][]*Group{}
	for _, g := range groups {
		byName[g.Benchmark] = append(byName[g.Benchmark], g)
	}
	res := Result{N: n, Benchmarks: []Benchmark{}}
	ks := Ks(n)
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		b := summarize(name, sorted(byName[name]), ks, seed)
		b.count(byName[name])
		res.Benchmarks = append(res.Benchmarks, b)
	}
	res.Average = macro(res.Benchmarks, ks)
	res.Average.count(groups)
	return res
}

// summarize estimates the rates of one benchmark. All its rates see the same draws.
func summarize(name string, groups []*Group, ks []int, seed uint64) Benchmark {
	of := func(rate func(*Group) float64) Estimate {
		var values []float64
		for _, g := range groups {
			if v := rate(g); !math.IsNaN(v) {
				values = append(values, v)
			}
		}
		return estimate(newRandom(seed, name), values)
	}
	b := Benchmark{Name: name, Avg: of((*Group).Mean)}
	for _, k := range ks {
		b.Pass = append(b.Pass, PassRate{k, of(func(g *Group) float64 { return PassAtK(g.Known, g.Right, k) })})
	}
	return b
}

// macro averages the benchmarks. The distances to the ends of their intervals add up in squares,
// as those of independent estimates do (MOVER: Zou and Donner, Statistics in Medicine 27, 2008).
// The average is unknown where one of them is: over fewer benchmarks it is another number.
func macro(benchmarks []Benchmark, ks []int) Benchmark {
	of := func(get func(*Benchmark) Estimate) Estimate {
		if len(benchmarks) == 0 {
			return noEstimate
		}
		var e Estimate
		var below, above float64
		for i := range benchmarks {
			one := get(&benchmarks[i])
			if !one.Mean.Known() {
				return noEstimate
			}
			e.Mean, e.Samples = e.Mean+one.Mean, e.Samples+one.Samples
			below = math.Hypot(below, float64(one.Mean-one.Lower))
			above = math.Hypot(above, float64(one.Upper-one.Mean))
		}
		m := Value(len(benchmarks))
		e.Mean /= m
		e.Lower, e.Upper = e.Mean-Value(below)/m, e.Mean+Value(above)/m
		return e
	}
	avg := Benchmark{Name: Average, Avg: of(func(b *Benchmark) Estimate { return b.Avg })}
	for i, k := range ks {
		avg.Pass = append(avg.Pass, PassRate{k, of(func(b *Benchmark) Estimate { return b.Pass[i].Estimate })})
	}
	return avg
}

// count fills in what is counted.
func (b *Benchmark) count(groups []*Group) {
	for _, g := range groups {
		b.Samples++
		if g.Refused != "" {
			b.Refused++
		}
		b.Missing += int64(g.Missing)
		if g.Known > 0 {
			b.Scored++
		}
		b.Responses += int64(g.Responses)
		b.Null += int64(g.Responses - g.Known)
		b.JudgeOnly += int64(g.JudgeOnly)
		b.Overlong += int64(g.Overlong)
		b.Truncated += int64(g.Truncated)
	}
	b.Lengths = lengthsOf(groups)
}
