package dataset

import (
	"encoding/json"
	"errors"
)

// FormatVersion is the version of the dataset format that this program writes.
//
//	1: phases and SFT shards, manifest with ledger and splits, quarantine as JSONL
const FormatVersion = 1

// ManifestName is the file that makes a folder a dataset. It is written last.
const ManifestName = "manifest.json"

// ErrNoManifest means that a folder holds no finished dataset.
var ErrNoManifest = errors.New("no manifest")

// A Stage names what a dataset has been through.
type Stage string

// Stages of a build, in their order.
const (
	StageIngest   Stage = "ingest"
	StageTokenize Stage = "tokenize"
	StageBucket   Stage = "bucket"
)

// A Manifest names and hashes everything in a dataset. It holds nothing that must not
// change the bytes: no times, paths of the machine, number of workers or memory limit.
type Manifest struct {
	FormatVersion int        `json:"format_version"`
	ID            string     `json:"id"`    // hash of the rest of the manifest
	Stage         Stage      `json:"stage"` // the last stage that ran
	Config        Config     `json:"config"`
	Tokenizer     *Tokenizer `json:"tokenizer,omitempty"`
	Template      *Template  `json:"template,omitempty"`
	Inputs        []Input    `json:"inputs"`
	Splits        []Split    `json:"splits"`
	Phases        []Phase    `json:"phases,omitempty"`
	Shards        []Shard    `json:"shards"`
	Files         []File     `json:"files"` // quarantine and tokenizer files
	Ledger        []Ledger   `json:"ledger"`
}

// Config is the effective configuration of each stage that ran, as JSON objects of
// that stage's options.
type Config map[Stage]json.RawMessage

// Tokenizer identifies the tokenizer that made the ids.
type Tokenizer struct {
	Name      string `json:"name"`   // Example: "o200k_base", "tokenizer.json"
	SHA256    string `json:"sha256"` // of the file that holds vocabulary and merges
	VocabSize int    `json:"vocab_size"`
}

// Template identifies how prompts were rendered.
type Template struct {
	Prompt string `json:"prompt"` // Example: "qwenlong-l1"
	Chat   string `json:"chat"`   // "none", or where the chat template came from
	SHA256 string `json:"sha256"` // of everything that decides the rendered text
}

// An Input is one source file of a build.
type Input struct {
	Name   string `json:"name"`   // relative to where its pattern began. Example: "val.jsonl"
	Format string `json:"format"` // Example: "jsonl", "qmsum", "verl"
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // of the concatenated SHA-256 sums (32 bytes each) of its splits
}

// A Split is the unit of build work: a line-aligned byte range of a text input, or a
// range of row groups of a Parquet file. A compressed input is one split.
type Split struct {
	Input     int    `json:"input"` // index into Inputs
	Start     int64  `json:"start"` // bytes, or row groups; [Start, End)
	End       int64  `json:"end"`
	FirstLine int64  `json:"first_line"` // number of its first line or row, from 1; set by commit
	SHA256    string `json:"sha256"`     // of the bytes read; set when the split is done
}

// Kind tells RL samples from SFT samples; they are kept and counted apart.
type Kind string

// Kinds of samples. KindMixed is for the shards of stages without phases.
const (
	KindRL    Kind = "rl"
	KindSFT   Kind = "sft"
	KindMixed Kind = "mixed"
)

// A Phase is a step of the curriculum: the samples whose length is in (Min, Max].
type Phase struct {
	Phase      int32 `json:"phase"` // from 1
	Min        int32 `json:"min"`   // tokens, exclusive
	Max        int32 `json:"max"`   // tokens, inclusive
	Samples    int64 `json:"samples"`
	Tokens     int64 `json:"tokens"` // of prompts
	SFTSamples int64 `json:"sft_samples"`
	SFTTokens  int64 `json:"sft_tokens"` // of prompts and responses
}

// A Shard is one Parquet file of samples.
type Shard struct {
	Path   string `json:"path"` // relative to the dataset, with slashes
	Kind   Kind   `json:"kind"`
	Phase  int32  `json:"phase,omitempty"`
	Split  int    `json:"split"`
	Rows   int64  `json:"rows"`
	Tokens int64  `json:"tokens"` // prompt tokens, and response tokens of SFT samples
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// A File is any other file of the dataset.
type File struct {
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}
