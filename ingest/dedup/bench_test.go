package dedup

import (
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

func BenchmarkHash(b *testing.B) {
	text := strings.Repeat("The adjective noun waited quietly, and in 2019 the revenue was 1,234. ", 8000)
	var words []uint64
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		words = Hash(words[:0], text)
	}
}

func BenchmarkSign(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	words := make([]uint64, 100_000)
	for i := range words {
		words[i] = mix(uint64(r.IntN(20_000)))
	}
	for b.Loop() {
		Sign(words)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(words)), "ns/word")
}

func BenchmarkFind(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	g := NewGrams(13)
	words := make([]uint64, 1_000_000)
	for i := range words {
		words[i] = r.Uint64()
	}
	for i := range 10_000 {
		g.Add(words[i*20:i*20+20], i, 1)
	}
	g.Seal()
	for i := range words {
		words[i] = r.Uint64()
	}
	for b.Loop() {
		g.Find(words)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(words)), "ns/word")
}

// One million documents, a tenth of them near copies: run with -benchtime 1x.
func BenchmarkIndex(b *testing.B) {
	const texts = 1_000_000
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		x, err := NewIndex(0.8, texts)
		if err != nil {
			b.Fatal(err)
		}
		r := rand.New(rand.NewPCG(1, 1))
		var s Signature
		near := 0
		for i := range texts {
			if i%10 != 9 {
				for j := range s {
					s[j] = r.Uint64()
				}
			} else {
				for range 10 { // 10 of 128 bins differ
					s[r.IntN(len(s))] ^= 0xff << (8 * r.IntN(8))
				}
			}
			if _, _, found := x.Add(&s, 0); found {
				near++
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(x.Len()), "B/text")
		b.ReportMetric(float64(near)/(texts/10), "found")
		runtime.KeepAlive(x)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*texts), "ns/text")
}
