package policy_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/train/policy"
)

func saved(t testing.TB, o policy.SaveOptions) (memory, policy.Config, policy.Weights) {
	t.Helper()
	c := preset(t, "nano", 40)
	w := policy.Init(c, policy.InitOptions{Seed: 1})
	m := memory{}
	if err := policy.Save(c, w, m.create, o); err != nil {
		t.Fatal(err)
	}
	return m, c, w
}

func load(m memory, o policy.LoadOptions) (policy.Config, policy.Weights, error) {
	return policy.Load(fstest.MapFS(m), o)
}

func TestAFolderIsTheSameAfterSavingAndLoadingIt(t *testing.T) {
	for _, size := range []int64{0, 50_000, 1} {
		m, c, w := saved(t, policy.SaveOptions{ShardSize: size})
		c2, w2, err := load(m, policy.LoadOptions{MinVocab: 40})
		if err != nil {
			t.Fatal(err)
		}
		c2.Other = c.Other
		if diff := cmp.Diff(c, c2); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(w, w2); diff != "" {
			t.Errorf("in files of %d bytes: %s", size, diff)
		}
	}
}

func TestBF16RoundsToTheNearest(t *testing.T) {
	m, c, w := saved(t, policy.SaveOptions{DType: policy.BF16})
	_, got, err := load(m, policy.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range c.Specs() {
		for i, x := range w[s.Name] {
			if y := got[s.Name][i]; math.Abs(float64(x-y)) > math.Abs(float64(x))/256 {
				t.Fatalf("%s[%d]: %v became %v", s.Name, i, x, y)
			}
		}
	}
	if n := len(m["model.safetensors"].Data); int64(n) > 2*c.Parameters()+10_000 {
		t.Errorf("%d bytes for %d weights", n, c.Parameters())
	}
}

func TestTheTokenizersFilesAreCopied(t *testing.T) {
	from := fstest.MapFS{"tokenizer.json": {Data: []byte("{}")}, "secret.txt": {Data: []byte("x")}}
	m, _, _ := saved(t, policy.SaveOptions{Tokenizer: from})
	if m["tokenizer.json"] == nil || m["secret.txt"] != nil {
		t.Errorf("the folder has %v", maps.Keys(m))
	}
}

func TestAFailedWriteIsReportedWhereverItHappens(t *testing.T) {
	c := preset(t, "nano", 40)
	w := policy.Init(c, policy.InitOptions{Seed: 1})
	full := errors.New("disk full")
	for at := range 3 {
		calls := 0
		m := memory{}
		err := policy.Save(c, w, func(name string) (io.WriteCloser, error) {
			f, _ := m.create(name)
			if calls++; calls == at+1 {
				return failing{f, full}, nil
			}
			return f, nil
		}, policy.SaveOptions{ShardSize: 300_000})
		if !errors.Is(err, full) {
			t.Errorf("file %d of the folder: error %v", at, err)
		}
		if m["config.json"] != nil && at < 2 {
			t.Error("config.json is there although the weights are not")
		}
	}
}

type failing struct {
	io.WriteCloser
	err error
}

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// edit replaces the header of the folder's weights.
func edit(m memory, from, to string) {
	data := m["model.safetensors"].Data
	n := binary.LittleEndian.Uint64(data)
	header := strings.Replace(string(data[8:8+n]), from, to, 1)
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	m["model.safetensors"] = &fstest.MapFile{Data: append(append(out, header...), data[8+n:]...)}
}

func TestADamagedFolderIsAnErrorThatSaysWhy(t *testing.T) {
	weights := func(m memory) []byte { return m["model.safetensors"].Data }
	for _, c := range []struct {
		name   string
		damage func(m memory)
		want   string
	}{
		{"no configuration", func(m memory) { delete(m, "config.json") }, "config.json"},
		{"no weights", func(m memory) { delete(m, "model.safetensors") }, "model.safetensors"},
		{"an empty file", func(m memory) { m["model.safetensors"].Data = nil }, "no safetensors header"},
		{"a truncated file", func(m memory) { m["model.safetensors"].Data = weights(m)[:len(weights(m))-100] }, "truncated"},
		{"bytes at the end", func(m memory) { m["model.safetensors"].Data = append(weights(m), 0) }, "truncated or damaged"},
		{"a huge header", func(m memory) { binary.LittleEndian.PutUint64(weights(m), 1<<60) }, "the header claims"},
		{"a header that is not JSON", func(m memory) { copy(weights(m)[8:], "}{") }, "header is not"},
		{"overlapping tensors", func(m memory) { edit(m, `"data_offsets":[0,`, `"data_offsets":[4,`) }, "bytes"},
		{"another dtype", func(m memory) { edit(m, `"F32"`, `"I64"`) }, `dtype "I64"`},
		{"a renamed tensor", func(m memory) { edit(m, "model.norm.weight", "model.norm.wight") }, `"model.norm.wight" belongs to no part`},
		{"another shape", func(m memory) { edit(m, `"shape":[40,64]`, `"shape":[64,40]`) }, "has shape [64 40], and config.json says [40 64]"},
		{"a negative shape", func(m memory) { edit(m, `"shape":[40,64]`, `"shape":[-40,-64]`) }, "shape"},
		{"a shape whose size overflows", func(m memory) {
			edit(m, `"shape":[40,64]`, `"shape":[16777216,16777216,16777216]`)
		}, "too large"},
		{"an index that names no file", func(m memory) {
			m["model.safetensors.index.json"] = &fstest.MapFile{Data: []byte(`{"weight_map": {}}`)}
		}, "names no file"},
		{"an index that leads out of the folder", func(m memory) {
			m["model.safetensors.index.json"] = &fstest.MapFile{Data: []byte(`{"weight_map": {"a": "../x.safetensors"}}`)}
		}, "not a file of the folder"},
		{"more layers than weights", func(m memory) {
			m["config.json"].Data = bytes.Replace(m["config.json"].Data, []byte(`"num_hidden_layers": 2`), []byte(`"num_hidden_layers": 3`), 1)
		}, `tensor "model.layers.2.input_layernorm.weight" is missing`},
		{"fewer layers than weights", func(m memory) {
			m["config.json"].Data = bytes.Replace(m["config.json"].Data, []byte(`"num_hidden_layers": 2`), []byte(`"num_hidden_layers": 1`), 1)
		}, "belongs to no part of a qwen2 policy with 1 layers"},
	} {
		m, _, _ := saved(t, policy.SaveOptions{})
		c.damage(m)
		if _, _, err := load(m, policy.LoadOptions{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

func TestAVocabularySmallerThanTheTokenizersIsRefused(t *testing.T) {
	m, _, _ := saved(t, policy.SaveOptions{})
	if _, _, err := load(m, policy.LoadOptions{MinVocab: 41}); err == nil || !strings.Contains(err.Error(), "vocab_size is 40") {
		t.Errorf("error %v", err)
	}
}

func TestATensorInTwoFilesIsRefused(t *testing.T) {
	m, _, _ := saved(t, policy.SaveOptions{})
	m["again.safetensors"] = m["model.safetensors"]
	m["model.safetensors.index.json"] = &fstest.MapFile{Data: []byte(`{"weight_map": {"a": "model.safetensors", "b": "again.safetensors"}}`)}
	if _, _, err := load(m, policy.LoadOptions{}); err == nil || !strings.Contains(err.Error(), "is also in") {
		t.Errorf("error %v", err)
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte(`{"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}`), int64(24))
	f.Add([]byte(`{"a": {"dtype": "BF16", "shape": [], "data_offsets": [0, 2]}, "__metadata__": {"format": "pt"}}`), int64(2))
	f.Add([]byte(`{"a": {"dtype": "F16", "shape": [0], "data_offsets": [0, 0]}}`), int64(0))
	f.Fuzz(func(t *testing.T, header []byte, size int64) {
		names, total, err := policy.ParseHeader(header, size)
		if err == nil && total != size {
			t.Errorf("%d tensors cover %d bytes of %d", len(names), total, size)
		}
	})
}

func TestF16IsReadAsItIsWritten(t *testing.T) {
	for bits, want := range map[uint16]float32{
		0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x0001: 1.0 / (1 << 24), 0x03ff: 1023.0 / (1 << 24), 0x0400: 1.0 / (1 << 14), 0x8000: 0, 0x3555: 0.33325195,
	} {
		if got := policy.Float16(bits); got != want {
			t.Errorf("%04x is %v, want %v", bits, got, want)
		}
	}
	if !math.IsInf(float64(policy.Float16(0x7c00)), 1) || !math.IsNaN(float64(policy.Float16(0x7e00))) {
		t.Error("infinity and NaN")
	}
}

func ExampleConfig_Parameters() {
	c, _ := policy.Preset("nano", 128)
	fmt.Println(c.Parameters())
	// Output: 90816
}
