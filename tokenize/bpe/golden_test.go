package bpe_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/tokenize/bpe"
)

// golden is one answer of the reference; exactness/golden.py writes them.
type golden struct {
	Tokenizer string   `json:"tokenizer"`
	Text      string   `json:"text"`
	IDs       []int32  `json:"ids"`
	Special   []int32  `json:"special"` // with add_special_tokens, where it differs
	Offsets   [][2]int `json:"offsets"` // where normalisation changes nothing
	Decoded   *string  `json:"decoded"`
	Skipped   *string  `json:"skipped"`
}

var goldens = sync.OnceValues(func() ([]golden, error) {
	data, err := os.ReadFile("testdata/golden.jsonl")
	if err != nil {
		return nil, err
	}
	var all []golden
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var g golden
		if err := json.Unmarshal(lines.Bytes(), &g); err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	return all, lines.Err()
})

var loaded sync.Map

// load loads a tokenizer of testdata, or an embedded one, once.
func load(t testing.TB, name string) *bpe.Tokenizer {
	t.Helper()
	if tok, ok := loaded.Load(name); ok {
		return tok.(*bpe.Tokenizer)
	}
	open := bpe.Named
	if strings.HasSuffix(name, ".json") {
		open = func(string) (*bpe.Tokenizer, error) { return bpe.Load("testdata/" + name) }
	}
	tok, err := open(name)
	if err != nil {
		t.Fatal(err)
	}
	loaded.Store(name, tok)
	return tok
}

// layouts are the tokenizers of testdata.
var layouts = []string{
	"qwen2.json", "llama3.json", "gpt2.json", "gpt2-prefix.json", "smollm2.json", "o200k.json", "deepseek.json", "flags.json", "chain.json", "regex.json",
}

func TestIDsAreThoseOfTheReference(t *testing.T) {
	all, err := goldens()
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range all {
		tok := load(t, g.Tokenizer)
		got := tok.Encode(g.Text, bpe.Options{})
		if !slices.Equal(got, g.IDs) {
			t.Errorf("%s, %+q: (-want +got)\n%s", g.Tokenizer, g.Text, cmp.Diff(g.IDs, got))
		}
		if n := tok.Count(g.Text, bpe.Options{}); n != len(g.IDs) {
			t.Errorf("%s, %+q: Count says %d, want %d", g.Tokenizer, g.Text, n, len(g.IDs))
		}
		want := g.Special
		if want == nil {
			want = g.IDs
		}
		if got := tok.Encode(g.Text, bpe.Options{AddSpecial: true}); !slices.Equal(got, want) {
			t.Errorf("%s, %+q with AddSpecial: (-want +got)\n%s", g.Tokenizer, g.Text, cmp.Diff(want, got))
		}
	}
}

func TestDecodingIsThatOfTheReference(t *testing.T) {
	all, err := goldens()
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range all {
		tok := load(t, g.Tokenizer)
		for skip, want := range map[bool]*string{false: g.Decoded, true: g.Skipped} {
			if want == nil || strings.Contains(*want, "caf\uFFFD") { // the difference that Decode's comment tells of
				continue
			}
			got, err := tok.Decode(g.IDs, bpe.DecodeOptions{SkipSpecial: skip})
			if err != nil || got != *want {
				t.Errorf("%s, %v (skip %t): %+q, %v; want %+q", g.Tokenizer, g.IDs, skip, got, err, *want)
			}
		}
	}
}

func TestOffsetsAreThoseOfTheReference(t *testing.T) {
	all, err := goldens()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range all {
		if g.Offsets == nil {
			continue
		}
		ids, at := load(t, g.Tokenizer).EncodeOffsets(g.Text, bpe.Options{})
		var got [][2]int
		for _, s := range at {
			got = append(got, [2]int{s.Start, s.End})
		}
		if !slices.Equal(ids, g.IDs) || !slices.Equal(got, g.Offsets) {
			t.Errorf("%s, %+q: (-want +got)\n%s", g.Tokenizer, g.Text, cmp.Diff(g.Offsets, got))
		}
		n++
	}
	if n < 100 {
		t.Errorf("only %d texts have offsets", n)
	}
}
