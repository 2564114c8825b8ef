package reward

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkScore scores responses as policies write them: some kilobytes of reasoning, then the
// answer. Run it with -cpu 1,2 for the rate per core and of two.
func BenchmarkScore(b *testing.B) {
	thought := strings.Repeat("The table in section 4 gives revenue of $1,234.5 million for 2019, so let me check whether the answer is consistent with it. ", 64)
	for _, c := range []struct{ name, source, end, reference string }{
		{"text", "musique", "Both facts are in the text. Therefore, the answer is the city of Paris.", "Paris"},
		{"text wrong", "musique", "Both facts are in the text. Therefore, the answer is London.", "Paris"},
		{"number", "docmath", "Adding both gives $1,234.5. Therefore, the answer is 1,234.5.", "1234.5"},
		{"choice", "long_toc_choices", "The correct answer is (B).", "B"},
		{"math", "qwen25math", `So the value is \(\boxed{\frac{3}{4}}\).`, `\frac{3}{4}`},
	} {
		for _, size := range []int{1 << 10, 4 << 10} {
			for _, think := range []string{"", "</think>\n\n"} {
				r := Request{DataSource: c.source, Response: thought[:size] + think + c.end, References: []string{c.reference}}
				b.Run(fmt.Sprintf("%s/%dKiB/think=%t", c.name, size>>10, think != ""), func(b *testing.B) {
					benchmark(b, scorer(b, Options{}), r)
				})
			}
		}
	}
	r := Request{DataSource: "musique", Response: thought[:4<<10] + "</think>Therefore, the answer is the city of Paris.", References: []string{"Paris"}}
	b.Run("qwenlong-l1/4KiB", func(b *testing.B) { benchmark(b, scorer(b, Options{Scorer: QwenLongL1}), r) })
}

func benchmark(b *testing.B, s *Scorer, r Request) {
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s.Score(r)
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "scores/s")
}
