package decode_test

import (
	"math"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/longctx/pipeline/train/policy"
	"github.com/longctx/pipeline/train/policy/backend"
	"github.com/longctx/pipeline/train/policy/decode"
)

// fresh is a policy with random weights, large enough that its choices differ.
func fresh(t testing.TB, name string, vocab int) (policy.Config, policy.Weights, *decode.Decoder) {
	t.Helper()
	c, err := policy.Preset(name, vocab)
	if err != nil {
		t.Fatal(err)
	}
	w := policy.Init(c, policy.InitOptions{Seed: 5, Std: 0.15, EmbedStd: 0.3})
	return c, w, newDecoder(t, c, w)
}

func newDecoder(t testing.TB, c policy.Config, w policy.Weights) *decode.Decoder {
	t.Helper()
	d, err := decode.New(c, w)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// graphLogProbs are what the training graph says about row's tokens from the given sources on:
// sources[i] is the slot that predicts targets[i]. All slices but those are of one row.
func graphLogProbs(t *testing.T, c policy.Config, w policy.Weights, row [4][]int32, sources, targets []int32, temperature float64) []float32 {
	t.Helper()
	be, err := backend.Open("go", backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	params, err := w.Tensors(c)
	if err != nil {
		t.Fatal(err)
	}
	exec, err := graph.NewExec(be.Backend, func(n []*graph.Node) *graph.Node {
		p := policy.NewParams(c, n[6:])
		hidden := policy.Hidden(c, p, policy.Batch{Tokens: n[0], Positions: n[1], Segments: n[2], Branches: n[3]})
		logprobs, _ := policy.LogProbs(graph.DivScalar(policy.Logits(c, p, hidden, n[4]), temperature), n[5])
		return logprobs
	})
	if err != nil {
		t.Fatal(err)
	}
	var args []any
	for _, values := range row {
		args = append(args, tensors.FromFlatDataAndDimensions(values, 1, len(values)))
	}
	args = append(args, sources, targets)
	for _, p := range params {
		args = append(args, p)
	}
	out, err := exec.Call(args...)
	if err != nil {
		t.Fatal(err)
	}
	return tensors.MustCopyFlatData[float32](out[0])
}

func near(t testing.TB, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	var scale float64
	for i := range want {
		scale = max(scale, math.Abs(float64(want[i])))
	}
	for i := range got {
		if d := math.Abs(float64(got[i])-float64(want[i])) / scale; !(d <= 1e-4) {
			t.Fatalf("%s: value %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}
