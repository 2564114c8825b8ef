package curriculum

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/longctx/pipeline/sample/history"
)

// What a random number is for: two uses of one sample in one epoch are independent.
const (
	saltDraw = iota + 1
	saltTie
	saltSkip
	saltTheta
)

// A Random gives the random numbers of one epoch. They depend on (seed, epoch, sample_id) and
// nothing else, so that the draw does not depend on the order of reading, and a sample keeps
// its luck when others come or go.
type Random struct{ seed uint64 }

func newRandom(seed uint64, epoch int32) Random {
	return Random{mix64(mix64(seed) + uint64(epoch))}
}

// bits returns 64 random bits for a sample and a use.
func (r Random) bits(id history.SampleID, salt uint64) uint64 {
	h := mix64(r.seed + salt*0x9e3779b97f4a7c15)
	h = mix64(h ^ binary.LittleEndian.Uint64(id[:8]))
	return mix64(h ^ binary.LittleEndian.Uint64(id[8:]))
}

// uniform returns a random number in (0, 1).
func (r Random) uniform(id history.SampleID, salt uint64) float64 {
	return (float64(r.bits(id, salt)>>11) + 0.5) / (1 << 53)
}

// race returns a key by which the samples with the smallest keys are a weighted draw without
// replacement: Efraimidis and Spirakis 2006, whose u^(1/w) descends as -log(u)/w ascends.
func (r Random) race(id history.SampleID, weight float64) float64 {
	return -math.Log(r.uniform(id, saltDraw)) / weight
}

// beta draws from Beta(a, b).
func (r Random) beta(id history.SampleID, a, b float64) float64 {
	rng := rand.New(rand.NewPCG(r.bits(id, saltTheta), r.bits(id, saltTheta+16)))
	x, y := gamma(rng, a), gamma(rng, b)
	if x+y == 0 {
		return 0.5
	}
	return x / (x + y)
}

// gamma draws from Gamma(shape, 1): Marsaglia and Tsang 2000.
func gamma(rng *rand.Rand, shape float64) float64 {
	if shape < 1 {
		return gamma(rng, shape+1) * math.Pow(1-rng.Float64(), 1/shape)
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := rng.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v *= v * v
		if u := 1 - rng.Float64(); math.Log(u) < 0.5*x*x+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

// mix64 is the finalizer of SplitMix64: every bit of the input moves every bit of the output.
func mix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// keyed is a candidate in the order of its key. Keys are not negative, so their bits sort as
// they do.
type keyed struct {
	key       uint64
	candidate int32
}

// sortKeyed sorts by key; equal keys by luck, then by sample id.
func sortKeyed(items []keyed, r Random, id func(candidate int32) history.SampleID) {
	radixSort(items)
	for from := 0; from < len(items); {
		to := from + 1
		for to < len(items) && items[to].key == items[from].key {
			to++
		}
		if to > from+1 {
			slices.SortFunc(items[from:to], func(a, b keyed) int {
				x, y := id(a.candidate), id(b.candidate)
				if p, q := r.bits(x, saltTie), r.bits(y, saltTie); p != q {
					if p < q {
						return -1
					}
					return 1
				}
				return bytes.Compare(x[:], y[:])
			})
		}
		from = to
	}
}

// radixSort sorts by key, 11 bits at a time, in time linear in the number of items.
func radixSort(items []keyed) {
	const digit, passes = 11, 6
	if len(items) < 2048 {
		slices.SortFunc(items, func(a, b keyed) int {
			if a.key < b.key {
				return -1
			}
			return min(1, int(min(a.key-b.key, 1)))
		})
		return
	}
	var counts [passes][1 << digit]int32
	for _, it := range items {
		for p := range passes {
			counts[p][it.key>>(p*digit)&(1<<digit-1)]++
		}
	}
	from, to := items, make([]keyed, len(items))
	for p := range passes {
		c := &counts[p]
		sum, single := int32(0), false
		for i, n := range c {
			single = single || int(n) == len(items)
			c[i] = sum
			sum += n
		}
		if single {
			continue
		}
		for _, it := range from {
			d := it.key >> (p * digit) & (1<<digit - 1)
			to[c[d]] = it
			c[d]++
		}
		from, to = to, from
	}
	if &from[0] != &items[0] {
		copy(items, from)
	}
}
