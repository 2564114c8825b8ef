package train

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/history"
)

const plansFolder = "plans"

// segmentBatches is how many batches of prompts one segment of a plan holds: what the rewards of
// a phase can change is drawn so far ahead.
const segmentBatches = 16

// errNoPositions means that a plan came out empty.
var errNoPositions = errors.New("the plan is empty")

// An order is the plan of a stage, which grows by segments while the stage runs.
type order struct {
	table   *curriculum.Table
	config  curriculum.Config
	fsys    dataset.FS // of the run
	name    string     // plans/NAME.parquet
	planner *curriculum.Planner
	plan    *curriculum.Plan
}

// planConfig returns what the stage's plan is drawn with.
func (s *Stage) planConfig(o *Options, samples int64) curriculum.Config {
	c := curriculum.DefaultConfig(s.Phase)
	c.Strategy, c.Draw, c.Gates = s.Strategy, s.Draw, slices.Clone(s.Gates)
	if o.Eval.HoldOut > 0 {
		c.Gates = append([]string{fmt.Sprintf("%s=%v", curriculum.NameHoldOut, o.Eval.HoldOut)}, c.Gates...)
	}
	c.Runs, c.GroupSize, c.Batch, c.Generation, c.BalanceTasks, c.Seed = []string{o.Run}, s.GroupSize, s.Batch, s.generation(), s.BalanceTasks, o.Seed
	c.Mix = curriculum.MixSamples
	if s.Kind == Measure {
		c.Epochs = max(s.Epochs, 1)
		return c
	}
	if r := s.Retrospective; r != nil {
		c.Retrospective, c.Ratio, c.Count = r.Strategy, r.Ratio, r.Count
		if r.Source != "" {
			c.Source = r.Source
		}
	}
	if c.Epochs = s.Epochs; c.Epochs == 0 {
		// Enough for the worst that dynamic sampling may do; segments are drawn when they are needed.
		most := s.Steps * int64(s.generation())
		if s.DynamicSampling {
			most *= int64(s.MaxGenerations)
		}
		c.Epochs = int32(min(most/max(samples, 1)+1, 1<<20))
	}
	return c
}

// generation returns how many prompts are generated at a time.
func (s *Stage) generation() int {
	if s.GenerationBatch > 0 {
		return s.GenerationBatch
	}
	return s.Batch
}

// readTable lists the samples that a stage can draw from.
func (s *Stage) readTable(ctx context.Context, fsys fs.FS, m *dataset.Manifest) (*curriculum.Table, error) {
	t, err := curriculum.ReadTable(ctx, fsys, m, s.Phase)
	if err != nil {
		return nil, err
	}
	t.Samples = slices.DeleteFunc(t.Samples, func(x curriculum.Sample) bool {
		return x.Phase != s.Phase && (s.Retrospective == nil || len(s.Retrospective.From) > 0 && !slices.Contains(s.Retrospective.From, x.Phase))
	})
	return t, nil
}

// own returns how many samples of a table are of a phase.
func own(t *curriculum.Table, phase int32) (n int64) {
	for i := range t.Samples {
		if t.Samples[i].Phase == phase {
			n++
		}
	}
	return n
}

// openOrder opens the plan of a stage with its first segments, as many as the checkpoint knows;
// those behind it are drawn again. A new plan begins from the snapshot.
func openOrder(ctx context.Context, o *Options, m *dataset.Manifest, s *Stage, segments int, snap *history.Snapshot) (*order, error) {
	table, err := s.readTable(ctx, o.Dataset, m)
	if err != nil {
		return nil, err
	}
	r := &order{table: table, config: s.planConfig(o, own(table, s.Phase)), fsys: o.Folder, name: path.Join(plansFolder, s.Name+".parquet")}
	if err := r.forget(segments); err != nil {
		return nil, err
	}
	if segments > 0 {
		if r.plan, err = curriculum.Open(o.Folder, r.name); err != nil {
			return nil, fmt.Errorf("plan %s: %w", r.name, err)
		}
		r.planner, err = curriculum.Resume(table, r.plan)
		return r, err
	}
	if r.planner, err = curriculum.New(table, r.config); err != nil {
		return nil, err
	}
	if err := r.grow(ctx, snap); err != nil {
		return nil, err
	}
	if r.plan, err = curriculum.Open(o.Folder, r.name); err != nil {
		return nil, fmt.Errorf("plan %s: %w", r.name, err)
	}
	if r.plan.Len() == 0 {
		return nil, fmt.Errorf("%w: phase %d has %d samples, and all are refused (see %s)", errNoPositions, s.Phase, own(table, s.Phase), curriculum.RefusedName(r.name))
	}
	return r, nil
}

// forget removes the segments from one on, the last first, so that what is left is always a plan.
func (r *order) forget(from int) error {
	n := from
	for ; ; n++ {
		if _, err := fs.Stat(r.fsys, curriculum.SegmentName(r.name, int32(n))); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return err
		}
	}
	for n--; n >= from; n-- {
		name := curriculum.SegmentName(r.name, int32(n))
		for _, f := range []string{name, curriculum.RefusedName(name)} {
			if err := r.fsys.Remove(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// grow draws the next segment from what is known now; false means that all epochs are drawn.
func (r *order) grow(ctx context.Context, snap *history.Snapshot) error {
	if err := r.planner.Follow(ctx, snap); err != nil {
		return err
	}
	known, err := curriculum.Learn(ctx, snap, r.table, r.config)
	if err != nil {
		return err
	}
	segment, err := r.planner.Next(ctx, known, int64(segmentBatches*r.config.Batch))
	if err != nil {
		return err
	}
	if err := segment.Write(r.fsys, r.name); err != nil {
		return err
	}
	if r.plan != nil {
		return r.plan.Refresh()
	}
	return nil
}

func (r *order) plans() []*curriculum.Plan { return []*curriculum.Plan{r.plan} }

// segments returns how many segments are drawn: what a checkpoint keeps of the plan.
func (r *order) segments() int { return len(r.plan.Segments()) }
