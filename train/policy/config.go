package policy

import (
	"errors"
	"fmt"
)

// A Family is a "model_type" of config.json: how its layers differ from the others'.
type Family string

const (
	Qwen2 Family = "qwen2" // also Qwen2.5: biases on query, key and value
	Qwen3 Family = "qwen3" // RMS norms on every query and key head
	Llama Family = "llama" // also Llama 3 with its scaled rope
)

// architectures are the class names that transformers and vLLM look a model up by.
var architectures = map[Family]string{
	Qwen2: "Qwen2ForCausalLM",
	Qwen3: "Qwen3ForCausalLM",
	Llama: "LlamaForCausalLM",
}

// A Config is the shape of a policy: what config.json says, by the words of config.json.
type Config struct {
	Family       Family
	Vocab        int     // rows of the embedding; at least the tokenizer's ids
	Hidden       int     // width of the residual stream
	Intermediate int     // width of the feed-forward layer
	Layers       int     // decoder layers
	Heads        int     // query heads
	KVHeads      int     // key and value heads; divides Heads
	HeadDim      int     // width of one head, even; Heads x HeadDim need not be Hidden
	MaxPositions int     // positions the rope was trained for
	NormEpsilon  float64 // of every RMS norm
	RopeTheta    float64
	RopeScaling  *RopeScaling // nil: none
	Tied         bool         // the output head is the embedding
	AttnBias     bool         // query, key, value; with Llama the attention output too
	MLPBias      bool         // Llama: gate, up and down
	BOS, EOS     []int32      // token ids; empty where the model names none

	// Other holds the keys of config.json that do not change what is computed, as they were
	// read, so that a saved folder still has them.
	Other map[string]any
}

// RopeScaling is Llama 3's way to stretch a rope (transformers' rope_type "llama3"): low
// frequencies are divided by Factor, high ones kept, those between blended.
type RopeScaling struct {
	Factor, LowFreqFactor, HighFreqFactor float64
	OriginalMaxPositions                  int
}

// QKNorm says whether every query and key head has an RMS norm of its own.
func (c *Config) QKNorm() bool { return c.Family == Qwen3 }

// outputBias says whether the attention's output projection has a bias.
func (c *Config) outputBias() bool { return c.AttnBias && c.Family != Qwen2 }

// Validate finds the first thing in the shape that no policy can have.
func (c *Config) Validate() error {
	if _, ok := architectures[c.Family]; !ok {
		return fmt.Errorf("unknown model_type %q; known are qwen2, qwen3 and llama", c.Family)
	}
	for _, f := range []struct {
		name  string
		value int
	}{
		{"vocab_size", c.Vocab},
		{"hidden_size", c.Hidden},
		{"intermediate_size", c.Intermediate},
		{"num_hidden_layers", c.Layers},
		{"num_attention_heads", c.Heads},
		{"num_key_value_heads", c.KVHeads},
		{"head_dim", c.HeadDim},
		{"max_position_embeddings", c.MaxPositions},
	} {
		if f.value < 1 || f.value > maxDim {
			return fmt.Errorf("%s is %d, and must be between 1 and %d", f.name, f.value, maxDim)
		}
	}
	switch {
	case c.Layers > maxLayers:
		return fmt.Errorf("num_hidden_layers is %d, and must be at most %d", c.Layers, maxLayers)
	case c.Heads > maxDim/c.HeadDim:
		return fmt.Errorf("%d heads of %d are wider than %d", c.Heads, c.HeadDim, maxDim)
	case c.Heads%c.KVHeads != 0:
		return fmt.Errorf("num_attention_heads %d is not a multiple of num_key_value_heads %d", c.Heads, c.KVHeads)
	case c.HeadDim%2 != 0:
		return fmt.Errorf("head_dim is %d: rope needs an even one", c.HeadDim)
	case !(c.NormEpsilon > 0):
		return fmt.Errorf("rms_norm_eps is %v, and must be positive", c.NormEpsilon)
	case !(c.RopeTheta > 0):
		return fmt.Errorf("rope_theta is %v, and must be positive", c.RopeTheta)
	}
	return c.RopeScaling.validate()
}

// maxDim and maxLayers bound what a file may claim, so that no size overflows and nothing
// large is built before the tensors are seen.
const (
	maxDim    = 1 << 24
	maxLayers = 1 << 12
)

func (r *RopeScaling) validate() error {
	switch {
	case r == nil:
		return nil
	case !(r.Factor >= 1), !(r.LowFreqFactor > 0), !(r.HighFreqFactor > r.LowFreqFactor), r.OriginalMaxPositions < 1:
		return errors.New("rope scaling needs factor >= 1, 0 < low_freq_factor < high_freq_factor and original_max_position_embeddings >= 1")
	}
	return nil
}

// Parameters is the number of weights.
func (c *Config) Parameters() int64 {
	var n int64
	for _, s := range c.Specs() {
		n += int64(s.Size())
	}
	return n
}
