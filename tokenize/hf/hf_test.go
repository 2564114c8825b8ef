//go:build hf

package hf_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/longctx/pipeline/tokenize/hf"
)

func TestIDsAreThoseOfTheGoldens(t *testing.T) {
	f, err := os.Open("../bpe/testdata/golden.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	loaded := map[string]*hf.Tokenizer{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var g struct {
			Tokenizer, Text string
			IDs             []int32
		}
		if err := json.Unmarshal(lines.Bytes(), &g); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(g.Tokenizer, ".json") || strings.ContainsRune(g.Text, 0) {
			continue
		}
		if loaded[g.Tokenizer] == nil {
			if loaded[g.Tokenizer], err = hf.Load("../bpe/testdata/" + g.Tokenizer); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := loaded[g.Tokenizer].Encode(g.Text, false); err != nil || !slices.Equal(got, g.IDs) {
			t.Errorf("%s, %+q: %v, %v; want %v", g.Tokenizer, g.Text, got, err, g.IDs)
		}
	}
}

func TestTextThatTheEngineWouldDamageIsAnError(t *testing.T) {
	tok, err := hf.Load("../bpe/testdata/qwen2.json")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tok.Encode("a\x00b", false); !errors.Is(err, hf.ErrNUL) {
		t.Error(err)
	}
	if _, err := tok.Encode("a\xffb", false); !errors.Is(err, hf.ErrInvalid) {
		t.Error(err)
	}
}
