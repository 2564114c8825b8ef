package export

import (
	"context"
	"fmt"
	"io/fs"
	"iter"

	"github.com/longctx/pipeline/dataset"
)

// A place is one position of the order, and where its sample lies.
type place struct {
	position int64
	epoch    int32
	origin   int32
	shard    int32 // index in the manifest
	row      int32
	length   int32  // prompt tokens
	id       string // as the plan says; empty without a plan
}

// places walks through the order: of the plan, or without one of the phase's shards.
func (o *Options) places(ctx context.Context) iter.Seq2[place, error] {
	if o.Plan == nil {
		return o.ofPhase(ctx)
	}
	return o.ofPlan(ctx)
}

func (o *Options) ofPlan(ctx context.Context) iter.Seq2[place, error] {
	return func(yield func(place, error) bool) {
		shards := newLengths(o.Dataset, o.Manifest)
		for entries, err := range o.Plan.Entries(0) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(place{}, err)
				return
			}
			for i := range entries {
				e := &entries[i]
				p := place{position: e.Position, epoch: e.Epoch, origin: e.OriginPhase, row: e.Row, id: e.SampleID}
				p.shard, p.length, err = shards.at(e.Shard, e.Row)
				if err != nil {
					err = fmt.Errorf("plan %.16s, position %d: %w", o.Plan.ID(), e.Position, err)
				}
				if !yield(p, err) || err != nil {
					return
				}
			}
		}
	}
}

func (o *Options) ofPhase(ctx context.Context) iter.Seq2[place, error] {
	return func(yield func(place, error) bool) {
		shards := newLengths(o.Dataset, o.Manifest)
		position := int64(0)
		for i, s := range o.Manifest.Shards {
			if s.Kind != dataset.KindRL || s.Phase != o.Phase {
				continue
			}
			for row := range int32(s.Rows) {
				_, length, err := shards.at(s.Path, row)
				if err == nil {
					err = ctx.Err()
				}
				p := place{position: position, origin: s.Phase, shard: int32(i), row: row, length: length}
				if !yield(p, err) || err != nil {
					return
				}
				position++
			}
		}
	}
}

// lengths are the prompt lengths of the shards that were asked for: 4 bytes a sample.
type lengths struct {
	fsys   fs.FS
	m      *dataset.Manifest
	byPath map[string]int32
	of     map[int32][]int32 // [shard][row]
}

func newLengths(fsys fs.FS, m *dataset.Manifest) *lengths {
	l := &lengths{fsys: fsys, m: m, byPath: map[string]int32{}, of: map[int32][]int32{}}
	for i, s := range m.Shards {
		if s.Kind == dataset.KindRL {
			l.byPath[s.Path] = int32(i)
		}
	}
	return l
}

func (l *lengths) at(path string, row int32) (shard, length int32, err error) {
	shard, ok := l.byPath[path]
	if !ok {
		return 0, 0, fmt.Errorf("%w: the dataset has no shard %q", dataset.ErrCorrupt, path)
	}
	all, ok := l.of[shard]
	if !ok {
		if all, err = readLengths(l.fsys, l.m.Shards[shard]); err != nil {
			return 0, 0, err
		}
		l.of[shard] = all
	}
	if row < 0 || int(row) >= len(all) {
		return 0, 0, fmt.Errorf("%w: row %d of shard %s, which has %d", dataset.ErrCorrupt, row, path, len(all))
	}
	return shard, all[row], nil
}

func readLengths(fsys fs.FS, s dataset.Shard) ([]int32, error) {
	type length struct {
		PromptLength int32 `parquet:"prompt_length"`
	}
	all := make([]int32, 0, s.Rows)
	for rows, err := range dataset.ReadRows[length](fsys, s.Path) {
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			all = append(all, r.PromptLength)
		}
	}
	return all, nil
}
