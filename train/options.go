package train

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
	"github.com/longctx/pipeline/tokenize/bpe"
	"github.com/longctx/pipeline/train/metrics"
	"github.com/longctx/pipeline/train/rollout"
)

// Options say what a run trains, on what and how.
type Options struct {
	Run       string         // its name in history and reports. Example: "l1-nano-seed7"
	Dataset   dataset.FS     // a finished dataset
	Path      string         // of the dataset, for other programs; only runners need it
	Tokenizer *bpe.Tokenizer // that made its ids
	Folder    dataset.FS     // of the run
	FolderAt  string         // its path, for other programs
	Locker    history.Locker // for the run's folder; nil: nobody else writes
	History   history.Locker // for the dataset's; nil: nobody else writes

	Model     Model
	Optimizer Optimizer
	Stages    []Stage
	Eval      Eval
	Guards    metrics.Guards
	Seed      uint64

	CheckpointEvery int64 // steps; a stage's end is one in any case
	CheckpointKeep  int
	KeepResponses   bool  // in the history
	MemoryLimit     int64 // bytes; a stage that would need more is refused. 0: not known

	Score rollout.Scorer
	Judge string // what scores, as the history says it; empty: the rule alone
	Only  string // run this stage and no other; empty: all that are left

	Now    func() time.Time
	Watch  func(Event)                                                                // told what happens; nil: nobody
	Export func(context.Context, ExportOptions) error                                 // writes a plan for another runner
	Import func(context.Context, *history.Store, ImportOptions) (ImportReport, error) // reads what it recorded
}

// A Model is the policy that training starts from.
type Model struct {
	Preset  string  `json:"preset,omitempty"` // shape of a policy that starts from random weights
	Path    string  `json:"path,omitempty"`   // folder of Hugging Face, instead
	InitStd float64 `json:"init_std"`         // of a preset's embedding; 0: the usual 0.02
	Untied  bool    `json:"untied"`           // a preset's output head is a tensor of its own
	Backend string  `json:"-"`                // "go", "xla:cpu", ...
	Plugins string  `json:"-"`                // folder of XLA plugins
	Micro   int     `json:"micro_tokens"`     // most tokens of a micro-batch
}

// An Optimizer is AdamW.
type Optimizer struct {
	Beta1       float64 `json:"beta1"`
	Beta2       float64 `json:"beta2"`
	WeightDecay float64 `json:"weight_decay"`
	MaxGradNorm float64 `json:"max_grad_norm"` // gradients are scaled down to it; 0: never
}

// Eval says how stages are evaluated, on samples that no plan draws.
type Eval struct {
	HoldOut     float64    `json:"hold_out"`    // share of the samples that is kept back
	Dataset     dataset.FS `json:"-"`           // another dataset to evaluate on, all of it; nil: HoldOut
	Samples     int        `json:"samples"`     // at most, of each phase
	Rollouts    int        `json:"rollouts"`    // of each sample
	Temperature float64    `json:"temperature"` // 0: the likeliest token
	TopP        float64    `json:"top_p"`
	Every       int64      `json:"every"` // steps between evaluations within a stage; 0: only at its end
}

// ErrOptions means that nothing can be trained as the options say.
var ErrOptions = errors.New("options")

// validate refuses what would fail later, before any step is spent.
func (o *Options) validate() error {
	switch {
	case o.Run == "":
		return errors.New("the run has no name")
	case len(o.Stages) == 0:
		return errors.New("there is no stage; a schedule needs one [[train.stage]] at least")
	case o.Model.Preset == "" && o.Model.Path == "":
		return errors.New("no model: neither a preset nor a folder")
	case !(o.Eval.HoldOut >= 0 && o.Eval.HoldOut < 1):
		return fmt.Errorf("eval: hold_out %v is not in [0, 1)", o.Eval.HoldOut)
	case o.Eval.Samples < 0 || o.Eval.Rollouts < 1 && o.Eval.Samples > 0:
		return fmt.Errorf("eval: %d samples with %d rollouts", o.Eval.Samples, o.Eval.Rollouts)
	case o.Eval.Temperature == 0 && o.Eval.Rollouts > 1:
		return errors.New("eval: at temperature 0 all rollouts of a sample are equal; set one rollout or a temperature")
	}
	seen := map[string]bool{}
	for i := range o.Stages {
		s := &o.Stages[i]
		if err := s.validate(); err != nil {
			return fmt.Errorf("stage %q: %w", s.Name, err)
		}
		if seen[s.Name] {
			return fmt.Errorf("two stages have the name %q", s.Name)
		}
		seen[s.Name] = true
	}
	if o.Only != "" && !seen[o.Only] {
		return fmt.Errorf("there is no stage %q", o.Only)
	}
	return nil
}

// check compares the schedule with the dataset.
func (o *Options) check(m *dataset.Manifest) error {
	if m.Stage != dataset.StageBucket {
		return fmt.Errorf("%w: the dataset is through %s only: it has no phases", ErrOptions, m.Stage)
	}
	for i := range o.Stages {
		s := &o.Stages[i]
		if int(s.Phase) > len(m.Phases) {
			return fmt.Errorf("%w: stage %q: there is no phase %d, the dataset has %d", ErrOptions, s.Name, s.Phase, len(m.Phases))
		}
		p := m.Phases[s.Phase-1]
		switch {
		case s.MaxPrompt == 0:
			s.MaxPrompt = p.Max
		case s.MaxPrompt < p.Max:
			return fmt.Errorf("%w: stage %q: max_prompt %d is under the maximum of phase %d, %d; build with phases that end where the stage's prompts do", ErrOptions, s.Name, s.MaxPrompt, s.Phase, p.Max)
		}
		if n := samplesOf(m, s); n == 0 {
			return fmt.Errorf("%w: stage %q: phase %d has no %s samples", ErrOptions, s.Name, s.Phase, kindOf(s))
		}
		if s.Kind != SFT && o.Score == nil {
			return fmt.Errorf("%w: stage %q: there is no reward signal: no scorer", ErrOptions, s.Name)
		}
	}
	return nil
}

func kindOf(s *Stage) dataset.Kind {
	if s.Kind == SFT {
		return dataset.KindSFT
	}
	return dataset.KindRL
}

// samplesOf counts what a stage can draw from: an SFT stage takes all phases up to its own.
func samplesOf(m *dataset.Manifest, s *Stage) (n int64) {
	for _, p := range m.Phases {
		switch {
		case s.Kind == SFT && p.Phase <= s.Phase:
			n += p.SFTSamples
		case s.Kind != SFT && p.Phase == s.Phase:
			n += p.Samples
		}
	}
	return n
}

// stage returns the index of a stage by its name, -1 for none.
func (o *Options) stage(name string) int {
	return slices.IndexFunc(o.Stages, func(s Stage) bool { return s.Name == name })
}

// An Event is something that happened, for whoever watches.
type Event struct {
	Stage  *Stage
	Record *metrics.Record // a step is done
	Done   int64           // steps of the stage
	Steps  int64           // of the stage, 0 where that is not known
	Eval   *Evaluation     // an evaluation is done
	Text   string          // anything else that a person should know
	Warn   bool            // Text is a warning
}

func (o *Options) tell(e Event) {
	if o.Watch != nil {
		o.Watch(e)
	}
}

func (o *Options) say(s *Stage, format string, args ...any) {
	o.tell(Event{Stage: s, Text: fmt.Sprintf(format, args...)})
}

func (o *Options) warn(s *Stage, format string, args ...any) {
	o.tell(Event{Stage: s, Text: fmt.Sprintf(format, args...), Warn: true})
}
