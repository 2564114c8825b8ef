// Package ingest is stage 1: sources in, samples out.
//
// Plan looks at the inputs once and cuts them into splits; OpenSplit reads one split as
// chunks of raw records; a Parser turns a chunk into Arrow batches of samples and a list
// of rejects. The three are separate so that one goroutine reads while many parse:
//
//	files ──Plan──▶ splits ──OpenSplit──▶ chunks of records ──Parser──▶ Arrow batches
//	                                                            └─────▶ rejects
//
// The rule: what comes out is a function of the bytes of the inputs and the options. The
// size of splits, the number of goroutines and the machine change nothing but the speed,
// and every record is accounted for: samples in = rows emitted + rejects.
//
// The cost: a chunk of up to 1 MiB (or one longer record) per goroutine in flight, plus
// about as much for the texts cut out of it. DESIGN.md has the figures.
package ingest

import (
	"errors"

	"github.com/longctx/pipeline/dataset"
)

// Defaults of Options.
const (
	DefaultMaxRecord  = 64 << 20
	DefaultSplitBytes = 64 << 20
)

// FormatAuto asks Plan to recognize the format of each file by its first records.
const FormatAuto = "auto"

// ErrInputChanged means that an input is not what it was when it was planned.
var ErrInputChanged = errors.New("input changed while it was read")

// An Input names files to read, and how.
type Input struct {
	Path       string            // a file, or a pattern with *, **, ?, [..], {..}
	Format     string            // name of a family, or "auto" (the default)
	Map        map[string]string // field of the sample -> path in the record. Example: question -> "query"
	DataSource string            // task name of records that do not say one; optional
	Documents  string            // folder of the documents that the records name; optional, generic format only
	Name       string            // of the one file that Path is, as manifests have it; empty: its path below the folder where a pattern begins
}

// Options say what to read.
type Options struct {
	Inputs         []Input
	MaxRecord      int64 // bytes; a longer record is rejected. 0: DefaultMaxRecord
	SplitBytes     int64 // bytes of input per split. 0: DefaultSplitBytes
	AllowNoContext bool  // take samples without a document

	PDF func([]byte) (string, error) // reads PDFs of Input.Documents; nil: documents.PDFText, which damaged ones can keep for ever
}

func (o *Options) defaults() {
	if o.MaxRecord <= 0 {
		o.MaxRecord = DefaultMaxRecord
	}
	if o.SplitBytes <= 0 {
		o.SplitBytes = DefaultSplitBytes
	}
}

// Counts is what a parser has seen.
type Counts struct {
	Records int64 // raw records, blank lines left out
	In      int64 // samples, and records that could not become one: Kept + len(rejects)
	Kept    int64 // samples emitted
}

// Add adds the counts of another chunk.
func (c *Counts) Add(o Counts) {
	c.Records += o.Records
	c.In += o.In
	c.Kept += o.Kept
}

// Sum is what a reader knows of a split when it has read all of it.
type Sum struct {
	SHA256 string // of exactly the bytes that the split owns
	Lines  int64  // lines (blank ones too) or rows, for numbering across splits
	Bytes  int64  // bytes hashed
}

// Stage is the name under which rejects of this package are filed.
const stage = string(dataset.StageIngest)
