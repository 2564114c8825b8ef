package tokenize

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/tokenize/template"
)

// ErrTemplate means that a prompt template is not the one that rendered a dataset's prompts.
var ErrTemplate = errors.New("not the prompt template of the build")

// PromptOfDataset loads the prompt template that rendered a dataset's prompts, so that they can
// be rendered again. file is that of a template that is not built in, which a dataset does not
// keep; empty for a built-in one. The manifest's hash says whether it is the right one.
func PromptOfDataset(dir string, m *dataset.Manifest, file string) (*template.PromptTemplate, error) {
	if m.Template == nil {
		return nil, fmt.Errorf("dataset %s: it has not been tokenized", dir)
	}
	builtin, err := template.ParsePrompt(m.Template.Prompt, "")
	if err == nil && file == "" {
		return builtin, nil
	}
	if file == "" {
		return nil, fmt.Errorf("dataset %s: %w: it was made with the file %q, which is not named", dir, ErrTemplate, m.Template.Prompt)
	}
	prompt, err := loadPrompt(file)
	if err != nil {
		return nil, err
	}
	chat, err := chatOfDataset(dir, m)
	if err != nil {
		return nil, fmt.Errorf("dataset %s: %w", dir, err)
	}
	if got := template.NewRenderer(prompt, chat).Hash(); got != m.Template.SHA256 {
		return nil, fmt.Errorf("dataset %s: %s is %w: its hash, with the chat template, is %.16s, the manifest says %.16s", dir, file, ErrTemplate, got, m.Template.SHA256)
	}
	return prompt, nil
}

// chatOfDataset loads the chat template from the dataset's own copy, nil for none.
func chatOfDataset(dir string, m *dataset.Manifest) (*template.Chat, error) {
	if m.Template.Chat == ChatNone {
		return nil, nil
	}
	chat, err := template.LoadChat(filepath.Join(dir, "tokenizer"))
	if err == nil && chat == nil {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("chat template %q: %w", m.Template.Chat, err)
	}
	var o Options
	if err := json.Unmarshal(m.Config[dataset.StageTokenize], &o); err != nil {
		return nil, fmt.Errorf("%w: config of %s: %w", dataset.ErrCorrupt, dataset.StageTokenize, err)
	}
	date, err := o.date()
	if err == nil && !date.IsZero() {
		chat = chat.WithDate(date)
	}
	return chat, err
}
