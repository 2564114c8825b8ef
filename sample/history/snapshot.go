package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"runtime"

	"github.com/parquet-go/parquet-go"

	"github.com/longctx/pipeline/dataset"
)

// A Snapshot is the history as it was after one commit. It never changes, and its id names it:
// ReadAt gives the same outcomes later, whatever was appended or compacted since.
type Snapshot struct {
	fsys fs.FS
	m    *manifest
	id   string
	view view
}

// Read returns the newest snapshot of a dataset's history; one without outcomes where there is
// no history. fsys is the dataset's folder.
func Read(fsys fs.FS) (*Snapshot, error) {
	m, err := readManifest(fsys)
	if err != nil {
		return nil, err
	}
	return newSnapshot(fsys, m, m.Snapshot, m.Sequence), nil
}

// ReadAt returns the snapshot with an id. ErrNoSnapshot, or ErrCompacted: a compaction ends
// the snapshots from which outcomes were superseded, and no others.
func ReadAt(fsys fs.FS, id string) (*Snapshot, error) {
	m, err := readManifest(fsys)
	if err != nil {
		return nil, err
	}
	if id == snapshotOfNothing {
		return newSnapshot(fsys, m, id, 0), nil
	}
	commits := m.Commits
	if m.Compaction != nil {
		older, err := readCommits(fsys, m.Compaction.Snapshots)
		if err != nil {
			return nil, err
		}
		commits = append(older, commits...)
	}
	for _, c := range commits {
		if c.Snapshot != id {
			continue
		}
		if m.Compaction != nil && c.Sequence < m.Compaction.Readable {
			return nil, fmt.Errorf("history: snapshot %s: %w", id, ErrCompacted)
		}
		return newSnapshot(fsys, m, id, c.Sequence), nil
	}
	return nil, fmt.Errorf("history: snapshot %s: %w", id, ErrNoSnapshot)
}

func newSnapshot(fsys fs.FS, m *manifest, id string, sequence int64) *Snapshot {
	return &Snapshot{fsys: fsys, m: m, id: id, view: view{sequence, m.Superseded}}
}

func readCommits(fsys fs.FS, f dataset.File) (commits []commit, err error) {
	if err := f.Check(fsys); err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	data, err := fs.ReadFile(fsys, f.Path)
	if err == nil {
		err = json.Unmarshal(data, &commits)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w: %w", f.Path, dataset.ErrCorrupt, err)
	}
	return commits, nil
}

// ID names the snapshot: 32 hex digits.
func (s *Snapshot) ID() string { return s.id }

// Empty reports whether the snapshot can have no outcomes.
func (s *Snapshot) Empty() bool { return s.view.sequence == 0 || len(s.m.Segments) == 0 }

// Rows returns the number of outcomes on disk. Visits can be fewer: superseded outcomes and,
// in an old snapshot, later ones are on disk too.
func (s *Snapshot) Rows() int64 { return s.m.rows() }

// A Stage counts what is on disk of one training stage of a run.
type Stage struct {
	Run, TrainStage  string
	MinStep, MaxStep int64
	Rows             int64
}

// Stages returns the runs and training stages of the history, as they stand in its manifest.
func (s *Snapshot) Stages() []Stage {
	var out []Stage
	at := map[[2]string]int{}
	for _, seg := range s.m.Segments {
		for _, p := range seg.Spans {
			k := [2]string{p.Run, p.TrainStage}
			i, ok := at[k]
			if !ok {
				i = len(out)
				at[k] = i
				out = append(out, Stage{p.Run, p.TrainStage, p.MinStep, p.MaxStep, 0})
			}
			out[i].MinStep, out[i].MaxStep = min(out[i].MinStep, p.MinStep), max(out[i].MaxStep, p.MaxStep)
			out[i].Rows += p.Rows
		}
	}
	return out
}

// Visits returns the visits that a filter takes, a row group at a time, in the order they
// were recorded. They are valid until the next step.
func (s *Snapshot) Visits(ctx context.Context, f Filter) iter.Seq2[[]Visit, error] {
	return func(yield func([]Visit, error) bool) {
		err := s.scan(ctx, &f, want{}, s.m.Segments, func(b *block) bool { return yield(b.visits, nil) })
		if err != nil {
			yield(nil, err)
		}
	}
}

var errStopped = errors.New("stopped")

// scan reads blocks on all CPUs and hands them out in order.
func (s *Snapshot) scan(ctx context.Context, f *Filter, w want, segments []segment, yield func(*block) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		b   *block
		err error
	}
	workers := runtime.GOMAXPROCS(0)
	order := make(chan chan result, workers)
	slots := make(chan struct{}, workers)
	go func() {
		defer close(order)
		shared := new(settings)
		for _, seg := range segments {
			if seg.First > s.view.sequence || !f.takesSpans(seg.Spans) {
				continue
			}
			err := eachGroup(s.fsys, seg.Path, func(group parquet.RowGroup, done func()) error {
				out := make(chan result, 1)
				select {
				case order <- out:
				case <-ctx.Done():
					done()
					return errStopped
				}
				slots <- struct{}{}
				go func() {
					defer func() { <-slots; done() }()
					var r result
					r.err = guard(seg.Path, func() (err error) {
						r.b, err = readBlock(group, &s.view, f, shared, w)
						return err
					})
					out <- r
				}()
				return nil
			})
			if err != nil {
				if !errors.Is(err, errStopped) {
					out := make(chan result, 1)
					out <- result{err: err}
					select {
					case order <- out:
					case <-ctx.Done():
					}
				}
				return
			}
		}
	}()
	for out := range order {
		if err := ctx.Err(); err != nil {
			return err
		}
		r := <-out
		if r.err != nil {
			return r.err
		}
		if len(r.b.visits) > 0 && !yield(r.b) {
			return nil
		}
	}
	return ctx.Err()
}

// eachGroup hands out the row groups of a segment; the file is closed when all are done.
func eachGroup(fsys fs.FS, name string, yield func(group parquet.RowGroup, done func()) error) error {
	file, closer, err := openSegment(fsys, name)
	if err != nil {
		return err
	}
	open := newCountdown(closer)
	defer open.done()
	for _, group := range file.RowGroups() {
		open.add()
		if err := yield(group, open.done); err != nil {
			return err
		}
	}
	return nil
}
