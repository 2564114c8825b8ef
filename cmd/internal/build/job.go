package build

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/longctx/pipeline/bucket"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/tokenize"
)

// A job is where splits come from: input files, or the dataset of the stage before.
type job interface {
	plan() (*Plan, error)
	open(ctx context.Context, split int) (source, error)
	// hash reads a split again and returns the SHA-256 of its bytes.
	hash(ctx context.Context, split int) (string, error)
	// carry returns files that the dataset takes over as they are, by path.
	carry() (map[string][]byte, error)
}

// A source cuts one split into tasks.
type source interface {
	// Next returns the next task, io.EOF at the end.
	Next() (task, error)
	// End returns what is known after the last task: the hash of the bytes read and the
	// number of lines or rows.
	End() (sha256 string, lines int64, err error)
	Close() error
}

// A task is a run of consecutive records. It is done by any worker; what it emits is
// written in the order of tasks.
type task struct {
	cost  int64 // bytes of memory that it is charged while in flight
	bytes int64 // of input, for the progress
	run   func(emit func(output) error) error
}

// An output is a batch on its way to the shards.
type output struct {
	rec     arrow.Record           // nil where there are only rejects
	rejects []dataset.Reject       // records that never became samples
	cleaned cleaned                // what was seen of rec before it was tokenized
	refused map[int]dataset.Reject // rows of rec that tokenize refused
	records int64                  // raw records read
}

// chain is the part of a job after the samples are there.
type chain struct {
	tokenize *tokenize.Stage // nil where the stage does not run
	bucket   *bucket.Options
}

func newChain(o Options) (chain, error) {
	var c chain
	for _, s := range o.Stages {
		switch s {
		case dataset.StageTokenize:
			t, err := tokenize.New(o.Tokenize)
			if err != nil {
				return c, err
			}
			c.tokenize = t
		case dataset.StageBucket:
			if err := o.Bucket.Validate(); err != nil {
				return c, err
			}
			c.bucket = &o.Bucket
		}
	}
	return c, nil
}

// apply runs the stages over a batch and takes it over.
func (c chain) apply(rec arrow.Record) (output, error) {
	out := output{rec: rec}
	if c.tokenize != nil {
		next, refused, err := c.tokenize.Apply(rec)
		rec.Release()
		if err != nil {
			return output{}, err
		}
		out.rec, out.refused = next, refused
	}
	if c.bucket != nil {
		next := c.bucket.Assign(out.rec)
		out.rec.Release()
		out.rec = next
	}
	return out, nil
}

// describe adds the stages' options and identities to a plan.
func (c chain) describe(p *Plan, o Options) error {
	p.Stage = o.last()
	set := func(stage dataset.Stage, options any) error {
		data, err := json.Marshal(options)
		p.Config[stage] = data
		return err
	}
	if c.tokenize != nil {
		p.Tokenizer, p.Template = c.tokenize.Tokenizer(), c.tokenize.Template()
		if err := set(dataset.StageTokenize, c.tokenize.Options().Effective()); err != nil {
			return err
		}
	}
	if c.bucket != nil {
		if o.Bucket.Length == bucket.LengthQuestionContext && !slices.Contains(o.Stages, dataset.StageTokenize) && !countsQuestionContext(p.Config) {
			return fmt.Errorf("length: the input was tokenized without counting question and context alone; tokenize it with --length %s", bucket.LengthQuestionContext)
		}
		return set(dataset.StageBucket, o.Bucket)
	}
	return nil
}

func countsQuestionContext(c dataset.Config) bool {
	var t tokenize.Options
	return json.Unmarshal(c[dataset.StageTokenize], &t) == nil && t.CountQuestionContext
}
