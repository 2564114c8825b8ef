package train

import (
	"context"
	"errors"
	"fmt"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/history"
)

// A Forecast says what a stage will take, before anything is spent.
type Forecast struct {
	Stage      *Stage
	Done       bool
	Samples    int64   // in reach
	Own        int64   // of them, of the phase's own range
	Earlier    int64   // retrospective samples that an epoch draws, by today's history
	Refused    int64   // by gates and strategies, in an epoch
	Known      int64   // outcomes of the history that say something about them
	ZeroShare  float64 // expected share of groups without a signal
	Oversample float64 // groups to generate for each that teaches
	Starves    bool    // a step is likely to stay unfilled
	Bytes      int64   // of memory, for the largest step
	Limit      int64   // of memory; 0: not known
}

// Look returns a forecast of every stage. It writes nothing.
func Look(ctx context.Context, o Options) ([]Forecast, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOptions, err)
	}
	m, err := dataset.ReadManifest(o.Dataset)
	if err != nil {
		return nil, err
	}
	if err := o.check(m); err != nil {
		return nil, err
	}
	c, _, err := startState(&o, max(o.Tokenizer.VocabSize(), m.Tokenizer.VocabSize), nil)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	snap, err := history.Read(o.Dataset)
	if err != nil {
		return nil, err
	}
	var out []Forecast
	for i := range o.Stages {
		s := &o.Stages[i]
		if o.Only != "" && s.Name != o.Only {
			continue
		}
		f := Forecast{Stage: s, Samples: samplesOf(m, s), Bytes: s.bytes(&c, o.Model.Micro), Limit: o.MemoryLimit}
		if s.Kind != SFT {
			if err := f.plan(ctx, &o, m, snap); err != nil {
				return nil, fmt.Errorf("stage %s: %w", s.Name, err)
			}
		}
		out = append(out, f)
	}
	return out, nil
}

// plan draws one epoch from today's history, in memory.
func (f *Forecast) plan(ctx context.Context, o *Options, m *dataset.Manifest, snap *history.Snapshot) error {
	table, err := f.Stage.readTable(ctx, o.Dataset, m)
	if err != nil {
		return err
	}
	f.Samples, f.Own = int64(len(table.Samples)), own(table, f.Stage.Phase)
	config := f.Stage.planConfig(o, f.Own)
	config.Epochs = 1
	known, err := curriculum.Learn(ctx, snap, table, config)
	if err != nil {
		return err
	}
	planner, err := curriculum.New(table, config)
	if err != nil {
		return err
	}
	segment, err := planner.Next(ctx, known, 0)
	if err != nil {
		return err
	}
	a := &segment.Account
	for _, d := range a.Drawn {
		if d.OriginPhase < f.Stage.Phase {
			f.Earlier += d.Samples
		}
	}
	f.Refused, f.Known = int64(segment.Refused()), a.Outcomes
	f.ZeroShare, f.Oversample, f.Starves = a.ZeroVariance(), a.Oversampling(), f.Stage.DynamicSampling && a.Starves()
	return nil
}

// ErrMemory means that a stage would need more memory than there is.
var ErrMemory = errors.New("not enough memory")

// fits refuses a stage that would need more memory than there is.
func (e *engine) fits(s *Stage, limit int64) error {
	c := e.learner.Config()
	need := s.bytes(&c, e.options.Model.Micro)
	if limit == 0 || need <= limit {
		return nil
	}
	return fmt.Errorf("%w: about %d MiB are needed and %d MiB are there: prompts of %d and responses of %d tokens, %d to a group",
		ErrMemory, need>>20, limit>>20, s.MaxPrompt, s.MaxResponse, max(s.GroupSize, 1))
}
