package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// LoadSpecial returns the named special tokens of tokenizer_config.json beside a tokenizer file, or in
// its folder. It is empty where there is no such file. Example: {"eos_token": "<|im_end|>"}
func LoadSpecial(tokenizerPath string) (map[string]string, error) {
	dir := tokenizerPath
	if info, err := os.Stat(tokenizerPath); err == nil && !info.IsDir() {
		dir = filepath.Dir(tokenizerPath)
	}
	data, err := os.ReadFile(filepath.Join(dir, "tokenizer_config.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var config map[string]json.RawMessage
	if err == nil {
		err = json.Unmarshal(data, &config)
	}
	if err != nil {
		return nil, fmt.Errorf("special tokens of %q: read tokenizer_config.json: %w", tokenizerPath, err)
	}
	return specialTokens(config), nil
}
