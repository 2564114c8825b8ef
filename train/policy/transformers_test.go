package policy_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/longctx/pipeline/train/policy"
)

// references are folders that transformers wrote, each with what it computed: the small ones
// of testdata, or those that `make parity` just made.
func references(t *testing.T) map[string]fs.FS {
	t.Helper()
	root := os.Getenv("PIPELINE_PARITY_REFERENCES")
	if root == "" {
		root = "testdata"
	}
	found, err := filepath.Glob(filepath.Join(root, "*", "reference.safetensors"))
	if err != nil || len(found) < 5 {
		t.Fatalf("%d references in %s (%v)", len(found), root, err)
	}
	out := map[string]fs.FS{}
	for _, f := range found {
		out[filepath.Base(filepath.Dir(f))] = os.DirFS(filepath.Dir(f))
	}
	return out
}

func tokensOf(reference map[string][]float32) [][]int32 {
	flat := reference["tokens"]
	tokens := make([][]int32, 2)
	for i, x := range flat {
		row := i / (len(flat) / 2)
		tokens[row] = append(tokens[row], int32(x))
	}
	return tokens
}

func TestLogitsAndGradientsEqualTransformers(t *testing.T) {
	for name, folder := range references(t) {
		t.Run(name, func(t *testing.T) {
			c, w, err := policy.Load(folder, policy.LoadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			want, err := policy.ReadTensors(folder, "reference.safetensors")
			if err != nil {
				t.Fatal(err)
			}
			r := plain(tokensOf(want))
			got := run(t, c, w, r, func(p policy.Params, b policy.Batch) []*graph.Node {
				logits, loss := nextTokenLoss(c, p, b)
				return append([]*graph.Node{logits, loss}, policy.Gradients(c, p, loss)...)
			})
			near(t, "logits", got[0], want["logits"])
			near(t, "loss", got[1], want["loss"])
			for i, s := range c.Specs() {
				near(t, "gradient of "+s.Name, got[2+i], want["gradient "+s.Name])
			}
		})
	}
}

// nextTokenLoss is the mean negative log probability of each slot's successor.
func nextTokenLoss(c policy.Config, p policy.Params, b policy.Batch) (logits, loss *graph.Node) {
	rows, time := b.Tokens.Shape().Dim(0), b.Tokens.Shape().Dim(1)
	logits = policy.Logits(c, p, policy.Hidden(c, p, b), allSlots(b))
	logits = graph.Reshape(logits, rows, time, c.Vocab)
	before := graph.Slice(logits, graph.AxisRange(), graph.AxisRange(0, time-1))
	targets := graph.Slice(b.Tokens, graph.AxisRange(), graph.AxisRange(1))
	logprobs, _ := policy.LogProbs(graph.Reshape(before, -1, c.Vocab), graph.Reshape(targets, -1))
	return logits, graph.Neg(graph.ReduceAllMean(logprobs))
}

// The other half of `make parity`: this writes folders and logits, transformers opens and compares.
func TestSavedFoldersOpenInTransformers(t *testing.T) {
	root := os.Getenv("PIPELINE_PARITY_SAVED")
	if root == "" {
		t.Skip("PIPELINE_PARITY_SAVED is not set; make parity sets it")
	}
	configs := map[string]policy.Config{"nano": preset(t, "nano", 96), "small": preset(t, "small", 128)}
	for name, folder := range references(t) {
		c, err := policy.LoadConfig(folder)
		if err != nil {
			t.Fatal(err)
		}
		configs[name] = c
	}
	for name, c := range configs {
		for _, dtype := range []policy.DType{policy.F32, policy.BF16} {
			saveWithLogits(t, filepath.Join(root, name+"-"+strings.ToLower(string(dtype))), c, dtype)
		}
	}
}

func saveWithLogits(t *testing.T, folder string, c policy.Config, dtype policy.DType) {
	t.Helper()
	w := policy.Init(c, policy.InitOptions{Seed: 3, Std: 0.1})
	size := c.Parameters() * 3 // several files at 4 bytes a weight, one at 2
	if err := policy.Save(c, w, disk(folder), policy.SaveOptions{DType: dtype, ShardSize: size}); err != nil {
		t.Fatal(err)
	}
	_, w, err := policy.Load(os.DirFS(folder), policy.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tokens := make([][]int32, 2)
	for i := range 2 * 24 {
		tokens[i/24] = append(tokens[i/24], int32((i*i+7)%c.Vocab))
	}
	data, err := json.Marshal(map[string]any{"tokens": tokens, "logits": logits(t, c, w, plain(tokens))})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "logits.json"), data, 0o666); err != nil {
		t.Fatal(err)
	}
}
