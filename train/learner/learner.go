package learner

import (
	"errors"
	"fmt"
	"math"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/longctx/pipeline/train/policy"
)

// Options are what does not change while a learner lives.
type Options struct {
	AdamW   AdamW
	Packing Packing
}

// A State is all that a learner changes; with it another goes on bit for bit.
type State struct {
	Step          int64 // updates done
	Weights       policy.Weights
	First, Second policy.Weights // AdamW's moments; nil: zero
}

// A Learner trains one policy. It is not safe for concurrent use.
type Learner struct {
	engine  *engine
	options Options
	step    int64
	values  []*tensors.Tensor // [3 * tensors]: parameters, first moments, second moments
	broken  error             // an update that failed half way: nothing can be done with the state
}

// New makes a learner from a state, which it copies.
func New(backend compute.Backend, c policy.Config, s State, o Options) (*Learner, error) {
	if err := errors.Join(c.Validate(), o.AdamW.Validate()); err != nil {
		return nil, err
	}
	if o.Packing.MicroTokens < 1 {
		return nil, fmt.Errorf("a micro-batch of %d tokens", o.Packing.MicroTokens)
	}
	l := &Learner{engine: newEngine(backend, c, o.AdamW), options: o, step: s.Step}
	for i, w := range []policy.Weights{s.Weights, s.First, s.Second} {
		if w == nil && i > 0 {
			w = zeros(c)
		}
		values, err := w.Tensors(c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", [...]string{"weights", "first moments", "second moments"}[i], err)
		}
		l.values = append(l.values, values...)
	}
	return l, nil
}

func zeros(c policy.Config) policy.Weights {
	w := policy.Weights{}
	for _, s := range c.Specs() {
		w[s.Name] = make([]float32, s.Size())
	}
	return w
}

// Config is the shape of the policy.
func (l *Learner) Config() policy.Config { return l.engine.config }

// Step is the number of updates done.
func (l *Learner) Step() int64 { return l.step }

// Weights returns a copy of the parameters.
func (l *Learner) Weights() (policy.Weights, error) { return l.copyOf(0) }

// State returns a copy of all that a learner changes.
func (l *Learner) State() (State, error) {
	s := State{Step: l.step}
	var err error
	for i, w := range []*policy.Weights{&s.Weights, &s.First, &s.Second} {
		if *w, err = l.copyOf(i); err != nil {
			return State{}, err
		}
	}
	return s, nil
}

func (l *Learner) copyOf(part int) (policy.Weights, error) {
	if l.broken != nil {
		return nil, l.broken
	}
	n := l.engine.tensors
	return policy.FromTensors(l.engine.config, l.values[part*n:(part+1)*n])
}

func (l *Learner) params() []*tensors.Tensor { return l.values[:l.engine.tensors] }

// ErrNotFinite says that a loss or a gradient is NaN or infinite. The state is as it was.
var ErrNotFinite = errors.New("not a finite number")

// Stats are what one update measured. Means are per predicted token.
type Stats struct {
	Loss         float64
	GradientNorm float64 // before clipping
	Entropy      float64 // nats; RL
	KL           float64 // k3 to the reference; RL
	Drift        float64 // k3 to the policy that wrote the responses; RL
	ClipShare    float64 // RL
	Accuracy     float64 // share of tokens that are the most likely; SFT

	Predicted int // tokens with loss
	Tokens    int // without padding
	Padded    int // with padding
	Micro     int // micro-batches
}

// Update does one optimizer step on trees: the loss is a mean over all of them, whatever the
// micro-batches. Trees without a predicted token, or no trees at all, are an error.
func (l *Learner) Update(trees []Tree, o Objective, rate float64) (Stats, error) {
	if l.broken != nil {
		return Stats{}, l.broken
	}
	onPolicy, err := l.check(trees, o)
	if err != nil {
		return Stats{}, fmt.Errorf("update %d: %w", l.step, err)
	}
	stats, gradients, err := l.gradients(trees, o, onPolicy)
	defer release(gradients)
	if err != nil {
		return stats, fmt.Errorf("update %d: %w", l.step, err)
	}
	if err := l.apply(gradients, rate, stats.GradientNorm); err != nil {
		return stats, fmt.Errorf("update %d: %w", l.step, err)
	}
	return stats, nil
}

// check refuses trees that cannot be trained on, and tells whether the ratio is 1 by definition.
func (l *Learner) check(trees []Tree, o Objective) (onPolicy bool, err error) {
	if err := o.Validate(); err != nil {
		return false, err
	}
	predicted, branches, old, reference := 0, 0, 0, 0
	for i := range trees {
		if err := trees[i].check(l.engine.config.Vocab); err != nil {
			return false, fmt.Errorf("tree %d: %w", i, err)
		}
		predicted += trees[i].Slots()
		for _, b := range trees[i].Branches {
			if len(b.Response()) == 0 {
				continue
			}
			branches++
			if b.Logprobs != nil {
				old++
			}
			if b.Reference != nil {
				reference++
			}
		}
	}
	switch {
	case predicted == 0:
		return false, errors.New("no token is to be predicted")
	case old != 0 && old != branches:
		return false, fmt.Errorf("%d of %d responses have logprobs: give all or none", old, branches)
	case o.Kind == RL && o.KL > 0 && reference != branches:
		return false, fmt.Errorf("%d of %d responses have reference logprobs, and the KL term needs all", reference, branches)
	}
	return old == 0, nil
}

// gradients returns the summed gradients of all micro-batches, and refuses those that are not
// finite.
func (l *Learner) gradients(trees []Tree, o Objective, onPolicy bool) (Stats, []*tensors.Tensor, error) {
	weigh := o.weigher(trees)
	var total [sums]float64
	var gradients []*tensors.Tensor
	stats := Stats{}
	for _, m := range pack(trees, l.options.Packing) {
		a := layOut(trees, m, weigh)
		part, g, err := l.engine.loss(l.params(), a, o, onPolicy)
		if err == nil {
			gradients, err = l.engine.add(gradients, g)
		}
		if err != nil {
			return stats, gradients, err
		}
		for i := range total {
			total[i] += part[i]
		}
		stats.Micro++
		stats.Tokens += a.tokens
		stats.Padded += a.shape.Rows * a.shape.Length
	}
	squares, err := l.engine.squares(gradients)
	if err != nil {
		return stats, gradients, err
	}
	stats.fill(total, math.Sqrt(squares))
	for _, x := range []struct {
		name  string
		value float64
	}{{"loss", stats.Loss}, {"gradient norm", stats.GradientNorm}} {
		if math.IsNaN(x.value) || math.IsInf(x.value, 0) {
			return stats, gradients, fmt.Errorf("%s is %v: %w", x.name, x.value, ErrNotFinite)
		}
	}
	return stats, gradients, nil
}

func (s *Stats) fill(total [sums]float64, norm float64) {
	n := total[sumTokens]
	s.Loss, s.GradientNorm, s.Predicted = total[sumLoss], norm, int(n)
	s.Entropy, s.KL, s.Drift = total[sumEntropy]/n, total[sumKL]/n, total[sumDrift]/n
	s.ClipShare, s.Accuracy = total[sumClip]/n, total[sumCorrect]/n
}

// apply moves parameters and moments. They are donated, so a failure within leaves no state.
func (l *Learner) apply(gradients []*tensors.Tensor, rate, norm float64) error {
	args, err := l.engine.donate(nil, l.values)
	if err == nil {
		args = lend(args, gradients)
		for _, x := range l.options.AdamW.scalars(l.step, rate, norm) {
			args = append(args, tensors.FromScalar(x))
		}
		l.values, err = call(l.engine.update, args)
	}
	if err != nil {
		l.broken = fmt.Errorf("the optimizer failed half way, go on from the last checkpoint: %w", err)
		return l.broken
	}
	l.step++
	return nil
}

// Logprobs returns those of every response token under the current parameters, by tree, branch
// and token: what Branch.Logprobs and Branch.Reference take.
func (l *Learner) Logprobs(trees []Tree, temperature float64) ([][][]float32, error) {
	if l.broken != nil {
		return nil, l.broken
	}
	return l.engine.logprobsOf(l.params(), trees, l.options.Packing, temperature)
}

// logprobsOf scores trees by given parameters.
func (e *engine) logprobsOf(params []*tensors.Tensor, trees []Tree, p Packing, temperature float64) ([][][]float32, error) {
	out := make([][][]float32, len(trees))
	for i := range trees {
		if err := trees[i].check(e.config.Vocab); err != nil {
			return nil, fmt.Errorf("logprobs: tree %d: %w", i, err)
		}
		out[i] = make([][]float32, len(trees[i].Branches))
		for j := range trees[i].Branches {
			out[i][j] = make([]float32, len(trees[i].Branches[j].Response()))
		}
	}
	for _, m := range pack(trees, p) {
		a := layOut(trees, m, func(int, int) float32 { return 1 })
		flat, err := e.score(params, a, Objective{Temperature: temperature})
		if err != nil {
			return nil, err
		}
		for _, at := range a.places {
			out[at.tree][at.branch][at.token] = flat[at.slot]
		}
	}
	return out, nil
}
