package policy_test

import (
	"fmt"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/longctx/pipeline/train/policy"
)

// BenchmarkStep is a forward and a backward pass over every slot, without the optimizer.
func BenchmarkStep(b *testing.B) {
	for _, s := range []struct {
		preset            string
		vocab, rows, time int
	}{
		{"nano", 128, 64, 64},
		{"micro", 128, 64, 64},
		{"tiny", 1024, 32, 128},
		{"small", 2048, 8, 512},
	} {
		b.Run(fmt.Sprintf("%s/%dx%d", s.preset, s.rows, s.time), func(b *testing.B) {
			benchmarkStep(b, s.preset, s.vocab, s.rows, s.time)
		})
	}
}

func benchmarkStep(b *testing.B, name string, vocab, rows, time int) {
	c, be := preset(b, name, vocab), open(b)
	b.Log(be.Description, c.Parameters())
	params, err := policy.Init(c, policy.InitOptions{Seed: 1}).Tensors(c)
	if err != nil {
		b.Fatal(err)
	}
	step, err := graph.NewExec(be.Backend, func(nodes []*graph.Node) []*graph.Node {
		p := policy.NewParams(c, nodes[4:])
		hidden := policy.Hidden(c, p, policy.Batch{Tokens: nodes[0], Positions: nodes[1], Segments: nodes[2], Branches: nodes[3]})
		slots := graph.Iota(nodes[0].Graph(), graph.Reshape(nodes[0], -1).Shape(), 0)
		logprobs, _ := policy.LogProbs(policy.Logits(c, p, hidden, slots), graph.Reshape(nodes[0], -1))
		loss := graph.Neg(graph.ReduceAllMean(logprobs))
		return append([]*graph.Node{loss}, policy.Gradients(c, p, loss)...)
	})
	if err != nil {
		b.Fatal(err)
	}
	args := []any{tokenIDs(rows, time, vocab), steps(rows, time), filled(rows, time, 1), filled(rows, time, 0)}
	for _, t := range params {
		args = append(args, t)
	}
	step.MustCall(args...)
	for b.Loop() {
		for _, t := range step.MustCall(args...) {
			t.MustFinalizeAll()
		}
	}
	b.ReportMetric(float64(rows*time*b.N)/b.Elapsed().Seconds(), "tokens/s")
}

func tokenIDs(rows, time, vocab int) *tensors.Tensor {
	return matrix(rows, time, func(row, slot int) int32 { return int32((row*31 + slot*17 + slot*slot) % vocab) })
}

func steps(rows, time int) *tensors.Tensor {
	return matrix(rows, time, func(_, slot int) int32 { return int32(slot) })
}

func filled(rows, time int, value int32) *tensors.Tensor {
	return matrix(rows, time, func(int, int) int32 { return value })
}
