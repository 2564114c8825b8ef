package bpe

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Load reads a tokenizer from a file, tokenizer.json or a tiktoken rank file, told apart by what is in it; or from a folder
// that holds a tokenizer.json.
func Load(path string) (*Tokenizer, error) {
	data, err := os.ReadFile(path)
	if err != nil && isDir(path) {
		path = filepath.Join(path, "tokenizer.json")
		data, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("bpe: read tokenizer: %w", err)
	}
	return Parse(filepath.Base(path), data)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Type() == fs.ModeDir
}

// Parse makes a tokenizer from the content of a file. The name serves to call it by, and to choose the pattern of a tiktoken
// rank file that is none of the known ones: those files hold no pattern.
func Parse(name string, data []byte) (*Tokenizer, error) {
	t := &Tokenizer{name: name, sum: sha256.Sum256(data)}
	var err error
	switch first := bytes.TrimLeft(data, " \t\r\n"); {
	case len(first) == 0:
		err = errors.New("the file is empty")
	case first[0] == '{':
		err = t.parseHuggingFace(data)
	case isRankFile(first):
		err = t.parseRanks(data)
	default:
		err = errors.New("neither a tokenizer.json nor a tiktoken rank file (lines of base64 and a number); " +
			"a SentencePiece model can be converted with transformers: AutoTokenizer.from_pretrained(...).save_pretrained(...)")
	}
	if err != nil {
		return nil, fmt.Errorf("bpe: tokenizer %q: %w", name, err)
	}
	return t, nil
}

// PathError is an error at one place of a tokenizer.json.
type PathError struct {
	Path string // Example: model.merges[17]
	Err  error
}

func (e *PathError) Error() string { return strings.TrimPrefix(e.Path+": ", ": ") + e.Err.Error() }

// Unwrap returns the error without its place.
func (e *PathError) Unwrap() error { return e.Err }

func wrong(path, format string, args ...any) error {
	return &PathError{Path: path, Err: fmt.Errorf(format, args...)}
}

// ErrUnsupported is in the chain of every error about a part that works in the reference but not here.
var ErrUnsupported = errors.New("not supported by this engine")

func unsupported(path, what, hint string) error {
	return &PathError{Path: path, Err: fmt.Errorf("%s is %w; %s", what, ErrUnsupported, hint)}
}
