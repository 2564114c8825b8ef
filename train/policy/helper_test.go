package policy_test

import (
	"bytes"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/longctx/pipeline/train/policy"
	"github.com/longctx/pipeline/train/policy/backend"
)

var backendName = flag.String("backend", "go", "the backend that computes graphs: go, xla:cpu, xla:cuda")

func open(t testing.TB) *backend.Backend {
	t.Helper()
	b, err := backend.Open(*backendName, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func preset(t testing.TB, name string, vocab int) policy.Config {
	t.Helper()
	c, err := policy.Preset(name, vocab)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// rows are what a batch says of each slot; all [rows][time].
type rows struct {
	tokens, positions, segments, branches [][]int32
}

// plain are rows of one sample each.
func plain(tokens [][]int32) rows {
	r := rows{tokens: tokens}
	for _, row := range tokens {
		positions, segments := make([]int32, len(row)), make([]int32, len(row))
		for i := range row {
			positions[i], segments[i] = int32(i), 1
		}
		r.positions = append(r.positions, positions)
		r.segments = append(r.segments, segments)
		r.branches = append(r.branches, make([]int32, len(row)))
	}
	return r
}

func (r rows) args() []any {
	var out []any
	for _, m := range [][][]int32{r.tokens, r.positions, r.segments, r.branches} {
		out = append(out, matrix(len(m), len(m[0]), func(row, slot int) int32 { return m[row][slot] }))
	}
	return out
}

// run computes a graph over a batch and a policy's tensors.
func run(t testing.TB, c policy.Config, w policy.Weights, r rows, f func(p policy.Params, b policy.Batch) []*graph.Node) [][]float32 {
	t.Helper()
	params, err := w.Tensors(c)
	if err != nil {
		t.Fatal(err)
	}
	exec, err := graph.NewExec(open(t).Backend, func(nodes []*graph.Node) []*graph.Node {
		return f(policy.NewParams(c, nodes[4:]), policy.Batch{Tokens: nodes[0], Positions: nodes[1], Segments: nodes[2], Branches: nodes[3]})
	})
	if err != nil {
		t.Fatal(err)
	}
	args := r.args()
	for _, p := range params {
		args = append(args, p)
	}
	results, err := exec.Call(args...)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]float32
	for _, result := range results {
		out = append(out, tensors.MustCopyFlatData[float32](result))
	}
	return out
}

// allSlots are the indices of every slot of a batch.
func allSlots(b policy.Batch) *graph.Node {
	flat := graph.Reshape(b.Tokens, -1)
	return graph.Iota(flat.Graph(), flat.Shape(), 0)
}

// logits are those after every slot, [rows*time*vocab].
func logits(t testing.TB, c policy.Config, w policy.Weights, r rows) []float32 {
	t.Helper()
	return run(t, c, w, r, func(p policy.Params, b policy.Batch) []*graph.Node {
		return []*graph.Node{policy.Logits(c, p, policy.Hidden(c, p, b), allSlots(b))}
	})[0]
}

// difference is the largest difference, as a share of the largest value.
func difference(got, want []float32) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	var most, scale float64
	for i := range got {
		d := math.Abs(float64(got[i]) - float64(want[i]))
		if math.IsNaN(d) {
			return math.NaN()
		}
		most, scale = max(most, d), max(scale, math.Abs(float64(want[i])))
	}
	if most == 0 {
		return 0
	}
	return most / scale
}

// near fails unless the difference is within the parity that the package promises.
func near(t testing.TB, what string, got, want []float32) {
	t.Helper()
	if d := difference(got, want); !(d <= 1e-4) {
		t.Errorf("%s: the largest difference is %.2g of the largest value (%d and %d values)", what, d, len(got), len(want))
	}
}

func matrix(rows, time int, at func(row, slot int) int32) *tensors.Tensor {
	flat := make([]int32, rows*time)
	for i := range flat {
		flat[i] = at(i/time, i%time)
	}
	return tensors.FromFlatDataAndDimensions(flat, rows, time)
}

// memory is a folder in memory that Save writes to and Load reads.
type memory fstest.MapFS

type memoryFile struct {
	bytes.Buffer
	close func([]byte)
}

func (f *memoryFile) Close() error { f.close(f.Bytes()); return nil }

func (m memory) create(name string) (io.WriteCloser, error) {
	return &memoryFile{close: func(b []byte) { m[name] = &fstest.MapFile{Data: bytes.Clone(b)} }}, nil
}

// disk is Save's way to a folder of the operating system.
func disk(folder string) policy.Create {
	return func(name string) (io.WriteCloser, error) {
		if err := os.MkdirAll(folder, 0o777); err != nil {
			return nil, err
		}
		return os.Create(filepath.Join(folder, name))
	}
}
