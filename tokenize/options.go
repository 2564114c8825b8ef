// Package tokenize is stage 2: it renders each sample's prompt and gives it its token ids.
//
// Its rule: the whole rendered prompt is encoded once, never in pieces, and what a document
// or a question brought in cannot become a special token unless the options say so. The
// engine is in bpe, the text of prompts in template; this package joins them to samples.
package tokenize

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/tokenize/bpe"
	"github.com/longctx/pipeline/tokenize/template"
)

// What becomes of text in a question or a context that spells a special token.
const (
	SpecialText  = "text"  // it stays text
	SpecialParse = "parse" // it becomes the token, as Hugging Face tokenizers do
)

// Choices of a chat template besides a file.
const (
	ChatAuto = "auto" // the one beside the tokenizer, none where there is none
	ChatNone = "none"
)

// DefaultTokenizer works with nothing downloaded.
const DefaultTokenizer = "o200k_base"

// Options say how prompts are written and encoded.
type Options struct {
	Tokenizer            string `json:"-"`                    // a file, a folder that holds tokenizer.json, or a built-in name
	Template             string `json:"template"`             // built-in name or file
	ChatTemplate         string `json:"chat_template"`        // ChatAuto, ChatNone or a file
	ChatDate             string `json:"chat_date,omitempty"`  // what strftime_now says to the chat template. Example: "2026-11-23"
	SpecialTokens        string `json:"special_tokens"`       // SpecialText or SpecialParse
	CountQuestionContext bool   `json:"question_and_context"` // also count question and context alone
}

// Effective returns the options as they stand in a manifest: files by their base names, since
// their hashes are there too.
func (o Options) Effective() Options {
	o.Template, o.ChatTemplate = filepath.Base(o.Template), filepath.Base(o.ChatTemplate)
	return o
}

func (o *Options) setDefaults() error {
	for _, d := range []struct {
		value *string
		def   string
	}{{&o.Tokenizer, DefaultTokenizer}, {&o.Template, template.DefaultPrompt}, {&o.ChatTemplate, ChatAuto}, {&o.SpecialTokens, SpecialText}} {
		if *d.value == "" {
			*d.value = d.def
		}
	}
	if _, err := o.date(); err != nil {
		return err
	}
	if o.SpecialTokens != SpecialText && o.SpecialTokens != SpecialParse {
		return fmt.Errorf("special tokens: %q is neither %q nor %q", o.SpecialTokens, SpecialText, SpecialParse)
	}
	return nil
}

func isBuiltin(name string) bool { return slices.Contains(bpe.Names(), name) }

// LoadTokenizer loads a tokenizer by built-in name, file or folder.
func LoadTokenizer(name string) (*bpe.Tokenizer, error) {
	if isBuiltin(name) {
		return bpe.Named(name)
	}
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("tokenizer %q: no such file, and not one of the built-in names %q", name, bpe.Names())
	}
	return bpe.Load(name)
}

// loadPrompt reads the prompt template: a built-in name or a file.
func loadPrompt(name string) (*template.PromptTemplate, error) {
	if p, err := template.ParsePrompt(name, ""); err == nil {
		return p, nil
	}
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return template.ParsePrompt(name, "")
	}
	if err != nil {
		return nil, fmt.Errorf("prompt template: %w", err)
	}
	return template.ParsePrompt(filepath.Base(name), string(text))
}

// loadChat returns the chat template, nil for none, and the source it has when it came from a file.
func loadChat(o Options) (chat *template.Chat, source string, err error) {
	var special map[string]string
	if !isBuiltin(o.Tokenizer) {
		if chat, err = template.LoadChat(o.Tokenizer); err != nil && o.ChatTemplate == ChatAuto {
			return nil, "", err
		}
		if special, err = template.LoadSpecial(o.Tokenizer); err != nil {
			return nil, "", err
		}
	}
	switch o.ChatTemplate {
	case ChatNone:
		return nil, "", nil
	case ChatAuto:
	default:
		text, err := os.ReadFile(o.ChatTemplate)
		if err != nil {
			return nil, "", fmt.Errorf("chat template: %w", err)
		}
		source = string(text)
		if chat, err = template.ParseChat(source, special); err != nil {
			return nil, "", err
		}
	}
	if date, err := o.date(); chat != nil && err == nil && !date.IsZero() {
		chat = chat.WithDate(date)
	}
	return chat, source, nil
}

// date returns the date that the chat template is told, zero for none.
func (o Options) date() (time.Time, error) {
	if o.ChatDate == "" {
		return time.Time{}, nil
	}
	date, err := time.Parse(time.DateOnly, o.ChatDate)
	if err != nil {
		return date, fmt.Errorf("chat date: %q is not a date such as 2026-11-23", o.ChatDate)
	}
	return date, nil
}

// OfDataset loads the tokenizer that made a dataset's ids, from the dataset's own copy.
func OfDataset(dir string, m *dataset.Manifest) (*bpe.Tokenizer, error) {
	if m.Tokenizer == nil {
		return nil, fmt.Errorf("dataset %s: it has not been tokenized", dir)
	}
	name := m.Tokenizer.Name
	if !isBuiltin(name) {
		name = filepath.Join(dir, "tokenizer", name)
	}
	tok, err := LoadTokenizer(name)
	if err != nil {
		return nil, fmt.Errorf("dataset %s: %w", dir, err)
	}
	if tok.SHA256() != m.Tokenizer.SHA256 {
		return nil, fmt.Errorf("dataset %s: %w: its tokenizer is not the one that made its ids", dir, dataset.ErrCorrupt)
	}
	return tok, nil
}
