package bpe

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// The patterns of tokenizer.json files that are written out by hand.
const (
	regexGPT2     = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	regexQwen     = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	regexLlama3   = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	regexO200K    = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	regexDigits3  = `\p{N}{1,3}`
	regexChinese  = "[一-龥\u3040-ゟ゠-ヿ]+"
	regexDeepseek = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"
)

// step is one pre-tokenizer of the sequence.
type step struct {
	path     string
	kind     string
	regex    string // of a Split
	useRegex bool   // of ByteLevel
	prefix   bool   // of ByteLevel
	single   bool   // of Digits
}

func (s step) isRegex(r string) bool { return s.kind == "Split" && s.regex == r }

// parsePreTokenizer flattens the sequence and chooses the pattern that does all of it at once, or a chain of splitters.
func (t *Tokenizer) parsePreTokenizer(data jsontext.Value) error {
	steps, err := flatten(nil, "pre_tokenizer", data)
	if err != nil {
		return err
	}
	if len(steps) == 0 || steps[len(steps)-1].kind != "ByteLevel" {
		return unsupported("pre_tokenizer", "a BPE model without ByteLevel as the last pre-tokenizer", "its vocabulary is not of bytes; the engine on daulet/tokenizers (build tag hf) does it")
	}
	level := steps[len(steps)-1]
	if level.prefix {
		if len(steps) > 1 {
			return unsupported(level.path+".add_prefix_space", "a space before every part of an earlier pre-tokenizer", "set it to false")
		}
		t.prefixSpace = true
	}
	steps = steps[:len(steps)-1]
	if level.useRegex {
		steps = append(steps, step{path: level.path, kind: "Split", regex: regexGPT2})
	}
	if t.fuse(steps) {
		t.cuts = true
		return nil
	}
	for _, s := range steps {
		one, err := s.splitter()
		if err != nil {
			return err
		}
		t.chain = append(t.chain, one)
	}
	return nil
}

// fuse chooses the pattern for the sequences that real tokenizers have.
func (t *Tokenizer) fuse(steps []step) bool {
	switch {
	case len(steps) == 0:
		t.pattern = whole{}
	case len(steps) == 1 && steps[0].isRegex(regexGPT2):
		t.pattern = gpt2{plainClasses()}
	case len(steps) == 1 && steps[0].isRegex(regexQwen):
		t.pattern = cl100k{plainClasses(), 1, false}
	case len(steps) == 1 && steps[0].isRegex(regexLlama3):
		t.pattern = cl100k{plainClasses(), 3, false}
	case len(steps) == 1 && steps[0].isRegex(regexO200K):
		t.pattern = o200k{plainClasses()}
	case len(steps) == 2 && steps[0].kind == "Digits" && steps[0].single && steps[1].isRegex(regexGPT2):
		t.pattern = gpt2{digitClasses()}
	case len(steps) == 3 && steps[0].isRegex(regexDigits3) && steps[1].isRegex(regexChinese) && steps[2].isRegex(regexDeepseek):
		t.pattern = newDeepseek()
	default:
		return false
	}
	return true
}

// splitter makes the step by itself.
func (s step) splitter() (splitter, error) {
	if s.kind == "Digits" {
		return digits{s.single}, nil
	}
	var one Tokenizer
	if one.fuse([]step{s}) {
		return by{one.pattern}, nil
	}
	return newRegex(s.path, s.regex)
}

// flatten appends the steps of a pre-tokenizer, those of sequences one by one.
func flatten(steps []step, path string, data jsontext.Value) ([]step, error) {
	kind, err := typeOf(path, data)
	if err != nil || kind == "" {
		return steps, err
	}
	s := step{path: path, kind: kind}
	switch kind {
	case "Sequence":
		var v struct {
			PreTokenizers []jsontext.Value `json:"pretokenizers"`
		}
		if err := decode(path, data, &v); err != nil {
			return nil, err
		}
		for i, part := range v.PreTokenizers {
			if steps, err = flatten(steps, fmt.Sprintf("%s.pretokenizers[%d]", path, i), part); err != nil {
				return nil, err
			}
		}
		return steps, nil
	case "ByteLevel":
		var v struct {
			Prefix   *bool `json:"add_prefix_space"`
			UseRegex *bool `json:"use_regex"`
		}
		err = decode(path, data, &v)
		s.prefix = v.Prefix != nil && *v.Prefix
		s.useRegex = v.UseRegex == nil || *v.UseRegex
	case "Digits":
		var v struct {
			Single bool `json:"individual_digits"`
		}
		err = decode(path, data, &v)
		s.single = v.Single
	case "Split":
		s.regex, err = splitRegex(path, data)
	case "Whitespace", "WhitespaceSplit":
	default:
		return nil, unsupported(path+".type", fmt.Sprintf("pre-tokenizer %q", kind), "Split, Digits, ByteLevel, Whitespace, WhitespaceSplit and sequences of them are; the engine on daulet/tokenizers (build tag hf) does the others")
	}
	return append(steps, s), err
}

func splitRegex(path string, data jsontext.Value) (string, error) {
	var v struct {
		Pattern struct {
			Regex  *string `json:"Regex"`
			String *string `json:"String"`
		} `json:"pattern"`
		Behavior string `json:"behavior"`
		Invert   bool   `json:"invert"`
	}
	if err := decode(path, data, &v); err != nil {
		return "", err
	}
	if v.Pattern.Regex == nil {
		return "", unsupported(path+".pattern", "a pattern that is no Regex", "write it as one")
	}
	covers := *v.Pattern.Regex == regexGPT2 || *v.Pattern.Regex == regexQwen || *v.Pattern.Regex == regexLlama3 || *v.Pattern.Regex == regexO200K
	switch {
	case v.Behavior == "Isolated":
	case v.Behavior == "Removed" && v.Invert && covers: // what does not match is removed, but everything matches
	default:
		return "", unsupported(path+".behavior", fmt.Sprintf("behavior %q (invert %t)", v.Behavior, v.Invert), `"Isolated" is`)
	}
	return *v.Pattern.Regex, nil
}

// parseWords reads the pre-tokenizer of a WordLevel model.
func (t *Tokenizer) parseWords(data jsontext.Value) error {
	steps, err := flatten(nil, "pre_tokenizer", data)
	if err != nil {
		return err
	}
	t.words = new(wordLevel)
	for _, s := range steps {
		switch {
		case s.kind == "Digits" && t.words.digits == nil:
			t.words.digits = &digits{s.single}
		case s.kind == "Whitespace":
			t.words.words = true
		case s.kind == "WhitespaceSplit":
			t.words.blanks = true
		default:
			return unsupported(s.path, fmt.Sprintf("pre-tokenizer %q before a WordLevel model", s.kind), "Whitespace, WhitespaceSplit and Digits are")
		}
	}
	return nil
}
