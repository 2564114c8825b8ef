package eval

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/longctx/pipeline/dataset"
)

// FormatVersion is the version of the output folder that this program writes.
//
//	1: config.json, response segments with a checksum a line, rollouts.jsonl, report.json
const FormatVersion = 1

// Ways to ask.
const (
	APIChat        = "chat"        // messages; the server applies its chat template
	APICompletions = "completions" // the dataset's own prompt token ids
)

// What becomes of a prompt that does not fit into the context.
const (
	TruncateNone   = "none"   // the sample is refused
	TruncateMiddle = "middle" // head and tail of the context are kept
)

// A Config is everything that decides what is asked. A folder belongs to one config: a run that
// goes on must have the same.
type Config struct {
	Version       int       `json:"format_version"`
	DatasetID     string    `json:"dataset_id"`
	Selection     Selection `json:"samples"`
	Model         string    `json:"model"`
	API           string    `json:"api"`
	Template      string    `json:"prompt_template"` // its text; empty: of the prompt token ids
	N             int       `json:"n"`               // responses for each sample
	PerRequest    int       `json:"n_per_request"`
	Temperature   float64   `json:"temperature"`
	TopP          float64   `json:"top_p"`
	MaxTokens     int       `json:"max_tokens"`     // of a response
	ContextLength int       `json:"context_length"` // of prompt and response together; 0: not known
	Truncate      string    `json:"truncate"`
	Seed          uint64    `json:"seed"`
}

// ConfigName is the file that makes a folder an evaluation.
const ConfigName = "config.json"

// ErrNoEval means that a folder holds no evaluation.
var ErrNoEval = errors.New("no evaluation")

// ErrDiffers is what every DiffersError is.
var ErrDiffers = errors.New("the folder belongs to another evaluation")

// A DiffersError names the first option in which two configs differ.
type DiffersError struct{ Option, Before, Now string }

func (e *DiffersError) Error() string {
	return fmt.Sprintf("%v: its %s is %s, not %s", ErrDiffers, e.Option, e.Before, e.Now)
}

// Is makes every DiffersError an ErrDiffers.
func (e *DiffersError) Is(target error) bool { return target == ErrDiffers }

// Validate returns an error that names the first option that cannot be used.
func (c *Config) Validate() error {
	switch {
	case c.Model == "":
		return errors.New("model: it has no name")
	case c.N < 1:
		return fmt.Errorf("n: %d is under 1", c.N)
	case c.PerRequest < 1:
		return fmt.Errorf("n-per-request: %d is under 1", c.PerRequest)
	case !(c.Temperature >= 0 && c.Temperature <= 10):
		return fmt.Errorf("temperature: %v is not in [0, 10]", c.Temperature)
	case !(c.TopP > 0 && c.TopP <= 1):
		return fmt.Errorf("top-p: %v is not in (0, 1]", c.TopP)
	case c.MaxTokens < 1:
		return fmt.Errorf("max-tokens: %d is under 1", c.MaxTokens)
	case c.ContextLength != 0 && c.ContextLength <= c.MaxTokens:
		return fmt.Errorf("context-length: %d has no room for a prompt beside %d tokens of response", c.ContextLength, c.MaxTokens)
	case c.API != APIChat && c.API != APICompletions:
		return fmt.Errorf("api: %q is neither %s nor %s", c.API, APIChat, APICompletions)
	case c.Truncate != TruncateNone && c.Truncate != TruncateMiddle:
		return fmt.Errorf("truncate: %q is neither %s nor %s", c.Truncate, TruncateNone, TruncateMiddle)
	case c.Truncate == TruncateMiddle && c.ContextLength == 0:
		return errors.New("truncate: it needs a context length to cut to")
	case c.N > 1 && c.Temperature == 0:
		return fmt.Errorf("n: %d responses at temperature 0 are all alike", c.N)
	}
	return nil
}

// ReadConfig reads the config of a folder. ErrNoEval, dataset.ErrCorrupt.
func ReadConfig(fsys fs.FS) (*Config, error) {
	data, err := fs.ReadFile(fsys, ConfigName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoEval
	}
	if err != nil {
		return nil, err
	}
	c := new(Config)
	if err := json.Unmarshal(data, c); err != nil {
		return nil, fmt.Errorf("read %s: %w: %w", ConfigName, dataset.ErrCorrupt, err)
	}
	if c.Version < 1 || c.Version > FormatVersion {
		return nil, fmt.Errorf("read %s: format version %d, this program knows 1 to %d", ConfigName, c.Version, FormatVersion)
	}
	return c, nil
}

// Claim makes a folder that of a config, or makes sure that it is. DiffersError.
func (c *Config) Claim(fsys dataset.FS) error {
	c.Version = FormatVersion
	before, err := ReadConfig(fsys)
	switch {
	case errors.Is(err, ErrNoEval):
		data, err := json.MarshalIndent(c, "", "  ")
		if err != nil {
			return err
		}
		_, err = dataset.WriteFile(fsys, ConfigName, append(data, '\n'))
		return err
	case err != nil:
		return err
	}
	return differs("", flat(before), flat(c))
}

// flat is a config as JSON has it.
func flat(c *Config) map[string]any {
	data, err := json.Marshal(c)
	if err != nil {
		panic(err) // plain data
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		panic(err)
	}
	return m
}

// optionNames are the names of config keys as a person gives them, where they differ by more
// than a hyphen.
var optionNames = map[string]string{"dataset_id": "dataset", "samples.plan": "plan", "samples.phase": "phase", "samples.limit": "limit", "samples.seed": "seed"}

// differs compares two configs key by key.
func differs(prefix string, before, now map[string]any) error {
	for _, name := range sortedKeys(before, now) {
		a, b := before[name], now[name]
		sub, nested := a.(map[string]any)
		if other, too := b.(map[string]any); nested && too {
			if err := differs(prefix+name+".", sub, other); err != nil {
				return err
			}
			continue
		}
		if a == b {
			continue
		}
		option := prefix + name
		if known, ok := optionNames[option]; ok {
			option = known
		}
		return &DiffersError{strings.ReplaceAll(option, "_", "-"), show(a), show(b)}
	}
	return nil
}

func show(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // came from JSON
	}
	return string(data)
}
