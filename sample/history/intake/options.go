package intake

import (
	"fmt"
	"io/fs"
	"math"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
)

// Formats of reward files.
const (
	FormatAuto  = "auto"  // by the fields of the first record
	FormatJSONL = "jsonl" // {"sample_id" or "id", "rewards": [..], ...}: a group on a line
	FormatVerl  = "verl"  // {"input", "output", "score", "step"}: a rollout on a line
)

// DefaultMaxRecord is the longest line that is read, in bytes.
const DefaultMaxRecord = 64 << 20

// Options say what to import, and what to take where a record does not say.
type Options struct {
	From    fs.FS      // where the files are
	Files   []string   // in From, in the order to read them
	Dataset dataset.FS // the dataset's folder, for history/quarantine
	Samples *Samples

	Format      string // FormatAuto if empty
	Run         string // name of records that do not say one; {policy} in it is replaced
	TrainStage  string
	Phase       int32
	Step        int64
	Policy      string
	Judge       string
	Limits      history.Limits
	Range       Range  // of the rewards in the files, mapped to [0, 1]; zero: UnitRange
	RewardField string // verl: the field with the unshaped reward; "score" if empty

	KeepResponses bool                  // record the text of responses too
	CountTokens   func(text string) int // verl: length of a response; nil: unknown
	Resumed       *history.Cursor       // supersede what is at or past it first
	MaxRecord     int                   // bytes; 0: DefaultMaxRecord
}

func (o *Options) setDefaults() error {
	if o.Format == "" {
		o.Format = FormatAuto
	}
	if o.RewardField == "" {
		o.RewardField = "score"
	}
	if o.MaxRecord == 0 {
		o.MaxRecord = DefaultMaxRecord
	}
	if o.Range == (Range{}) {
		o.Range = UnitRange
	}
	if r := o.Range; !(r.Low < r.High) || math.IsInf(r.High-r.Low, 0) {
		return fmt.Errorf("range %v..%v is empty", r.Low, r.High)
	}
	switch o.Format {
	case FormatAuto, FormatJSONL, FormatVerl:
		return nil
	}
	return fmt.Errorf("unknown format %q: auto, jsonl or verl", o.Format)
}

// A Report says what became of an import: every record became part of an outcome, or is bad.
type Report struct {
	Files      []File
	Records    int64                    // lines that are not empty
	Bad        map[dataset.Reason]int64 // records in quarantine
	Added      int64                    // outcomes that are new
	Same       int64                    // outcomes that the history had
	Superseded int64                    // outcomes that Options.Resumed took back
	Rollouts   int64                    // of all outcomes read
	Unknown    int64                    // of those, rewards that are null
	Quarantine string                   // file with the bad records; empty: none
	Snapshot   string                   // id of the history's snapshot that has them all
	FirstBad   *dataset.Reject          // nil: none
}

// A File is one that was read.
type File struct {
	Name    string
	Format  string
	Records int64
}

// BadRecords returns how many records went to quarantine.
func (r *Report) BadRecords() int64 {
	var n int64
	for _, b := range r.Bad {
		n += b
	}
	return n
}

// BadShare returns the share of the records that went to quarantine.
func (r *Report) BadShare() float64 {
	return float64(r.BadRecords()) / float64(max(r.Records, 1))
}
