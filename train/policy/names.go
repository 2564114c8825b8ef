package policy

import "fmt"

// A Spec is one tensor that a policy has.
type Spec struct {
	Name  string // Example: "model.layers.0.self_attn.q_proj.weight"
	Shape []int  // linear layers: [out, in]
}

// Size is the number of its values.
func (s Spec) Size() int {
	n := 1
	for _, d := range s.Shape {
		n *= d
	}
	return n
}

const (
	embedName = "model.embed_tokens.weight"
	normName  = "model.norm.weight"
	headName  = "lm_head.weight"
)

// headWeight is the tensor that makes logits.
func (c *Config) headWeight() string {
	if c.Tied {
		return embedName
	}
	return headName
}

// LayerTensor is the name of a part of a layer. Example: (0, "self_attn.q_proj.weight").
func LayerTensor(layer int, part string) string {
	return fmt.Sprintf("model.layers.%d.%s", layer, part)
}

// Specs are the policy's tensors, in the order in which graphs take them and files hold them.
func (c *Config) Specs() []Spec {
	specs := []Spec{{embedName, []int{c.Vocab, c.Hidden}}}
	for l := range c.Layers {
		specs = c.layerSpecs(specs, l)
	}
	specs = append(specs, Spec{normName, []int{c.Hidden}})
	if !c.Tied {
		specs = append(specs, Spec{headName, []int{c.Vocab, c.Hidden}})
	}
	return specs
}

func (c *Config) layerSpecs(specs []Spec, layer int) []Spec {
	add := func(part string, shape ...int) {
		specs = append(specs, Spec{LayerTensor(layer, part), shape})
	}
	linear := func(part string, out, in int, bias bool) {
		add(part+".weight", out, in)
		if bias {
			add(part+".bias", out)
		}
	}
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	add("input_layernorm.weight", c.Hidden)
	linear("self_attn.q_proj", q, c.Hidden, c.AttnBias)
	linear("self_attn.k_proj", kv, c.Hidden, c.AttnBias)
	linear("self_attn.v_proj", kv, c.Hidden, c.AttnBias)
	linear("self_attn.o_proj", c.Hidden, q, c.outputBias())
	if c.QKNorm() {
		add("self_attn.q_norm.weight", c.HeadDim)
		add("self_attn.k_norm.weight", c.HeadDim)
	}
	add("post_attention_layernorm.weight", c.Hidden)
	linear("mlp.gate_proj", c.Intermediate, c.Hidden, c.MLPBias)
	linear("mlp.up_proj", c.Intermediate, c.Hidden, c.MLPBias)
	linear("mlp.down_proj", c.Hidden, c.Intermediate, c.MLPBias)
	return specs
}
