package build

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/longctx/pipeline/dataset"
)

// stageJob reads the dataset of the stage before. Its splits are that dataset's splits.
type stageJob struct {
	chain
	o    Options
	from *dataset.Manifest
}

func newStageJob(o Options) (*stageJob, error) {
	m, err := dataset.ReadManifest(o.From)
	if err != nil {
		return nil, fmt.Errorf("input dataset: %w", err)
	}
	want := map[dataset.Stage]dataset.Stage{dataset.StageTokenize: dataset.StageIngest, dataset.StageBucket: dataset.StageTokenize}[o.first()]
	if m.Stage != want {
		return nil, fmt.Errorf("input dataset: it has been through %s, and %s reads what %s makes", m.Stage, o.first(), want)
	}
	c, err := newChain(o)
	return &stageJob{chain: c, o: o, from: m}, err
}

func (j *stageJob) plan() (*Plan, error) {
	p := &Plan{
		Identity: Identity{
			Config: maps.Clone(j.from.Config), Tokenizer: j.from.Tokenizer, Template: j.from.Template,
			Inputs: j.from.Inputs,
		},
		Splits: j.from.Splits,
		Guards: []string{"dataset " + j.from.ID},
		sizes:  make([]int64, len(j.from.Splits)),
		before: j.from.Ledger,
	}
	for _, s := range j.from.Shards {
		p.sizes[s.Split] += s.Bytes
	}
	return p, j.describe(p, j.o)
}

// carry takes over the files of the dataset before: quarantine and tokenizer.
func (j *stageJob) carry() (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, f := range j.from.Files {
		data, err := fs.ReadFile(j.o.From, f.Path)
		if err != nil {
			return nil, err
		}
		files[f.Path] = data
	}
	if j.tokenize != nil {
		own, err := j.tokenize.Files()
		if err != nil {
			return nil, err
		}
		maps.Copy(files, own)
	}
	return files, nil
}

// hash compares the shards of a split with their manifest; the split's own hash is that of
// the input files, which have not been read here.
func (j *stageJob) hash(ctx context.Context, split int) (string, error) {
	for _, s := range j.from.Shards {
		if s.Split != split {
			continue
		}
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if err := s.Check(j.o.From); err != nil {
			return "", fmt.Errorf("input dataset: %w", err)
		}
	}
	return j.from.Splits[split].SHA256, nil
}

func (j *stageJob) open(ctx context.Context, split int) (source, error) {
	s := &shardSource{job: j, split: split}
	for _, shard := range j.from.Shards {
		if shard.Split == split {
			if err := shard.Check(j.o.From); err != nil {
				return nil, fmt.Errorf("input dataset: %w", err)
			}
			s.next, s.stop = iter.Pull2(dataset.ReadBatches(j.o.From, shard, j.from.Layout()))
			s.bytes = shard.Bytes
		}
	}
	return s, nil
}

type shardSource struct {
	job   *stageJob
	split int
	bytes int64 // of the shard that the tasks so far have not accounted for
	next  func() (arrow.Record, error, bool)
	stop  func()
}

func (s *shardSource) Next() (task, error) {
	if s.next == nil {
		return task{}, io.EOF
	}
	rec, err, ok := s.next()
	if !ok {
		return task{}, io.EOF
	}
	if err != nil {
		return task{}, err
	}
	// The shard is smaller than what is in it by a factor that nobody knows before its end:
	// text and ids shrink to about a third.
	size := dataset.BatchBytes(rec)
	bytes := min(size/3, s.bytes)
	s.bytes -= bytes
	return task{
		cost:  recordCost * size,
		bytes: bytes,
		run: func(emit func(output) error) error {
			o, err := s.job.apply(rec)
			if err != nil {
				return err
			}
			return emit(o)
		},
	}, nil
}

func (s *shardSource) End() (string, int64, error) {
	return s.job.from.Splits[s.split].SHA256, 0, nil
}

func (s *shardSource) Close() error {
	if s.stop != nil {
		s.stop()
	}
	return nil
}
