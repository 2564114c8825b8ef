package learner

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/longctx/pipeline/train/policy"

	. "github.com/gomlx/gomlx/core/graph" //nolint:revive // graphs read as formulas
)

// engine holds the compiled graphs of one shape of policy on one backend. It has no state.
type engine struct {
	backend compute.Backend
	config  policy.Config
	tensors int // of the policy

	losses   map[Kind]*Exec
	logprobs *Exec
	norm     *Exec
	sum      *Exec
	update   *Exec
}

// maxShapes bounds how many shapes are compiled: bucketUp keeps the number of the usual ones
// under a few dozen.
const maxShapes = 256

func newEngine(backend compute.Backend, c policy.Config, a AdamW) *engine {
	n := len(c.Specs())
	e := &engine{backend: backend, config: c, tensors: n, losses: map[Kind]*Exec{}}
	compile := func(name string, graph func([]*Node) []*Node) *Exec {
		return MustNewExec(backend, graph).WithName(name).SetMaxCache(maxShapes)
	}
	for _, kind := range []Kind{SFT, RL} {
		e.losses[kind] = compile(string(kind)+" loss", func(nodes []*Node) []*Node {
			return lossGraph(c, kind, takeInputs(n, nodes))
		})
	}
	e.logprobs = compile("logprobs", func(nodes []*Node) []*Node {
		_, _, logprobs, _ := score(c, takeInputs(n, nodes))
		return []*Node{logprobs}
	})
	e.norm = compile("norm", normGraph)
	e.sum = compile("sum", sumGraph)
	e.update = compile("adamw", func(nodes []*Node) []*Node { return a.graph(n, nodes) })
	return e
}

// call runs a graph. Values that the caller gives up go in as donations, see engine.donate.
func call(exec *Exec, args []any) ([]*tensors.Tensor, error) {
	out, err := exec.Call(args...)
	if err != nil {
		return nil, fmt.Errorf("run graph %s: %w", exec.Name(), err)
	}
	return out, nil
}

// donate gives tensors up to the next call, which may write into them.
func (e *engine) donate(args []any, values []*tensors.Tensor) ([]any, error) {
	for _, v := range values {
		buffer, err := DonateTensorBuffer(v, e.backend, 0)
		if err != nil {
			return nil, err
		}
		args = append(args, buffer)
	}
	return args, nil
}

func lend(args []any, values []*tensors.Tensor) []any {
	for _, v := range values {
		args = append(args, v)
	}
	return args
}

// release frees tensors that nothing needs any more; the backend uses their memory again.
func release(values []*tensors.Tensor) {
	for _, v := range values {
		if v != nil && v.CheckValid() == nil {
			v.MustFinalizeAll()
		}
	}
}

// arguments are a micro-batch and an objective as takeInputs wants them.
func (a *arrays) arguments(o Objective, onPolicy bool) []*tensors.Tensor {
	s := a.shape
	var args []*tensors.Tensor
	for _, x := range [][]int32{a.ids, a.positions, a.segments, a.branches} {
		args = append(args, tensors.FromFlatDataAndDimensions(x, s.Rows, s.Length))
	}
	for _, x := range [][]int32{a.sources, a.targets} {
		args = append(args, tensors.FromFlatDataAndDimensions(x, s.Rows*s.Slots))
	}
	for _, x := range [][]float32{a.weights, a.advantages, a.old, a.reference} {
		args = append(args, tensors.FromFlatDataAndDimensions(x, s.Rows*s.Slots))
	}
	temperature, flag := o.Temperature, 0.0
	if temperature == 0 {
		temperature = 1
	}
	if onPolicy {
		flag = 1
	}
	for _, x := range []float64{temperature, o.ClipLow, o.ClipHigh, o.KL, flag} {
		args = append(args, tensors.FromScalar(float32(x)))
	}
	return args
}

// loss returns the sums and gradients of one micro-batch.
func (e *engine) loss(params []*tensors.Tensor, a *arrays, o Objective, onPolicy bool) ([sums]float64, []*tensors.Tensor, error) {
	args := a.arguments(o, onPolicy)
	defer release(args)
	out, err := call(e.losses[o.Kind], lend(lend(nil, params), args))
	if err != nil {
		return [sums]float64{}, nil, err
	}
	defer release(out[:1])
	flat, err := tensors.CopyFlatData[float32](out[0])
	var total [sums]float64
	for i := range flat {
		total[i] = float64(flat[i])
	}
	return total, out[1:], err
}

// score returns the log probabilities of the predicted tokens, [rows*slots].
func (e *engine) score(params []*tensors.Tensor, a *arrays, o Objective) ([]float32, error) {
	args := a.arguments(o, true)
	defer release(args)
	out, err := call(e.logprobs, lend(lend(nil, params), args))
	if err != nil {
		return nil, err
	}
	defer release(out)
	return tensors.CopyFlatData[float32](out[0])
}

// squares returns the sum of the squares of all gradients.
func (e *engine) squares(gradients []*tensors.Tensor) (float64, error) {
	out, err := call(e.norm, lend(nil, gradients))
	if err != nil {
		return 0, err
	}
	defer release(out)
	return float64(tensors.ToScalar[float32](out[0])), nil
}

// add returns a + b and gives both up.
func (e *engine) add(a, b []*tensors.Tensor) ([]*tensors.Tensor, error) {
	if a == nil {
		return b, nil
	}
	args, err := e.donate(nil, a)
	if err != nil {
		return nil, err
	}
	out, err := call(e.sum, lend(args, b))
	release(b)
	return out, err
}
