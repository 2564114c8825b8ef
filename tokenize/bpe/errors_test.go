package bpe_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/longctx/pipeline/tokenize/bpe"
)

// vocabulary has all 256 bytes, so that only the rest of a file can be wrong; extra is put behind them.
func vocabulary(extra string) string {
	var b strings.Builder
	data, err := os.ReadFile("testdata/gpt2.json")
	if err != nil {
		panic(err)
	}
	start := strings.Index(string(data), `"vocab":{`) + len(`"vocab":{`)
	parts := strings.SplitN(string(data)[start:], ",\"", 258)
	b.WriteString(strings.Join(parts[:257], ",\""))
	b.WriteString(extra)
	return b.String()
}

func TestErrorsNameThePlaceAndWhatToDo(t *testing.T) {
	file := func(vocab, merges, rest string) string {
		return `{"version":"1.0","pre_tokenizer":{"type":"ByteLevel"},` + rest + `"model":{"type":"BPE","vocab":{` + vocab + `},"merges":` + merges + `}}`
	}
	ok := vocabulary("")
	tests := []struct {
		name, data string
		want       []string // parts of the message
	}{
		{"empty", "", []string{"empty"}},
		{"neither kind", "hello world", []string{"neither a tokenizer.json nor a tiktoken rank file"}},
		{"cut in the vocabulary", file(ok, "[]", "")[:2000], []string{"model", "the file ends at byte", "not whole"}},
		{"no JSON", `{"model": nope}`, []string{"model", "byte"}},
		{"no model", `{"version":"1.0"}`, []string{"model: missing"}},
		{"another version", `{"version":"2.0","model":{}}`, []string{"version", `"2.0"`}},
		{"model is a list", `{"model":[]}`, []string{"model: want an object"}},
		{"Unigram", `{"model":{"type":"Unigram","vocab":[]}}`, []string{"model.type", "Unigram", "not supported", "build tag hf"}},
		{"WordPiece", `{"model":{"type":"WordPiece","vocab":{}}}`, []string{"model.type", "WordPiece", "not supported"}},
		{"vocabulary is a list", `{"pre_tokenizer":{"type":"ByteLevel"},"model":{"type":"BPE","vocab":[],"merges":[]}}`, []string{"model.vocab: want an object"}},
		{"an id is a string", file(ok+`,"ab":"x"`, "[]", ""), []string{`model.vocab["ab"]`, "want an id"}},
		{"a negative id", file(ok+`,"ab":-1`, "[]", ""), []string{`model.vocab["ab"]`, "want an id"}},
		{"an id twice", file(ok+`,"ab":5`, "[]", ""), []string{`model.vocab["ab"]`, "the id 5 is that of"}},
		{"a token twice", file(ok+`,"a\u0062":256,"ab":257`, "[]", ""), []string{`model.vocab["ab"]`, "has the id 256"}},
		{"a hole", file(ok+`,"ab":300`, "[]", ""), []string{"model.vocab", "no token has the id 256"}},
		{"a huge hole", file(ok+`,"ab":99999999`, "[]", ""), []string{`model.vocab["ab"]`, "leaves a hole"}},
		{"merges missing", `{"pre_tokenizer":{"type":"ByteLevel"},"model":{"type":"BPE","vocab":{}}}`, []string{"model.merges: missing"}},
		{"merges is an object", file(ok, `{}`, ""), []string{"model.merges: want a list"}},
		{"a merge of one piece", file(ok, `["ab"]`, ""), []string{"model.merges[0]", "two pieces"}},
		{"a merge is a number", file(ok, `["a b", 7]`, ""), []string{"model.merges[0]", `"ab"`}},
		{"a merge names an unknown piece", file(ok+`,"ab":256`, `["a b","xx y"]`, ""), []string{`model.merges[1]: piece "xx" is not in the vocabulary`}},
		{"a merge gives an unknown piece", file(ok, `[["a","b"]]`, ""), []string{"model.merges[0]", `"ab"`, "not in the vocabulary"}},
		{"byte fallback", `{"pre_tokenizer":{"type":"ByteLevel"},"model":{"type":"BPE","byte_fallback":true,"vocab":{}}}`, []string{"model.byte_fallback", "not supported"}},
		{"dropout", `{"model":{"type":"BPE","dropout":0.1}}`, []string{"model.dropout", "not supported"}},
		{"a suffix", `{"model":{"type":"BPE","end_of_word_suffix":"</w>"}}`, []string{"model.end_of_word_suffix", "not supported"}},
		{"no pre-tokenizer", `{"model":{"type":"BPE","vocab":{},"merges":[]}}`, []string{"pre_tokenizer", "ByteLevel"}},
		{"an unknown pre-tokenizer", strings.Replace(file(ok, "[]", ""), `{"type":"ByteLevel"}`, `{"type":"Sequence","pretokenizers":[{"type":"Metaspace"}]}`, 1), []string{"pre_tokenizer.pretokenizers[0].type", "Metaspace"}},
		{"an unknown class in a regex", strings.Replace(file(ok, "[]", ""), `{"type":"ByteLevel"}`, `{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\p{Han}+"},"behavior":"Isolated","invert":false},{"type":"ByteLevel","use_regex":false}]}`, 1), []string{"pretokenizers[0].pattern", "Han"}},
		{"an unknown behavior", strings.Replace(file(ok, "[]", ""), `{"type":"ByteLevel"}`, `{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"a"},"behavior":"MergedWithNext","invert":false},{"type":"ByteLevel","use_regex":false}]}`, 1), []string{"pretokenizers[0].behavior", "MergedWithNext"}},
		{"a pre-tokenizer of the wrong type", strings.Replace(file(ok, "[]", ""), `{"type":"ByteLevel"}`, `{"type":"ByteLevel","use_regex":"yes"}`, 1), []string{"pre_tokenizer.use_regex: want bool, not the string"}},
		{"an unknown normalizer", file(ok, "[]", `"normalizer":{"type":"Lowercase"},`), []string{"normalizer.type", "Lowercase", "not supported"}},
		{"an unknown post-processor", file(ok, "[]", `"post_processor":{"type":"Magic"},`), []string{"post_processor.type", "Magic"}},
		{"a template with an unknown token", file(ok, "[]", `"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}}],"special_tokens":{}},`), []string{"post_processor.single[0]", "<s>"}},
		{"an added token without id", file(ok, "[]", `"added_tokens":[{"content":"<s>"}],`), []string{"added_tokens[0].id: missing"}},
		{"an added token with a wrong id", file(ok, "[]", `"added_tokens":[{"id":5,"content":"<s>"}],`), []string{"added_tokens[0].id", "256 comes next"}},
		{"an added token that the vocabulary has elsewhere", file(ok, "[]", `"added_tokens":[{"id":256,"content":"a"}],`), []string{"added_tokens[0].id", "in model.vocab"}},
		{"an added token twice", file(ok, "[]", `"added_tokens":[{"id":256,"content":"<s>"},{"id":257,"content":"<s>"}],`), []string{"added_tokens[1].content", "added_tokens[0]"}},
		{"an id that is text", file(ok, "[]", `"added_tokens":[{"id":"x","content":"<s>"}],`), []string{"added_tokens[0].id", "want", `"x"`}},
		{"a rank file without a pattern", "IQ== 0\n", []string{"which pattern", "qwen"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := bpe.Parse("x", []byte(tt.data))
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q is not in: %v", part, err)
				}
			}
			if strings.Contains(strings.Join(tt.want, ""), "not supported") != errors.Is(err, bpe.ErrUnsupported) && strings.Contains(err.Error(), "not supported") != errors.Is(err, bpe.ErrUnsupported) {
				t.Errorf("errors.Is(err, ErrUnsupported) is %t: %v", errors.Is(err, bpe.ErrUnsupported), err)
			}
		})
	}
}

func TestRankFilesMustBeWhole(t *testing.T) {
	for data, want := range map[string]string{
		"IQ== 0\nIg== 0\n":        "line 2: rank 0 was given in line 1",
		"IQ== 0\nIQ== 1\n":        "line 2: the token",
		"IQ== 0\n!!! 1\n":         "line 2",
		"IQ== 0\nIg== x\n":        "line 2",
		"IQ== 0\nIg== 1\n":        "byte 0x00 has no rank",
		"IQ== 0\nIg== 99999999\n": "line 2: rank 99999999 leaves a hole",
	} {
		if _, err := bpe.Parse("my-qwen.tiktoken", []byte(data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", data, err, want)
		}
	}
}

func TestNamesThatDoNotExistAreAnErrorThatListsThoseThatDo(t *testing.T) {
	_, err := bpe.Named("gpt-5")
	if !errors.Is(err, bpe.ErrUnknownName) || !strings.Contains(err.Error(), "o200k_base, cl100k_base, p50k_base, r50k_base, bytes") {
		t.Error(err)
	}
	if _, err := bpe.Load(filepath.Join(t.TempDir(), "none.json")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestAFolderIsItsTokenizerJSON(t *testing.T) {
	dir := t.TempDir()
	data, err := os.ReadFile("testdata/qwen2.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	tok, err := bpe.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := load(t, "qwen2.json").SHA256(); tok.SHA256() != want || len(want) != 64 {
		t.Errorf("SHA256 %s, want %s", tok.SHA256(), want)
	}
	if tok.VocabSize() != 704 || tok.Kind() != bpe.KindHuggingFace || tok.Name() != "tokenizer.json" {
		t.Error(tok, tok.VocabSize())
	}
}

func TestUnknownIDsCannotBeDecoded(t *testing.T) {
	tok := load(t, "qwen2.json")
	for _, id := range []int32{-1, 704, 1 << 30} {
		if _, err := tok.Decode([]int32{0, id}, bpe.DecodeOptions{}); err == nil || !strings.Contains(err.Error(), "ids[1]") {
			t.Errorf("%d: %v", id, err)
		}
		if _, err := tok.NewStream(bpe.DecodeOptions{}).Next(id); err == nil {
			t.Errorf("stream: %d is no error", id)
		}
	}
}
