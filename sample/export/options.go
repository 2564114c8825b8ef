package export

import (
	"errors"
	"fmt"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/tokenize/template"
)

// DefaultMemory is how many bytes of text a window holds, about.
const DefaultMemory = 256 << 20

// Options say what is exported, and where to.
type Options struct {
	Dataset  dataset.FS
	Manifest *dataset.Manifest
	Plan     *curriculum.Plan // nil: all of Phase once, in the order of the shards
	Phase    int32            // without a plan

	// Prompt renders the user's message of a sample that is not a chat. It must be the prompt
	// template that the build used: tokenize.PromptOfDataset.
	Prompt *template.PromptTemplate

	Format Format
	Output dataset.FS
	Name   string // of the file in Output
	Force  bool   // replace a file with other content

	Memory int64 // bytes of text in a window; 0: DefaultMemory
}

// A Report says what was written.
type Report struct {
	File      dataset.File
	Same      bool // the file was there already, byte for byte
	Phase     int32
	PlanID    string // empty without a plan
	Rows      int64
	Tokens    int64 // of prompts
	MaxPrompt int32 // tokens of the longest prompt
	Ambiguous int64 // rows whose text holds Format.Mark, which the trainer does not take as text
}

var (
	// ErrExists means that a file with other content is there, and Force was not said.
	ErrExists = errors.New("there is another file of this name")
	// ErrNoText means that the dataset was built without text, which the format needs.
	ErrNoText = errors.New("the dataset has no text")
	// ErrOtherDataset means that the plan was made for another dataset.
	ErrOtherDataset = errors.New("the plan is of another dataset")
	// ErrGrowing means that segments of the plan are still to come.
	ErrGrowing = errors.New("the plan still grows")
)

func (o *Options) check() error {
	if o.Memory <= 0 {
		o.Memory = DefaultMemory
	}
	m := o.Manifest
	if m.Stage != dataset.StageBucket {
		return fmt.Errorf("the dataset is through %s only: it has no phases", m.Stage)
	}
	if m.Layout() == dataset.LayoutLean && !o.Format.Lean {
		return fmt.Errorf("format %s: %w", o.Format.Name, ErrNoText)
	}
	if o.Plan == nil {
		return phaseExists(m, o.Phase)
	}
	if o.Plan.DatasetID() != m.ID {
		return fmt.Errorf("%w: it was made for %.16s, and this is %.16s", ErrOtherDataset, o.Plan.DatasetID(), m.ID)
	}
	if !o.Plan.Done() {
		return fmt.Errorf("%w: it has %d positions so far", ErrGrowing, o.Plan.Len())
	}
	return nil
}

func phaseExists(m *dataset.Manifest, phase int32) error {
	for _, p := range m.Phases {
		if p.Phase == phase {
			return nil
		}
	}
	return fmt.Errorf("the dataset has no phase %d: its last is %d", phase, len(m.Phases))
}
