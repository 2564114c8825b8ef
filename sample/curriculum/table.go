package curriculum

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
)

// A Sample is where a sample of the dataset lies.
type Sample struct {
	ID    history.SampleID
	Shard int32 // index in Table.Shards
	Row   int32 // in the shard
	Phase int32
	Task  int32 // index in Table.Tasks
}

// A Table lists the RL samples of a dataset that a phase can draw from.
type Table struct {
	DatasetID string
	Shards    []string // paths
	Tasks     []string // data_source; empty: not said
	Samples   []Sample
}

// columns are what is read of a shard.
type columns struct {
	SampleID   string `parquet:"sample_id"`
	DataSource string `parquet:"data_source,optional"`
}

// ReadTable reads the ids and tasks of the phases up to one; 0: of all. SFT samples are left
// out. It reads two columns of each shard.
func ReadTable(ctx context.Context, fsys fs.FS, m *dataset.Manifest, phase int32) (*Table, error) {
	if m.Stage != dataset.StageBucket {
		return nil, fmt.Errorf("the dataset is through %s only: it has no phases to draw from", m.Stage)
	}
	if phase > int32(len(m.Phases)) {
		return nil, fmt.Errorf("phase %d: the dataset has %d", phase, len(m.Phases))
	}
	t := &Table{DatasetID: m.ID}
	rows := int64(0)
	for _, s := range m.Shards {
		if s.Kind == dataset.KindRL && (phase == 0 || s.Phase <= phase) {
			rows += s.Rows
		}
	}
	t.Samples = make([]Sample, 0, rows)
	tasks := map[string]int32{}
	for _, s := range m.Shards {
		if s.Kind != dataset.KindRL || phase > 0 && s.Phase > phase {
			continue
		}
		t.Shards = append(t.Shards, s.Path)
		if err := t.read(ctx, fsys, s, tasks); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *Table) read(ctx context.Context, fsys fs.FS, s dataset.Shard, tasks map[string]int32) error {
	shard, row := int32(len(t.Shards)-1), int32(0)
	for rows, err := range dataset.ReadRows[columns](fsys, s.Path) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		for i := range rows {
			id, err := history.ParseSampleID(rows[i].SampleID)
			if err != nil {
				return fmt.Errorf("read shard %s, row %d: %w: %w", s.Path, row, dataset.ErrCorrupt, err)
			}
			task, ok := tasks[rows[i].DataSource]
			if !ok {
				task = int32(len(t.Tasks))
				tasks[rows[i].DataSource] = task
				t.Tasks = append(t.Tasks, rows[i].DataSource)
			}
			t.Samples = append(t.Samples, Sample{id, shard, row, s.Phase, task})
			row++
		}
	}
	return nil
}
