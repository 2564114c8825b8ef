package synth

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Words of the recall tasks: 32 keys, 32 values, 32 for filler.
var (
	recallKeys = strings.Fields(`Ada Ben Cleo Dan Eva Finn Gus Hana Ida Jon Kim Leo Mia Ned Olga Paul Quinn Rosa Sam Tess Uma Vic Wanda Xena
		Yves Zoe Abel Bella Carl Dora Emil Flora`)
	recallValues = strings.Fields(`amber azure basil cedar coral cobalt copper crystal ebony fern flint garnet ginger hazel indigo iris ivory jade
		jasper laurel lilac maple marble olive onyx opal pearl quartz ruby saffron silver topaz`)
	recallFiller = strings.Fields(`and but so then now here there again once still yet too also well indeed perhaps maybe often soon later never
		always quite rather almost just even only very much more less`)
)

// Marks of the recall tasks.
const (
	endMark      = "<|endoftext|>"
	unknownMark  = "[UNK]"
	questionMark = "?"
	rareMark     = "<"
)

// Vocabulary returns the words of the recall tasks in the order of their ids.
func Vocabulary() []string {
	words := []string{endMark, unknownMark, questionMark, rareMark}
	for _, list := range [][]string{recallKeys, recallValues, recallFiller} {
		words = append(words, list...)
	}
	return words
}

// Tokenizer returns the files of a tokenizer whose tokens are the words of the recall tasks:
// tokenizer.json (model WordLevel) and tokenizer_config.json. The cost: 100 tokens.
func Tokenizer() map[string][]byte {
	vocab := map[string]int{}
	for id, word := range Vocabulary() {
		vocab[word] = id
	}
	special := func(id int, content string) map[string]any {
		return map[string]any{
			"id": id, "content": content, "special": true,
			"single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
		}
	}
	file := map[string]any{
		"version": "1.0", "truncation": nil, "padding": nil,
		"added_tokens": []any{special(0, endMark), special(1, unknownMark)},
		"normalizer":   nil, "pre_tokenizer": map[string]any{"type": "WhitespaceSplit"}, "post_processor": nil, "decoder": nil,
		"model": map[string]any{"type": "WordLevel", "vocab": vocab, "unk_token": unknownMark},
	}
	config := map[string]any{
		"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": endMark, "pad_token": endMark, "unk_token": unknownMark,
		"clean_up_tokenization_spaces": false,
	}
	return map[string][]byte{"tokenizer.json": indented(file), "tokenizer_config.json": indented(config)}
}

func indented(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		panic(err) // plain data
	}
	return b.Bytes()
}
