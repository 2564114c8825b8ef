package policy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/train/policy"
)

const qwen = `{"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], "vocab_size": 100, "hidden_size": 64,
	"intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
	"max_position_embeddings": 512, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "tie_word_embeddings": true,
	"torch_dtype": "bfloat16", "bos_token_id": 1, "eos_token_id": [2, 3], "initializer_range": 0.02}`

func TestAConfigIsTheSameAfterWritingAndReadingIt(t *testing.T) {
	for name, folder := range references(t) {
		c, err := policy.LoadConfig(folder)
		if err != nil {
			t.Fatal(err)
		}
		data, err := c.JSON(policy.F32)
		if err != nil {
			t.Fatal(err)
		}
		again, err := policy.ParseConfig(data)
		if err != nil {
			t.Fatalf("%s: %v in %s", name, err, data)
		}
		if diff := cmp.Diff(c, again); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestAConfigKeepsWhatItDoesNotCompute(t *testing.T) {
	c, err := policy.ParseConfig([]byte(qwen))
	if err != nil {
		t.Fatal(err)
	}
	want := policy.Config{
		Family: policy.Qwen2, Vocab: 100, Hidden: 64, Intermediate: 128, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 16,
		MaxPositions: 512, NormEpsilon: 1e-6, RopeTheta: 1e6, Tied: true, AttnBias: true,
		BOS: []int32{1}, EOS: []int32{2, 3}, Other: map[string]any{"initializer_range": 0.02},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
}

func TestAConfigThatCannotBeComputedSaysWhy(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{`"qwen2"`, `"mamba"`, `unknown model_type "mamba"`},
		{`Qwen2ForCausalLM`, `Qwen2ForSequenceClassification`, "unknown architecture"},
		{`"hidden_size": 64,`, ``, "hidden_size is missing"},
		{`"num_key_value_heads": 2`, `"num_key_value_heads": 3`, "not a multiple"},
		{`"hidden_size": 64`, `"hidden_size": -64`, "hidden_size is -64"},
		{`"num_attention_heads": 4`, `"num_attention_heads": 0`, "num_attention_heads is 0"},
		{`"num_hidden_layers": 2`, `"num_hidden_layers": 16000000`, "must be at most"},
		{`"rope_theta": 1000000.0`, `"rope_scaling": {"type": "yarn", "factor": 4}`, `unknown rope type "yarn"`},
		{`"rope_theta": 1000000.0`, `"rope_scaling": {"rope_type": "llama3", "factor": 4}`, "rope scaling needs"},
		{`"rope_theta": 1000000.0`, `"use_sliding_window": true`, "sliding-window"},
		{`"rope_theta": 1000000.0`, `"hidden_act": "gelu"`, "hidden_act"},
		{`"rope_theta": 1000000.0`, `"quantization_config": {"bits": 4}`, "quantized"},
		{`"vocab_size": 100`, `"vocab_size": "100"`, "vocab_size"},
		{`{`, `[`, "config.json"},
	} {
		_, err := policy.ParseConfig([]byte(strings.Replace(qwen, c.from, c.to, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s for %s: error %v, want %q", c.to, c.from, err, c.want)
		}
	}
}

func TestPresetsGrowAndAnUnknownOneNamesThem(t *testing.T) {
	last := int64(0)
	for _, name := range policy.Presets() {
		c := preset(t, name, 128)
		n := c.Parameters()
		if n <= last {
			t.Errorf("%s has %d parameters, and the one before %d", name, n, last)
		}
		last = n
	}
	if _, err := policy.Preset("giant", 128); err == nil || !strings.Contains(err.Error(), "nano, micro") {
		t.Errorf("error %v", err)
	}
}

func TestInitIsDeterministicAndHasTheAskedDeviation(t *testing.T) {
	c := preset(t, "nano", 512)
	w := policy.Init(c, policy.InitOptions{Seed: 7, EmbedStd: 0.3})
	if diff := cmp.Diff(w, policy.Init(c, policy.InitOptions{Seed: 7, EmbedStd: 0.3})); diff != "" {
		t.Error("the same seed draws other weights")
	}
	if cmp.Equal(w, policy.Init(c, policy.InitOptions{Seed: 8, EmbedStd: 0.3})) {
		t.Error("another seed draws the same weights")
	}
	for name, want := range map[string]float64{"model.embed_tokens.weight": 0.3, "model.layers.1.mlp.up_proj.weight": 0.02} {
		var sum float64
		for _, x := range w[name] {
			sum += float64(x) * float64(x)
		}
		if got := sum / float64(len(w[name])); got < want*want*0.95 || got > want*want*1.05 {
			t.Errorf("%s has variance %v, want %v", name, got, want*want)
		}
	}
}
