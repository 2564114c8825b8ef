package policy

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"
)

// Weights are a policy's tensors by name: values in row-major order, shapes as Config.Specs says.
type Weights map[string][]float32

// InitOptions say how fresh weights are drawn.
type InitOptions struct {
	Seed     uint64
	Std      float64 // of linear layers; 0: 0.02
	EmbedStd float64 // of the embedding and an untied head; 0: Std. In-context lookup in small policies forms with 0.3 and not with 0.1
}

// Init draws fresh weights: linear layers and embeddings normal, norms 1, biases 0. Each tensor
// has its own stream, so that the draw of one does not depend on the others.
func Init(c Config, o InitOptions) Weights {
	if o.Std == 0 {
		o.Std = 0.02
	}
	if o.EmbedStd == 0 {
		o.EmbedStd = o.Std
	}
	w := Weights{}
	for i, s := range c.Specs() {
		values := make([]float32, s.Size())
		switch {
		case strings.HasSuffix(s.Name, ".bias"):
		case len(s.Shape) == 1:
			fill(values, 1)
		default:
			std := o.Std
			if s.Name == embedName || s.Name == headName {
				std = o.EmbedStd
			}
			draw(values, std, rand.New(rand.NewPCG(o.Seed, uint64(i))))
		}
		w[s.Name] = values
	}
	return w
}

func fill(values []float32, x float32) {
	for i := range values {
		values[i] = x
	}
}

func draw(values []float32, std float64, rng *rand.Rand) {
	for i := range values {
		values[i] = float32(rng.NormFloat64() * std)
	}
}

// Check tells the first tensor that is missing, extra, or of the wrong size.
func (w Weights) Check(c Config) error {
	specs := c.Specs()
	for _, s := range specs {
		values, ok := w[s.Name]
		switch {
		case !ok:
			return fmt.Errorf("tensor %q is missing", s.Name)
		case len(values) != s.Size():
			return fmt.Errorf("tensor %q has %d values, and its shape %v needs %d", s.Name, len(values), s.Shape, s.Size())
		}
	}
	for name := range w {
		if !slices.ContainsFunc(specs, func(s Spec) bool { return s.Name == name }) {
			return fmt.Errorf("tensor %q belongs to no part of a %s policy with %d layers", name, c.Family, c.Layers)
		}
	}
	return nil
}

// Clone is a deep copy.
func (w Weights) Clone() Weights {
	out := make(Weights, len(w))
	for name, values := range w {
		out[name] = slices.Clone(values)
	}
	return out
}

// Tensors are the weights as GoMLX tensors in the order of Config.Specs, copied.
func (w Weights) Tensors(c Config) ([]*tensors.Tensor, error) {
	if err := w.Check(c); err != nil {
		return nil, err
	}
	var out []*tensors.Tensor
	for _, s := range c.Specs() {
		out = append(out, tensors.FromFlatDataAndDimensions(w[s.Name], s.Shape...))
	}
	return out, nil
}

// FromTensors is the way back: tensors in the order of Config.Specs, copied.
func FromTensors(c Config, values []*tensors.Tensor) (Weights, error) {
	specs := c.Specs()
	if len(values) != len(specs) {
		return nil, fmt.Errorf("%d tensors, and a policy of this shape has %d", len(values), len(specs))
	}
	w := Weights{}
	for i, s := range specs {
		flat, err := tensors.CopyFlatData[float32](values[i])
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", s.Name, err)
		}
		w[s.Name] = flat
	}
	return w, w.Check(c)
}

// Finite tells the first tensor that holds a NaN or an infinity.
func (w Weights) Finite(c Config) error {
	for _, s := range c.Specs() {
		for i, x := range w[s.Name] {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				return fmt.Errorf("tensor %q holds %v at %d", s.Name, x, i)
			}
		}
	}
	return nil
}
