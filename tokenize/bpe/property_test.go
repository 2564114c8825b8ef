package bpe_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/longctx/pipeline/tokenize/bpe"
)

// texts draws text that is likely to cause trouble: the fragments that patterns, normalisation and added tokens look for.
func texts() *rapid.Generator[string] {
	fragments := rapid.SampledFrom([]string{
		"'s", "'S", "'ſ", "'ll", "hello", " World", "don't", "a", "Z", "é", "e\u0301", "\u0301", "\u0327", "중", "\u1100\u1161\u11a8", "中", "文", "テ", "・", "。", "，",
		" ", "  ", "\n", "\r\n", "\t", "\u00a0", "\u3000", "1", "12", "3456", "٣", "²", "!", "...", "//", "_", "😀", "\u200d", "\x00", "<|im_start|>", "<|im_end|>",
		"<|endoftext|>", "<mask>", "[LEFT]", "[RIGHT]", "[WORD]", "<think>", "<|", "café",
	})
	return rapid.Custom(func(t *rapid.T) string {
		parts := rapid.SliceOfN(rapid.OneOf(fragments, fragments, rapid.StringN(0, 4, -1)), 0, 30).Draw(t, "parts")
		return strings.Join(parts, "")
	})
}

// valid is the text as every encoder reads it.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func TestDecodingWhatWasEncodedGivesTheNormalisedText(t *testing.T) {
	for _, name := range append([]string{"bytes", "o200k_base"}, layouts...) {
		if name == "flags.json" || name == "gpt2-prefix.json" {
			continue // they strip and add spaces
		}
		t.Run(name, func(t *testing.T) {
			tok := load(t, name)
			nfc := name == "qwen2.json" || name == "regex.json"
			rapid.Check(t, func(r *rapid.T) {
				text := valid(texts().Draw(r, "text"))
				if nfc && !oldUnicode(text) {
					return
				}
				want := text
				if nfc {
					want = normPieces(tok, text)
				}
				got, err := tok.Decode(tok.Encode(text, bpe.Options{}), bpe.DecodeOptions{})
				if err != nil || got != want {
					r.Fatalf("%+q gives %+q, %v", want, got, err)
				}
			})
		})
	}
}

// normPieces normalises what lies between added tokens, with Go's tables.
func normPieces(tok *bpe.Tokenizer, text string) string {
	for _, a := range tok.AddedTokens() {
		if i := strings.Index(text, a.Content); i >= 0 {
			return normPieces(tok, text[:i]) + a.Content + normPieces(tok, text[i+len(a.Content):])
		}
	}
	return norm.NFC.String(text)
}

// oldUnicode reports whether the text has only characters that normalise alike in all versions of Unicode since 9.
func oldUnicode(text string) bool {
	for _, r := range text {
		if r > 0x7F && !strings.ContainsRune("éſ중文中テ・。，٣²😀café\u0301\u0327\u1100\u1161\u11a8\u00a0\u3000\u200d\uFFFD", r) {
			return false
		}
	}
	return true
}

func TestOffsetsCoverTheText(t *testing.T) {
	for _, name := range append([]string{"bytes", "cl100k_base"}, layouts...) {
		t.Run(name, func(t *testing.T) {
			tok := load(t, name)
			rapid.Check(t, func(r *rapid.T) {
				text := texts().Draw(r, "text") + string(rapid.SliceOfN(rapid.Byte(), 0, 3).Draw(r, "bytes")) + texts().Draw(r, "more")
				ids, at := tok.EncodeOffsets(text, bpe.Options{})
				if want := tok.Encode(text, bpe.Options{}); !slices.Equal(ids, want) {
					r.Fatalf("%+q: ids %v, Encode gives %v", text, ids, want)
				}
				if len(at) != len(ids) {
					r.Fatalf("%+q: %d ids, %d spans", text, len(ids), len(at))
				}
				done := 0
				for i, s := range at {
					if s.Start > done || s.End < s.Start || s.End > len(text) || i > 0 && (s.Start < at[i-1].Start || s.End < at[i-1].End) {
						r.Fatalf("%+q: span %d is %v, after %d: %v", text, i, s, done, at)
					}
					done = max(done, s.End)
				}
				if done != len(text) {
					r.Fatalf("%+q: the spans end at %d, the text at %d: %v", text, done, len(text), at)
				}
			})
		})
	}
}

func TestParallelEqualsSerial(t *testing.T) {
	for _, name := range []string{"o200k_base", "qwen2.json", "gpt2-prefix.json", "deepseek.json"} {
		t.Run(name, func(t *testing.T) {
			tok := load(t, name)
			rapid.Check(t, func(r *rapid.T) {
				text := texts().Draw(r, "text")
				long := strings.Repeat(text+rapid.SampledFrom([]string{" a b", "文。文", "\n", ""}).Draw(r, "glue"), 1+150_000/(len(text)+6))
				workers := rapid.IntRange(2, 5).Draw(r, "workers")
				if got, want := tok.EncodeParallel(long, workers, bpe.Options{}), tok.Encode(long, bpe.Options{}); !slices.Equal(got, want) {
					r.Fatalf("%+q repeated: %d ids on %d goroutines, %d on one", text, len(got), workers, len(want))
				}
			})
		})
	}
}

func TestAStreamGivesTheSameTextInWholeCharacters(t *testing.T) {
	for _, name := range []string{"qwen2.json", "llama3.json", "bytes", "wordlevel.json", "o200k_base"} {
		t.Run(name, func(t *testing.T) {
			tok := load(t, name)
			rapid.Check(t, func(r *rapid.T) {
				ids := tok.Encode(texts().Draw(r, "text"), bpe.Options{})
				if n := len(ids); n > 0 && rapid.Bool().Draw(r, "cut") {
					ids = ids[rapid.IntRange(0, n-1).Draw(r, "from"):] // it may begin inside a character
				}
				s := tok.NewStream(bpe.DecodeOptions{})
				var got strings.Builder
				for _, id := range ids {
					part, err := s.Next(id)
					if err != nil || !utf8.ValidString(part) {
						r.Fatalf("%v: %+q, %v", ids, part, err)
					}
					got.WriteString(part)
				}
				got.WriteString(s.Flush())
				if want, err := tok.Decode(ids, bpe.DecodeOptions{}); err != nil || got.String() != want {
					r.Fatalf("%v: the stream gives %+q, Decode %+q, %v", ids, got.String(), want, err)
				}
			})
		})
	}
}

func TestGoroutinesDoNotDisturbEachOther(t *testing.T) {
	tok, err := bpe.Load("testdata/qwen2.json") // fresh: the first to meet a piece learns it
	if err != nil {
		t.Fatal(err)
	}
	all, err := goldens()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, g := range all {
				if g.Tokenizer == "qwen2.json" && !slices.Equal(tok.Encode(g.Text, bpe.Options{}), g.IDs) {
					t.Errorf("%+q: wrong ids", g.Text)
				}
			}
		})
	}
	wg.Wait()
}
