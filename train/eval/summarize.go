package eval

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
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
	N          int         `json:"n"`          // responses asked for each sample
	Benchmarks []Benchmark `json:"benchmarks"` // by name
	Average    Benchmark   `json:"average"`    // rates: the mean of the benchmarks'; counts: sums
}

// Summarize estimates every rate with its interval. Samples of a group are drawn again as a
// whole: their responses are not independent. n is the number of responses asked for each sample.
func Summarize(groups []*Group, n int, seed uint64) Result {
	byName := map[string][]*Group{}
	for _, g := range groups {
		byName[g.Benchmark] = append(byName[g.Benchmark], g)
	}
	res := Result{N: n, Benchmarks: []Benchmark{}}
	ks := Ks(n)
	var parts []replicated
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		of := byName[name]
		slices.SortFunc(of, func(a, b *Group) int { return cmp.Compare(a.SampleID, b.SampleID) })
		b, part := summarize(name, of, ks, seed)
		b.count(of, n)
		res.Benchmarks = append(res.Benchmarks, b)
		parts = append(parts, part)
	}
	res.Average = macro(res.Benchmarks, parts, ks)
	res.Average.count(groups, n)
	return res
}

// A replicated holds the replicates of a benchmark's rates: [0] avg@n, then each k; nil where
// no sample has the rate.
type replicated [][]float64

// summarize estimates the rates of one benchmark.
func summarize(name string, groups []*Group, ks []int, seed uint64) (Benchmark, replicated) {
	b := Benchmark{Name: name, Avg: noEstimate}
	part := make(replicated, 1+len(ks))
	fill := func(column int, label string, rate func(*Group) float64) Estimate {
		var values []float64
		for _, g := range groups {
			if v := rate(g); !math.IsNaN(v) {
				values = append(values, v)
			}
		}
		if len(values) == 0 {
			return noEstimate
		}
		part[column] = replicate(newRandom(seed, name+"/"+label), values)
		return estimate(values, part[column])
	}
	b.Avg = fill(0, "avg", (*Group).Mean)
	for i, k := range ks {
		rate := func(g *Group) float64 { return PassAtK(g.Known, g.Right, k) }
		b.Pass = append(b.Pass, PassRate{k, fill(1+i, "pass@"+strconv.Itoa(k), rate)})
	}
	return b, part
}

// macro averages the benchmarks; its interval is that of the average of their replicates. It is
// unknown where one of them is: an average over fewer benchmarks is another number.
func macro(benchmarks []Benchmark, parts []replicated, ks []int) Benchmark {
	avg := Benchmark{Name: Average, Avg: noEstimate}
	of := func(column int, get func(*Benchmark) Estimate) Estimate {
		if len(benchmarks) == 0 {
			return noEstimate
		}
		var e Estimate
		sum := make([]float64, Replicates)
		for i := range benchmarks {
			one := get(&benchmarks[i])
			if !one.Mean.Known() {
				return noEstimate
			}
			m := Value(len(benchmarks))
			e.Mean, e.Lower, e.Upper, e.Samples = e.Mean+one.Mean/m, e.Lower+one.Lower/m, e.Upper+one.Upper/m, e.Samples+one.Samples
			for r, v := range parts[i][column] {
				sum[r] += v / float64(m)
			}
		}
		if len(benchmarks) > 1 && !alike(sum) {
			e.Lower, e.Upper = percentiles(sum)
		}
		return e
	}
	avg.Avg = of(0, func(b *Benchmark) Estimate { return b.Avg })
	for i, k := range ks {
		avg.Pass = append(avg.Pass, PassRate{k, of(1+i, func(b *Benchmark) Estimate { return b.Pass[i].Estimate })})
	}
	return avg
}

// count fills in what is counted.
func (b *Benchmark) count(groups []*Group, n int) {
	for _, g := range groups {
		b.Samples++
		if g.Refused != "" {
			b.Refused++
		} else {
			b.Missing += int64(max(n-g.Responses, 0))
		}
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
