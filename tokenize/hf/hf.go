//go:build hf

package hf

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"unicode/utf8"

	"github.com/daulet/tokenizers"
)

// The texts that do not reach the engine.
var (
	ErrNUL     = errors.New("the text holds a NUL byte, at which the engine would cut it")
	ErrInvalid = errors.New("the text is not valid UTF-8, which the engine would replace silently")
)

// Tokenizer is safe for any number of goroutines.
type Tokenizer struct{ t *tokenizers.Tokenizer }

// Load reads a tokenizer.json.
func Load(path string) (*Tokenizer, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("hf: read tokenizer: %w", err)
	}
	return Parse(data)
}

// Parse makes a tokenizer from the content of a tokenizer.json.
func Parse(data []byte) (*Tokenizer, error) {
	inner, err := tokenizers.FromBytes(data)
	if err != nil {
		return nil, fmt.Errorf("hf: %w", err)
	}
	t := &Tokenizer{inner}
	runtime.AddCleanup(t, func(inner *tokenizers.Tokenizer) { _ = inner.Close() }, inner)
	return t, nil
}

// Encode returns the ids of the text.
func (t *Tokenizer) Encode(text string, addSpecial bool) ([]int32, error) {
	return t.AppendEncode(nil, text, addSpecial)
}

// AppendEncode appends the ids of the text to dst. Added tokens are always matched; addSpecial runs the post-processor.
func (t *Tokenizer) AppendEncode(dst []int32, text string, addSpecial bool) ([]int32, error) {
	if err := check(text); err != nil {
		return dst, err
	}
	if text == "" && !addSpecial {
		return dst, nil
	}
	ids, _ := t.t.Encode(text, addSpecial)
	runtime.KeepAlive(t)
	for _, id := range ids {
		dst = append(dst, int32(id))
	}
	return dst, nil
}

// Count returns the number of ids of the text.
func (t *Tokenizer) Count(text string, addSpecial bool) (int, error) {
	ids, err := t.AppendEncode(nil, text, addSpecial)
	return len(ids), err
}

// Decode returns the text of the ids.
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) string {
	raw := make([]uint32, len(ids))
	for i, id := range ids {
		raw[i] = uint32(id)
	}
	defer runtime.KeepAlive(t)
	return t.t.Decode(raw, skipSpecial)
}

// VocabSize returns the number of tokens.
func (t *Tokenizer) VocabSize() int { return int(t.t.VocabSize()) }

func check(text string) error {
	if i := strings.IndexByte(text, 0); i >= 0 {
		return fmt.Errorf("hf: byte %d: %w", i, ErrNUL)
	}
	if !utf8.ValidString(text) {
		return fmt.Errorf("hf: %w", ErrInvalid)
	}
	return nil
}
