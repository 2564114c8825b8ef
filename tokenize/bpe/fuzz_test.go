package bpe_test

import (
	"slices"
	"testing"
	"time"

	"github.com/longctx/pipeline/tokenize/bpe"
)

// FuzzEncode: encoding never panics, whatever the bytes; counting, offsets and parallel encoding agree with it; what it gives
// can be decoded and, where nothing is normalised or stripped, gives the text again.
func FuzzEncode(f *testing.F) {
	all, err := goldens()
	if err != nil {
		f.Fatal(err)
	}
	for i, g := range all {
		if i%7 == 0 {
			f.Add(g.Text, uint8(i), uint8(i/2), uint8(i))
		}
	}
	f.Add("\xff\xfe bad \xe4\xb8", uint8(3), uint8(0), uint8(9))
	names := append([]string{"bytes", "wordlevel.json"}, layouts...)
	f.Fuzz(func(t *testing.T, text string, which, from, to uint8) {
		name := names[int(which)%len(names)]
		tok := load(t, name)
		plain := bpe.Span{Start: min(int(from), len(text)), End: min(int(to), len(text))}
		for _, o := range []bpe.Options{{}, {NoSpecial: true}, {AddSpecial: true}, {Plain: []bpe.Span{plain}}} {
			ids := tok.Encode(text, o)
			if n := tok.Count(text, o); n != len(ids) {
				t.Fatalf("%s: Count says %d, Encode gives %d", name, n, len(ids))
			}
			withOffsets, at := tok.EncodeOffsets(text, o)
			if !slices.Equal(ids, withOffsets) || len(at) != len(ids) {
				t.Fatalf("%s: EncodeOffsets gives %v and %d spans, Encode %v", name, withOffsets, len(at), ids)
			}
			if par := tok.EncodeParallel(text, 3, o); !slices.Equal(ids, par) {
				t.Fatalf("%s: EncodeParallel gives %v, Encode %v", name, par, ids)
			}
			back, err := tok.Decode(ids, bpe.DecodeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if name == "llama3.json" && !o.AddSpecial && back != rustLossy(text) {
				t.Fatalf("%+q comes back as %+q", text, back)
			}
		}
	})
}

// rustLossy replaces each maximal invalid sequence, as Encode documents, by another road: byte by byte.
func rustLossy(s string) string {
	tok, err := bpe.Named("bytes")
	if err != nil {
		panic(err)
	}
	ids := make([]int32, 0, len(s))
	for _, b := range []byte(s) {
		ids = append(ids, int32(b))
	}
	text, err := tok.Decode(ids, bpe.DecodeOptions{})
	if err != nil {
		panic(err)
	}
	return text
}

// FuzzParse: no file makes Parse panic or hang, and what it accepts can encode.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]},"pre_tokenizer":{"type":"ByteLevel"},"added_tokens":[{"id":3,"content":"<s>"}]}`,
		`{"model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"}}`, "IQ== 0\nIg== 1\n", "{", `{"model":{"vocab":{"a":{}}}}`, `{"model":{"vocab":[],"merges":[["a"]]}}`,
	} {
		f.Add("qwen.tiktoken", []byte(seed))
	}
	f.Add("x", []byte(`{"model":{"type":"WordLevel","vocab":{"":0},"unk_token":""}}`))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		defer time.AfterFunc(time.Minute, func() { panic("stuck: " + name + " " + string(data)) }).Stop()
		tok, err := bpe.Parse(name, data)
		if err != nil {
			return
		}
		ids := tok.Encode("a ab <s> é 12", bpe.Options{}) // a template may name ids that no token has
		if _, err := tok.Decode(ids, bpe.DecodeOptions{}); err != nil {
			t.Error(err)
		}
	})
}
