package train

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
	"github.com/longctx/pipeline/sample/stream"
	"github.com/longctx/pipeline/train/checkpoint"
	"github.com/longctx/pipeline/train/metrics"
	"github.com/longctx/pipeline/train/rollout"
)

// A run is a schedule under way.
type run struct {
	*Options
	ctx      context.Context
	manifest *dataset.Manifest
	hash     string // of what must not change
	store    checkpoint.Store
	log      *metrics.Log
	history  *history.Store
	source   *stream.Source
	policy   *engine
	state    state
	closers  []func() error             // in the order opened
	held     map[int32][]rollout.Prompt // by phase
}

// Run trains what is left of a schedule. A run that was stopped, at whatever moment, goes on; one
// that is finished does nothing. The report is that of all stages so far.
func Run(ctx context.Context, o Options) (Report, error) {
	r, err := open(ctx, &o)
	if err != nil {
		return Report{}, err
	}
	defer r.close()
	for r.state.Stage < len(r.Stages) {
		s := &r.Stages[r.state.Stage]
		if o.Only != "" && s.Name != o.Only {
			if o.stage(o.Only) < r.state.Stage {
				break
			}
			return r.report(), fmt.Errorf("%w: stage %q comes before %q and is not done", ErrOptions, s.Name, o.Only)
		}
		if err := r.stage(s); err != nil {
			return r.report(), fmt.Errorf("stage %s: %w", s.Name, err)
		}
	}
	if r.state.Stage == len(r.Stages) {
		if err := r.policy.export(r.Folder, modelFolder); err != nil {
			return r.report(), err
		}
	}
	return r.report(), r.writeReport()
}

// open claims the folder, finds the last checkpoint and takes back what lies behind it.
func open(ctx context.Context, o *Options) (_ *run, err error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOptions, err)
	}
	r := &run{Options: o, ctx: ctx, held: map[int32][]rollout.Prompt{}}
	if r.manifest, err = dataset.ReadManifest(o.Dataset); err != nil {
		return nil, err
	}
	if err := o.check(r.manifest); err != nil {
		return nil, err
	}
	unlock := func() {}
	if o.Locker != nil {
		if unlock, err = o.Locker.Lock(lockName, false); err != nil {
			return nil, err
		}
	}
	r.closers = append(r.closers, func() error { unlock(); return nil })
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if r.hash, err = o.claim(r.manifest); err != nil {
		return nil, err
	}
	r.store = checkpoint.Store{FS: o.Folder, Dir: checkpointsFolder, Keep: max(o.CheckpointKeep, 1)}
	last, err := r.restore()
	if err != nil {
		return nil, err
	}
	if r.policy, err = newEngine(o, r.manifest, last); err != nil {
		return nil, err
	}
	if err = r.refuse(); err != nil {
		return nil, err
	}
	if err = r.openLogs(); err != nil {
		return nil, err
	}
	return r, r.rewind()
}

// refuse finds what would fail in a stage that is still to come.
func (r *run) refuse() error {
	for i := r.state.Stage; i < len(r.Stages); i++ {
		if s := &r.Stages[i]; s.Runner == Embedded {
			if err := r.policy.fits(s, r.MemoryLimit); err != nil {
				return fmt.Errorf("stage %s: %w", s.Name, err)
			}
		}
	}
	return r.probe()
}

func (r *run) openLogs() (err error) {
	var kept []metrics.Record
	if r.log, kept, err = metrics.Open(r.Folder, ".", r.state.step, r.Now()); err != nil {
		return err
	}
	r.closers = append(r.closers, r.log.Close)
	for i := range kept {
		r.Guards.Watch(&kept[i])
	}
	if r.history, err = history.Open(r.Dataset, r.Options.History); err != nil {
		return err
	}
	r.closers = append(r.closers, r.history.Close)
	if r.source, err = stream.Open(r.Dataset, stream.SourceOptions{Cache: true}); err != nil {
		return err
	}
	r.closers = append(r.closers, r.source.Close)
	return nil
}

func (r *run) close() {
	for i := len(r.closers) - 1; i >= 0; i-- {
		r.closers[i]()
	}
	r.closers = nil
}

// stage runs what is left of one stage, evaluates the policy and moves on to the next.
func (r *run) stage(s *Stage) error {
	var ended string
	var err error
	switch {
	case s.Runner != Embedded:
		ended, err = r.external(s)
	case s.Kind == SFT:
		ended, err = r.sft(s)
	case s.Kind == Measure:
		ended, err = r.measure(s)
	default:
		ended, err = r.rl(s)
	}
	if err != nil {
		return r.interrupted(err)
	}
	var score *float64
	if s.Runner == Embedded && s.Kind != Measure {
		if score, err = r.evaluateAll(s); err != nil {
			return err
		}
	}
	c := &r.state.Current
	steps := r.state.StageStep
	c.Ended, c.Steps = ended, steps
	r.state.step++ // the end of a stage has a step, and so a checkpoint, of its own
	r.state.Done = append(r.state.Done, *c)
	r.state.Stage++
	if r.state.Stage < len(r.Stages) {
		r.state.begin(&r.Stages[r.state.Stage])
	}
	if err := r.save(score); err != nil {
		return err
	}
	r.say(s, "%s: %s, after %d steps", s.Name, ended, steps)
	return r.writeReport()
}

// interrupted keeps the steps since the last checkpoint where somebody stopped the run.
func (r *run) interrupted(err error) error {
	if errors.Is(err, context.Canceled) && r.state.StageStep > 0 {
		return errors.Join(err, r.save(nil))
	}
	return err
}

// stepped ends a step: its record, the guards, and a checkpoint where one is due.
func (r *run) stepped(s *Stage, record metrics.Record, started time.Time) error {
	record.Step, record.TrainStage, record.Phase, record.Time = r.state.step, s.Name, s.Phase, r.Now().UTC()
	seconds := record.Time.Sub(started).Seconds()
	r.state.Current.Seconds += seconds
	r.state.Current.Tokens += record.Tokens
	if seconds > 0 {
		record.TokensPerSecond = metrics.Known(float64(record.Tokens) / seconds)
	}
	if err := r.log.Add(record); err != nil {
		return err
	}
	r.state.step++
	r.state.StageStep++
	r.tell(Event{Stage: s, Record: &record, Done: r.state.StageStep, Steps: s.Steps})
	if err := r.guard(s, &record); err != nil {
		return err
	}
	if r.CheckpointEvery > 0 && r.state.StageStep%r.CheckpointEvery == 0 {
		return r.save(nil)
	}
	return nil
}

// ErrGuard means that a guard stopped the run.
var ErrGuard = errors.New("stopped by a guard")

func (r *run) guard(s *Stage, record *metrics.Record) error {
	for _, t := range r.Guards.Watch(record) {
		if t.Action == metrics.Stop {
			return errors.Join(fmt.Errorf("%w: %w", ErrGuard, t), r.save(nil))
		}
		r.warn(s, "%v", t)
	}
	return nil
}
