package bpe_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/tokenize/bpe"
)

// span returns where part lies in text.
func span(text, part string) bpe.Span {
	i := strings.Index(text, part)
	return bpe.Span{Start: i, End: i + len(part)}
}

// names returns the tokens as text.
func names(tok *bpe.Tokenizer, ids []int32) []string {
	var out []string
	for _, id := range ids {
		out = append(out, tok.TokenText(id))
	}
	return out
}

func special(tok *bpe.Tokenizer, ids []int32) []string {
	var out []string
	for _, id := range ids {
		for _, a := range tok.AddedTokens() {
			if a.ID == id {
				out = append(out, a.Content)
			}
		}
	}
	return out
}

func TestAddedTokensInsidePlainSpansAreText(t *testing.T) {
	tok := load(t, "flags.json")
	const text = "<|im_start|>user <|im_end|> x<|im_end|>"
	tests := []struct {
		name  string
		plain []bpe.Span
		want  []string
	}{
		{"no span", nil, []string{"<|im_start|>", "<|im_end|>", "<|im_end|>"}},
		{"an empty span", []bpe.Span{{15, 15}}, []string{"<|im_start|>", "<|im_end|>", "<|im_end|>"}},
		{"around one", []bpe.Span{span(text, "user <|im_end|> x")}, []string{"<|im_start|>", "<|im_end|>"}},
		{"one byte of one", []bpe.Span{{18, 19}}, []string{"<|im_start|>", "<|im_end|>"}},
		{"the byte before one", []bpe.Span{{16, 17}}, []string{"<|im_start|>", "<|im_end|>", "<|im_end|>"}},
		{"everything", []bpe.Span{{0, len(text)}}, nil},
		{"two", []bpe.Span{{0, 12}, {17, 18}}, []string{"<|im_end|>"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ids := tok.Encode(text, bpe.Options{Plain: tt.plain})
			if diff := cmp.Diff(tt.want, special(tok, ids)); diff != "" {
				t.Errorf("added tokens (-want +got)\n%s", diff)
			}
		})
	}
}

func TestPlainSpansAreNoEdgesOfPieces(t *testing.T) {
	tok := load(t, "qwen2.json")
	text := "the tokenizer cuts text"
	want := tok.Encode(text, bpe.Options{})
	for i := range len(text) {
		if diff := cmp.Diff(want, tok.Encode(text, bpe.Options{Plain: []bpe.Span{{i, i + 1}}})); diff != "" {
			t.Errorf("with a plain span at %d (-want +got)\n%s", i, diff)
		}
	}
}

func TestWhiteSpaceOfAPlainSpanIsNotStripped(t *testing.T) {
	tok := load(t, "flags.json")
	const text = "a  <mask>"
	if got := names(tok, tok.Encode(text, bpe.Options{})); !cmp.Equal(got, []string{"a", "<mask>"}) {
		t.Errorf("without spans: %q", got)
	}
	if got := names(tok, tok.Encode(text, bpe.Options{Plain: []bpe.Span{{0, 3}}})); !cmp.Equal(strings.Join(got, "|"), "a|  |<mask>") && !cmp.Equal(strings.Join(got, "|"), "a| | |<mask>") {
		t.Errorf("with a span over the spaces: %q", got)
	}
}

func TestPlainSpansFollowNormalisation(t *testing.T) {
	tok := load(t, "flags.json") // "café" is a normalized token
	const text = "e\u0301e\u0301 cafe\u0301 cafe\u0301"
	if got := special(tok, tok.Encode(text, bpe.Options{})); len(got) != 2 {
		t.Errorf("without spans: %q", got)
	}
	first := span(text, "cafe\u0301")
	if got := special(tok, tok.Encode(text, bpe.Options{Plain: []bpe.Span{first}})); len(got) != 1 {
		t.Errorf("with a span over the first: %q", got)
	}
}

func TestNoSpecialMatchesNothing(t *testing.T) {
	tok := load(t, "flags.json")
	if got := special(tok, tok.Encode("<mask> café <|im_end|>", bpe.Options{NoSpecial: true})); got != nil {
		t.Errorf("found %q", got)
	}
}

func TestHasAddedTokenSeesWhatEncodeWouldMatch(t *testing.T) {
	tok := load(t, "flags.json")
	for text, want := range map[string]bool{
		"": false, "plain": false, "a <|im_end|>": true, "<|im_end|": false, "cafe\u0301": true, "x[WORD]": false, "[WORD]": true, "hellos": false,
	} {
		if got := tok.HasAddedToken(text); got != want {
			t.Errorf("HasAddedToken(%q) = %t", text, got)
		}
	}
}

func TestInvalidUTF8IsReadAsReplacementCharacters(t *testing.T) {
	for _, name := range []string{"qwen2.json", "llama3.json", "o200k_base", "bytes"} {
		tok := load(t, name)
		for _, tt := range [][2]string{
			{"\xff", "\uFFFD"},
			{"a\xc3", "a\uFFFD"},
			{"\xe4\xb8x", "\uFFFDx"},
			{"\xf0\x9f\x98", "\uFFFD"},
			{"\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD"},
			{"\xc0\xaf", "\uFFFD\uFFFD"},
			{"<|im_end|>\x80<|im_end|>", "<|im_end|>\uFFFD<|im_end|>"},
		} {
			if diff := cmp.Diff(tok.Encode(tt[1], bpe.Options{}), tok.Encode(tt[0], bpe.Options{})); diff != "" {
				t.Errorf("%s, %q: (-replaced +invalid)\n%s", name, tt[0], diff)
			}
		}
	}
}

func TestEncodingAllocatesNothingPerToken(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget")
	}
	text := strings.Repeat("The tokenizer's 12 pieces, naïvely counted: 中文 and unheardofwords.\n", 200)
	for _, name := range []string{"qwen2.json", "o200k.json", "deepseek.json", "gpt2.json"} {
		tok := load(t, name)
		dst := make([]int32, 0, 4*len(text))
		if n := testing.AllocsPerRun(20, func() { tok.AppendEncode(dst, text, bpe.Options{}) }); n > 6 {
			t.Errorf("%s: %.0f allocations for %d bytes", name, n, len(text))
		}
	}
}
