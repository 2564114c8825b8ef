package decode_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/longctx/pipeline/train/policy/decode"
)

// BenchmarkGenerate is 8 prompts of 64 tokens with 8 responses of 64 tokens each.
func BenchmarkGenerate(b *testing.B) {
	for _, preset := range []string{"nano", "micro", "tiny", "small"} {
		b.Run(preset, func(b *testing.B) { benchmarkGenerate(b, preset, 8, 64, 64) })
	}
	b.Run(fmt.Sprintf("nano/prompt=%d", 1024), func(b *testing.B) { benchmarkGenerate(b, "nano", 8, 1024, 64) })
}

func benchmarkGenerate(b *testing.B, preset string, group, prompt, response int) {
	c, _, d := fresh(b, preset, 128)
	var prompts []decode.Prompt
	for i := range 8 {
		p := decode.Prompt{Seed: uint64(i)}
		for j := range prompt {
			p.Tokens = append(p.Tokens, int32((i+j*j)%c.Vocab))
		}
		prompts = append(prompts, p)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Generate(context.Background(), prompts, decode.Options{Group: group, MaxNew: response, Temperature: 1}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(prompts)*group*response*b.N)/b.Elapsed().Seconds(), "tokens/s")
}
