package bpe_test

import (
	"os"
	"strings"
	"testing"

	"github.com/longctx/pipeline/tokenize/bpe"
)

const prose = "The tokenizer's 12 pieces are counted, and what it can't count (say, \"unheardofwords\") is merged; 3.14 isn't.\n\n"

func BenchmarkEncode(b *testing.B) {
	texts := map[string]string{
		"prose":        strings.Repeat(prose, 500),
		"code":         strings.Repeat("\tfor i := range items {\n\t\tif items[i].ID == 0x1F {\n\t\t\treturn nil, fmt.Errorf(\"no %q\", name)\n\t\t}\n\t}\n", 500),
		"chinese":      strings.Repeat("分词器把文本切成片段，再把每个片段写成一个数字。", 500),
		"accents":      strings.Repeat("Où est l'élève naïf ? Šťastný žák přišel, größer als früher. ", 500),
		"unnormalised": strings.Repeat("e\u0301le\u0300ve nai\u0308f s\u0323\u0307 ", 500),
	}
	for _, name := range []string{"o200k_base", "cl100k_base", "r50k_base"} {
		tok := load(b, name)
		for kind, text := range texts {
			b.Run(name+"/"+kind, func(b *testing.B) { encode(b, tok, text) })
		}
	}
	for kind, text := range texts {
		b.Run("layouts/qwen2/"+kind, func(b *testing.B) { encode(b, load(b, "qwen2.json"), text) })
	}
	b.Run("layouts/regex", func(b *testing.B) { encode(b, load(b, "regex.json"), texts["prose"][:5000]) })
}

func encode(b *testing.B, tok *bpe.Tokenizer, text string) {
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	var dst []int32
	for b.Loop() {
		dst = tok.AppendEncode(dst[:0], text, bpe.Options{})
	}
}

func BenchmarkRealMeetings(b *testing.B) {
	docs, size := realTexts(b)
	tok, err := bpe.Load(realData(b, "tokenizers", "qwen2_5"))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(size))
	var dst []int32
	for b.Loop() {
		for _, doc := range docs {
			dst = tok.AppendEncode(dst[:0], doc, bpe.Options{})
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	data, err := os.ReadFile(realData(b, "tokenizers", "qwen2_5", "tokenizer.json"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bpe.Parse("tokenizer.json", data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	tok := load(b, "o200k_base")
	text := strings.Repeat(prose, 500)
	ids := tok.Encode(text, bpe.Options{})
	b.SetBytes(int64(len(text)))
	var dst []byte
	for b.Loop() {
		var err error
		if dst, err = tok.AppendDecode(dst[:0], ids, bpe.DecodeOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
