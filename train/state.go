package train

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
	"github.com/longctx/pipeline/sample/stream"
	"github.com/longctx/pipeline/train/checkpoint"
)

// state is where a run is, beside weights and optimizer. Checkpoints carry it.
type state struct {
	Stage     int           `json:"stage"`      // index of the stage that goes on
	StageStep int64         `json:"stage_step"` // its next step
	Segments  int           `json:"segments"`   // of its plan
	Cursor    stream.Cursor `json:"cursor"`     // in its plan
	SFT       sftPlace      `json:"sft"`
	Barren    int           `json:"barren"` // steps in a row without a group that teaches
	Current   StageReport   `json:"current"`
	Done      []StageReport `json:"done"`

	step int64 // of the run: the next one
}

// begin starts the stage that the state is at.
func (s *state) begin(stage *Stage) {
	s.StageStep, s.Segments, s.Cursor, s.SFT, s.Barren = 0, 0, stream.Cursor{}, sftPlace{}, 0
	s.Current = StageReport{Name: stage.Name, Kind: stage.Kind, Phase: stage.Phase, Runner: stage.Runner, First: s.step}
}

// restore finds the last checkpoint; without one the state is the beginning.
func (r *run) restore() (*checkpoint.Checkpoint, error) {
	c, damaged, err := r.store.Latest()
	for _, d := range damaged {
		r.warn(nil, "%v; going on from the one before", d)
	}
	if errors.Is(err, checkpoint.ErrNone) {
		r.state.begin(&r.Stages[0])
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if c.Config != r.hash {
		return nil, fmt.Errorf("%w: %s was written under other options", ErrDiffers, c.Dir)
	}
	if err := json.Unmarshal(c.State.Extra, &r.state); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", c.Dir, dataset.ErrCorrupt, err)
	}
	r.state.step = c.Step
	return c, nil
}

// save writes a checkpoint of the state as it is.
func (r *run) save(score *float64) error {
	extra, err := json.Marshal(&r.state)
	if err != nil {
		return err
	}
	if err := r.log.Sync(); err != nil {
		return err
	}
	files, err := r.policy.files()
	if err != nil {
		return err
	}
	stage := ""
	phase := int32(0)
	if r.state.Stage < len(r.Stages) {
		stage, phase = r.Stages[r.state.Stage].Name, r.Stages[r.state.Stage].Phase
	}
	return r.store.Save(checkpoint.Manifest{
		Run: r.Run, Config: r.hash, Step: r.state.step, Score: score,
		State: checkpoint.State{TrainStage: stage, StageStep: r.state.StageStep, Phase: phase, Extra: extra},
	}, files)
}

// rewind takes back what lies behind the checkpoint: outcomes of steps that will be done again.
func (r *run) rewind() error {
	if r.state.Stage >= len(r.Stages) {
		return nil
	}
	for _, s := range r.Stages[r.state.Stage:] {
		from := int64(0)
		if s.Name == r.Stages[r.state.Stage].Name && s.Runner == Embedded { // another trainer counts its own steps
			from = r.state.step
		}
		c := history.Cursor{Run: r.Run, TrainStage: s.Name, Step: from}
		if _, err := r.history.Resume(r.ctx, c); err != nil {
			return err
		}
	}
	return nil
}
