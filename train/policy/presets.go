package policy

import (
	"fmt"
	"slices"
	"strings"
)

// presets are the shapes for training from scratch: Qwen2's layers, tied embeddings.
var presets = []struct {
	name                                              string
	layers, hidden, heads, kvHeads, intermediate, ctx int
}{
	{"nano", 2, 64, 2, 2, 128, 4096},        // 0.1 M parameters: the demo
	{"micro", 3, 96, 3, 3, 192, 4096},       // 0.25 M
	{"tiny", 4, 128, 4, 4, 384, 8192},       // 0.9 M
	{"small", 6, 256, 8, 4, 688, 16384},     // 4.4 M
	{"medium", 8, 512, 8, 4, 1376, 32768},   // 23 M
	{"large", 24, 896, 14, 2, 4864, 131072}, // 358 M: the shape of Qwen2.5-0.5B without its vocabulary
}

// Presets are the names that Preset knows, from small to large.
func Presets() []string {
	var names []string
	for _, p := range presets {
		names = append(names, p.name)
	}
	return names
}

// Preset is a shape by name, for a vocabulary.
func Preset(name string, vocab int) (Config, error) {
	for _, p := range presets {
		if p.name != name {
			continue
		}
		c := Config{
			Family: Qwen2, Vocab: vocab, Hidden: p.hidden, Intermediate: p.intermediate, Layers: p.layers,
			Heads: p.heads, KVHeads: p.kvHeads, HeadDim: p.hidden / p.heads, MaxPositions: p.ctx,
			NormEpsilon: 1e-6, RopeTheta: 10000, Tied: true, AttnBias: true,
		}
		if p.ctx > 8192 {
			c.RopeTheta = 1000000
		}
		return c, c.Validate()
	}
	return Config{}, fmt.Errorf("unknown preset %q; known are %s", name, strings.Join(slices.Clone(Presets()), ", "))
}
