package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// LoadChat finds the chat template beside a tokenizer file (or in a folder that holds one): chat_template.jinja, or chat_template in
// tokenizer_config.json. It is nil, with no error, where there is none.
func LoadChat(tokenizerPath string) (*Chat, error) {
	dir := tokenizerPath
	if info, err := os.Stat(tokenizerPath); err != nil {
		return nil, fmt.Errorf("chat template of %q: %w", tokenizerPath, err)
	} else if !info.IsDir() {
		dir = filepath.Dir(tokenizerPath)
	}
	c, err := loadChat(os.DirFS(dir))
	if err != nil {
		return nil, fmt.Errorf("chat template of %q: %w", tokenizerPath, err)
	}
	return c, nil
}

func loadChat(dir fs.FS) (*Chat, error) {
	config := map[string]json.RawMessage{}
	data, err := fs.ReadFile(dir, "tokenizer_config.json")
	if err == nil {
		err = json.Unmarshal(data, &config)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read tokenizer_config.json: %w", err)
	}
	source, err := fs.ReadFile(dir, "chat_template.jinja")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read chat_template.jinja: %w", err)
	}
	if err == nil {
		return ParseChat(string(source), specialTokens(config))
	}
	text, err := configTemplate(config["chat_template"])
	if err != nil || text == "" {
		return nil, err
	}
	return ParseChat(text, specialTokens(config))
}

// configTemplate reads chat_template: a string, or a list of named templates of which "default" is the one.
func configTemplate(raw json.RawMessage) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, nil
	}
	var named []struct{ Name, Template string }
	if err := json.Unmarshal(raw, &named); err != nil {
		return "", fmt.Errorf("tokenizer_config.json: chat_template is neither a string nor a list of {name, template}: %w", err)
	}
	var names []string
	for _, n := range named {
		if n.Name == "default" {
			return n.Template, nil
		}
		names = append(names, n.Name)
	}
	return "", fmt.Errorf("tokenizer_config.json: chat_template has no template named \"default\" (it has %q); write the one you want to a file and name it", names)
}

// specialTokens are the *_token entries, each a string or an AddedToken.
func specialTokens(config map[string]json.RawMessage) map[string]string {
	special := map[string]string{}
	for name, raw := range config {
		if !strings.HasSuffix(name, "_token") {
			continue
		}
		var text string
		var added struct{ Content *string }
		if json.Unmarshal(raw, &text) == nil && string(raw) != "null" {
			special[name] = text
		} else if json.Unmarshal(raw, &added) == nil && added.Content != nil {
			special[name] = *added.Content
		}
	}
	return special
}
