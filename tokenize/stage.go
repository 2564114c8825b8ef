package tokenize

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/tokenize/bpe"
	"github.com/longctx/pipeline/tokenize/template"
)

// A Stage tokenizes batches. It is safe for any number of goroutines.
type Stage struct {
	options  Options
	tok      *bpe.Tokenizer
	renderer *template.Renderer
	chatText string // source of a chat template that was given as a file
	eos      int32  // ends a response; -1 where the tokenizer does not say which it is
}

// New loads tokenizer and templates.
func New(o Options) (*Stage, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	tok, err := LoadTokenizer(o.Tokenizer)
	if err != nil {
		return nil, err
	}
	prompt, err := loadPrompt(o.Template)
	if err != nil {
		return nil, err
	}
	chat, chatText, err := loadChat(o)
	if err != nil {
		return nil, err
	}
	s := &Stage{options: o, tok: tok, renderer: template.NewRenderer(prompt, chat), chatText: chatText}
	s.eos, err = endOfResponse(o.Tokenizer, tok)
	return s, err
}

// endOfResponse returns the id of the tokenizer's eos_token, which trainers put behind a
// response so that the policy learns to stop; -1 where none is known.
func endOfResponse(name string, tok *bpe.Tokenizer) (int32, error) {
	text := "<|endoftext|>"
	if !isBuiltin(name) {
		special, err := template.LoadSpecial(name)
		if err != nil {
			return 0, err
		}
		if special["eos_token"] != "" {
			text = special["eos_token"]
		}
	}
	if id, ok := tok.TokenID(text); ok && tok.Special(id) {
		return id, nil
	}
	return -1, nil
}

// Options returns the options with their defaults filled in.
func (s *Stage) Options() Options { return s.options }

// HasChat reports whether there is a chat template.
func (s *Stage) HasChat() bool { return s.renderer.Chat() != nil }

// Tokenizer identifies the tokenizer for the manifest.
func (s *Stage) Tokenizer() *dataset.Tokenizer {
	return &dataset.Tokenizer{Name: filepath.Base(tokenizerFile(s.options.Tokenizer)), SHA256: s.tok.SHA256(), VocabSize: s.tok.VocabSize()}
}

// tokenizerFile returns the file that a tokenizer is loaded from.
func tokenizerFile(name string) string {
	if info, err := os.Stat(name); err == nil && info.IsDir() && !isBuiltin(name) {
		return filepath.Join(name, "tokenizer.json")
	}
	return name
}

// Template identifies the prompt and chat templates for the manifest.
func (s *Stage) Template() *dataset.Template {
	t := &dataset.Template{Prompt: filepath.Base(s.options.Template), Chat: ChatNone, SHA256: s.renderer.Hash()}
	if s.renderer.Chat() != nil {
		t.Chat = "tokenizer"
		if s.chatText != "" {
			t.Chat = filepath.Base(s.options.ChatTemplate)
		}
	}
	return t
}

// Files returns the tokenizer's own files as the dataset keeps them, so that ids can be
// decoded wherever it goes. A built-in tokenizer has none.
func (s *Stage) Files() (map[string][]byte, error) {
	files := map[string][]byte{}
	if isBuiltin(s.options.Tokenizer) {
		return files, nil
	}
	path := tokenizerFile(s.options.Tokenizer)
	for _, name := range []string{filepath.Base(path), "tokenizer_config.json", "chat_template.jinja"} {
		data, err := os.ReadFile(filepath.Join(filepath.Dir(path), name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if sum := sha256.Sum256(data); name == filepath.Base(path) && hex.EncodeToString(sum[:]) != s.tok.SHA256() {
			return nil, fmt.Errorf("tokenizer %q changed while the dataset was built", path)
		}
		files["tokenizer/"+name] = data
	}
	if s.chatText != "" {
		files["tokenizer/chat_template.jinja"] = []byte(s.chatText)
	}
	return files, nil
}

// Apply returns the batch with token columns. Rows whose prompt cannot be rendered have no
// tokens and a reject instead. The caller releases both batches.
func (s *Stage) Apply(rec arrow.Record) (arrow.Record, map[int]dataset.Reject, error) {
	v := dataset.ViewBatch(rec)
	tokens := dataset.NewTokenBuilder()
	defer tokens.Release()
	refused := map[int]dataset.Reject{}
	notes := make([]dataset.Notes, v.Rows())
	for i := range v.Rows() {
		notes[i] = v.Place(i).Notes
		if s.forges(v, i) {
			notes[i] |= dataset.NoteSpecial
		}
		if err := s.encode(v, i, tokens); err != nil {
			refused[i] = refuse(v, i, err)
		}
	}
	out := dataset.Extend(rec, dataset.TokenizeSchema, tokens.Columns()...)
	defer out.Release()
	return dataset.WithNotes(out, notes), refused, nil
}
