package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// configJSON is what decides the computation in a config.json. transformers 4 writes rope_theta
// and rope_scaling, transformers 5 writes rope_parameters; both read both.
type configJSON struct {
	Family       Family    `json:"model_type"`
	Architecture []string  `json:"architectures"`
	Vocab        *int      `json:"vocab_size"`
	Hidden       *int      `json:"hidden_size"`
	Intermediate *int      `json:"intermediate_size"`
	Layers       *int      `json:"num_hidden_layers"`
	Heads        *int      `json:"num_attention_heads"`
	MaxPositions *int      `json:"max_position_embeddings"`
	KVHeads      *int      `json:"num_key_value_heads"`
	HeadDim      *int      `json:"head_dim"`
	NormEpsilon  *float64  `json:"rms_norm_eps"`
	RopeTheta    *float64  `json:"rope_theta"`
	RopeScaling  *ropeJSON `json:"rope_scaling"`
	Rope         *ropeJSON `json:"rope_parameters"`
	Tied         bool      `json:"tie_word_embeddings"`
	AttnBias     bool      `json:"attention_bias"`
	MLPBias      bool      `json:"mlp_bias"`
	BOS          tokenIDs  `json:"bos_token_id"`
	EOS          tokenIDs  `json:"eos_token_id"`

	Activation    string          `json:"hidden_act"`
	SlidingWindow bool            `json:"use_sliding_window"`
	LayerTypes    []string        `json:"layer_types"`
	Quantization  json.RawMessage `json:"quantization_config"`
}

type ropeJSON struct {
	Theta        *float64 `json:"rope_theta,omitempty"`
	Type         string   `json:"rope_type,omitempty"`
	OldType      string   `json:"type,omitempty"`
	Factor       float64  `json:"factor,omitempty"`
	LowFreq      float64  `json:"low_freq_factor,omitempty"`
	HighFreq     float64  `json:"high_freq_factor,omitempty"`
	MaxPositions int      `json:"original_max_position_embeddings,omitempty"`
	Partial      *float64 `json:"partial_rotary_factor,omitempty"`
}

// tokenIDs is null, one id, or a list of them.
type tokenIDs []int32

func (t *tokenIDs) UnmarshalJSON(b []byte) error {
	var one *int32
	if json.Unmarshal(b, &one) == nil {
		if *t = nil; one != nil {
			*t = tokenIDs{*one}
		}
		return nil
	}
	return json.Unmarshal(b, (*[]int32)(t))
}

// ParseConfig reads a config.json.
func ParseConfig(data []byte) (Config, error) {
	var j configJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return Config{}, fmt.Errorf("config.json: %w", err)
	}
	c, err := j.config()
	if err != nil {
		return Config{}, fmt.Errorf("config.json: %w", err)
	}
	var all map[string]any
	if err := json.Unmarshal(data, &all); err != nil {
		return Config{}, fmt.Errorf("config.json: %w", err)
	}
	c.Other = all
	for _, key := range slices.Concat(slices.Collect(maps.Keys(c.fields())), []string{
		"rope_theta", "rope_scaling", "rope_parameters", "torch_dtype", "dtype", "layer_types", "head_dim",
	}) {
		delete(c.Other, key)
	}
	return c, nil
}

// unsupported tells what in a config.json the package would compute otherwise.
func (j *configJSON) unsupported() error {
	class, known := architectures[j.Family]
	switch {
	case !known:
		return fmt.Errorf("unknown model_type %q; known are qwen2, qwen3 and llama", j.Family)
	case len(j.Architecture) > 0 && !slices.Contains(j.Architecture, class):
		return fmt.Errorf("unknown architecture %q; a %s policy is a %s", j.Architecture, j.Family, class)
	case j.Activation != "" && j.Activation != "silu":
		return fmt.Errorf("hidden_act %q is not supported, only silu", j.Activation)
	case j.SlidingWindow || slices.ContainsFunc(j.LayerTypes, func(t string) bool { return t != "full_attention" }):
		return errors.New("sliding-window attention is not supported")
	case len(j.Quantization) > 0 && string(j.Quantization) != "null":
		return errors.New("quantized weights are not supported")
	}
	return nil
}

func (j *configJSON) config() (Config, error) {
	if err := j.unsupported(); err != nil {
		return Config{}, err
	}
	c := Config{
		Family: j.Family, Tied: j.Tied, AttnBias: j.AttnBias || j.Family == Qwen2, MLPBias: j.MLPBias && j.Family == Llama,
		NormEpsilon: 1e-6, RopeTheta: 10000, BOS: j.BOS, EOS: j.EOS,
	}
	for _, f := range []struct {
		key  string
		from *int
		to   *int
	}{
		{"vocab_size", j.Vocab, &c.Vocab},
		{"hidden_size", j.Hidden, &c.Hidden},
		{"intermediate_size", j.Intermediate, &c.Intermediate},
		{"num_hidden_layers", j.Layers, &c.Layers},
		{"num_attention_heads", j.Heads, &c.Heads},
		{"max_position_embeddings", j.MaxPositions, &c.MaxPositions},
	} {
		if f.from == nil {
			return Config{}, fmt.Errorf("%s is missing", f.key)
		}
		*f.to = *f.from
	}
	if c.Heads < 1 {
		return Config{}, c.Validate()
	}
	c.KVHeads, c.HeadDim = c.Heads, c.Hidden/c.Heads
	if c.Family == Qwen3 {
		c.HeadDim = 128
	}
	set(&c.KVHeads, j.KVHeads)
	set(&c.HeadDim, j.HeadDim)
	set(&c.NormEpsilon, j.NormEpsilon)
	set(&c.RopeTheta, j.RopeTheta)
	for _, r := range []*ropeJSON{j.RopeScaling, j.Rope} {
		if err := r.into(&c); err != nil {
			return Config{}, err
		}
	}
	return c, c.Validate()
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func (r *ropeJSON) into(c *Config) error {
	if r == nil {
		return nil
	}
	set(&c.RopeTheta, r.Theta)
	if r.Partial != nil && *r.Partial != 1 {
		return errors.New("a partial rope is not supported")
	}
	kind := r.Type
	if kind == "" {
		kind = r.OldType
	}
	switch kind {
	case "", "default":
	case "llama3":
		c.RopeScaling = &RopeScaling{r.Factor, r.LowFreq, r.HighFreq, r.MaxPositions}
	default:
		return fmt.Errorf("unknown rope type %q; known are default and llama3", kind)
	}
	return nil
}

// fields are the keys that every written config.json has.
func (c *Config) fields() map[string]any {
	return map[string]any{
		"model_type":              c.Family,
		"architectures":           []string{architectures[c.Family]},
		"vocab_size":              c.Vocab,
		"hidden_size":             c.Hidden,
		"intermediate_size":       c.Intermediate,
		"num_hidden_layers":       c.Layers,
		"num_attention_heads":     c.Heads,
		"num_key_value_heads":     c.KVHeads,
		"max_position_embeddings": c.MaxPositions,
		"rms_norm_eps":            c.NormEpsilon,
		"tie_word_embeddings":     c.Tied,
		"attention_bias":          c.AttnBias,
		"mlp_bias":                c.MLPBias,
		"bos_token_id":            ids(c.BOS),
		"eos_token_id":            ids(c.EOS),
		"hidden_act":              "silu",
		"use_sliding_window":      false,
		"quantization_config":     nil,
	}
}

func ids(ids []int32) any {
	switch len(ids) {
	case 0:
		return nil
	case 1:
		return ids[0]
	}
	return ids
}

// JSON is the config.json of a folder whose weights have a dtype. The rope is written the way
// of transformers 4, which every reader still takes.
func (c *Config) JSON(dtype DType) ([]byte, error) {
	all := maps.Clone(c.Other)
	if all == nil {
		all = map[string]any{}
	}
	maps.Copy(all, c.fields())
	delete(all, "quantization_config")
	if c.Family == Qwen3 || c.HeadDim*c.Heads != c.Hidden {
		all["head_dim"] = c.HeadDim
	}
	all["torch_dtype"] = dtype.torch()
	all["rope_theta"] = c.RopeTheta
	if r := c.RopeScaling; r != nil {
		all["rope_scaling"] = ropeJSON{Type: "llama3", Factor: r.Factor, LowFreq: r.LowFreqFactor, HighFreq: r.HighFreqFactor, MaxPositions: r.OriginalMaxPositions}
	}
	data, err := json.MarshalIndent(all, "", "  ")
	return append(data, '\n'), err
}
