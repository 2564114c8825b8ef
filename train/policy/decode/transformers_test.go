package decode_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/longctx/pipeline/train/policy"
)

// See the test of the same name in package policy: testdata, or what `make parity` just made.
func TestLogitsEqualTransformers(t *testing.T) {
	root := os.Getenv("PIPELINE_PARITY_REFERENCES")
	if root == "" {
		root = filepath.Join("..", "testdata")
	}
	found, err := filepath.Glob(filepath.Join(root, "*", "reference.safetensors"))
	if err != nil || len(found) < 5 {
		t.Fatalf("%d references in %s (%v)", len(found), root, err)
	}
	for _, file := range found {
		folder := filepath.Dir(file)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			c, w, err := policy.Load(os.DirFS(folder), policy.LoadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			d := newDecoder(t, c, w)
			reference := tensorsOf(t, file)
			tokens, want := reference["tokens"], reference["logits"]
			var got []float32
			for row := range slices.Chunk(tokens, len(tokens)/2) {
				var ids []int32
				for _, x := range row {
					ids = append(ids, int32(x))
				}
				logits, err := d.Logits(ids)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, slices.Concat(logits...)...)
			}
			near(t, "logits", got, want)
		})
	}
}

// tensorsOf reads a file of float32 tensors.
func tensorsOf(t *testing.T, file string) map[string][]float32 {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n := 8 + binary.LittleEndian.Uint64(data)
	var header map[string]struct {
		Offsets [2]int `json:"data_offsets"`
	}
	if err := json.Unmarshal(data[8:n], &header); err != nil {
		t.Fatal(err)
	}
	out := map[string][]float32{}
	for name, at := range header {
		for b := range slices.Chunk(data[n:][at.Offsets[0]:at.Offsets[1]], 4) {
			out[name] = append(out[name], math.Float32frombits(binary.LittleEndian.Uint32(b)))
		}
	}
	return out
}
