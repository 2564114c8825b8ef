package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/longctx/pipeline/dataset"
)

// smallSegment is the size below which a segment is worth merging with its neighbours.
const smallSegment = segmentBytes / 2

// Compacted says what a compaction did.
type Compacted struct {
	Before, After int   // segments
	Dropped       int64 // superseded outcomes that are gone now
	Summarized    int64 // samples in the summary file
}

// Compact merges small segments into large ones, drops superseded outcomes, and writes a
// summary of each sample for tools that read Parquet. Appends go on meanwhile, and the id of
// the newest snapshot stays. Older snapshots stay readable too, except those from which it
// drops outcomes. The files that it replaces stay until the next compaction, for readers that
// have them open.
//
// Appends begin one by themselves, without summaries, when there are many segments.
func (s *Store) Compact(ctx context.Context) (Compacted, error) { return s.compact(ctx, true) }

func (s *Store) compact(ctx context.Context, summarize bool) (Compacted, error) {
	s.compacting.Lock()
	defer s.compacting.Unlock()
	s.commit.Lock()
	err := s.ready()
	from, epoch := s.m, s.epoch
	s.commit.Unlock()
	if err != nil {
		return Compacted{}, err
	}
	if len(from.Segments) == 0 {
		return Compacted{}, nil
	}
	c := &compactor{s: s, from: from, summarize: summarize, snap: newSnapshot(s.fsys, from, from.Snapshot, from.Sequence)}
	if err := c.merge(ctx); err != nil {
		c.undo()
		return Compacted{}, err
	}
	if !c.changed() {
		return c.did, nil
	}
	s.commit.Lock()
	defer s.commit.Unlock()
	if s.m == nil || s.epoch != epoch || s.closed {
		return Compacted{}, errors.New("history: compact: a commit failed meanwhile; nothing is changed")
	}
	return c.did, c.install()
}

// A compactor replaces the segments of one manifest.
type compactor struct {
	s         *Store
	from      *manifest
	snap      *Snapshot
	summarize bool
	out       []segment
	replace   []segment
	made      []string // files that no manifest names yet
	commits   dataset.File
	summary   *summaryFile
	did       Compacted
}

// merge writes everything new.
func (c *compactor) merge(ctx context.Context) error {
	var run []segment // neighbours that become one
	var size int64
	flush := func() (err error) {
		if len(run) == 1 && !c.hides(run[0]) {
			c.out = append(c.out, run[0])
		} else if len(run) > 0 {
			err = c.rewrite(ctx, run)
		}
		run, size = nil, 0
		return err
	}
	for _, seg := range c.from.Segments {
		alone := seg.Bytes >= smallSegment && !c.hides(seg)
		if alone || size+seg.Bytes > segmentBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		run = append(run, seg)
		size += seg.Bytes
		if alone {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	c.did.Before, c.did.After = len(c.from.Segments), len(c.out)
	if !c.changed() {
		return nil
	}
	if c.summarize {
		if err := c.writeSummary(ctx); err != nil {
			return err
		}
	}
	if err := c.writeCommits(); err != nil {
		return err
	}
	return c.s.fsys.SyncDir(Folder)
}

// changed reports whether there is anything to do.
func (c *compactor) changed() bool {
	old := c.from.Compaction
	fresh := old != nil && old.Summary != nil && old.Summary.Snapshot == c.from.Snapshot
	return len(c.replace) > 0 || c.summarize && !fresh
}

// hides reports whether a supersession can hide rows of a segment.
func (c *compactor) hides(seg segment) bool {
	return slices.ContainsFunc(c.from.Superseded, func(p supersession) bool {
		return seg.First < p.Sequence && slices.ContainsFunc(seg.Spans, func(s span) bool {
			return s.Run == p.Run && s.TrainStage == p.TrainStage && s.MaxStep >= p.Step
		})
	})
}

// rewrite merges segments into one, without what is superseded.
func (c *compactor) rewrite(ctx context.Context, run []segment) error {
	name := segmentName(c.s.files.Add(1))
	w, err := newSegmentWriter(c.s.fsys, name)
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	c.made = append(c.made, name)
	for _, seg := range run {
		if err := c.copySegment(ctx, w, seg); err != nil {
			w.abort()
			return err
		}
	}
	c.replace = append(c.replace, run...)
	if w.segment.Rows == 0 {
		w.abort()
		return nil
	}
	seg, err := w.finish()
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	c.out = append(c.out, seg)
	return nil
}

// copySegment copies the visible rows of a segment column by column.
func (c *compactor) copySegment(ctx context.Context, w *segmentWriter, seg segment) error {
	file, closer, err := openSegment(c.s.fsys, seg.Path)
	if err != nil {
		return err
	}
	defer closer.Close()
	shared := new(settings)
	for i, group := range file.RowGroups() {
		if err := ctx.Err(); err != nil {
			return err
		}
		var b *block
		err := guard(seg.Path, func() (err error) {
			b, err = readBlock(group, &c.snap.view, new(Filter), shared, want{rows: true})
			return err
		})
		if err != nil {
			return err
		}
		c.did.Dropped += group.NumRows() - int64(len(b.visits))
		if len(b.visits) == 0 {
			continue
		}
		if err := w.copyGroup(seg.Path, group, file.Metadata().RowGroups[i].TotalByteSize, b); err != nil {
			return err
		}
	}
	return nil
}

// writeCommits writes the ids of all snapshots so far.
func (c *compactor) writeCommits() error {
	all := []commit{}
	if old := c.from.Compaction; old != nil {
		var err error
		if all, err = readCommits(c.s.fsys, old.Snapshots); err != nil {
			return err
		}
	}
	data, err := json.Marshal(append(all, c.from.Commits...))
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%s/snapshots-%08d.json", Folder, c.s.files.Add(1))
	c.made = append(c.made, name)
	c.commits, err = dataset.WriteFile(c.s.fsys, name, data)
	return err
}

// install names what was written, and keeps what was appended meanwhile. The commit lock is
// held.
func (c *compactor) install() error {
	s, old := c.s, c.from.Compaction
	m := s.m.clone()
	m.Segments = append(slices.Clone(c.out), m.Segments[len(c.from.Segments):]...)
	m.Commits = m.Commits[len(c.from.Commits):]
	m.Superseded = m.Superseded[len(c.from.Superseded):]
	m.Compaction = &compaction{Snapshots: c.commits, Summary: c.summary, Retired: []dataset.File{}}
	var remove []string
	if old != nil {
		m.Compaction.Readable = old.Readable
		for _, f := range old.Retired {
			remove = append(remove, f.Path)
		}
		m.Compaction.Retired = append(m.Compaction.Retired, old.Snapshots)
		if c.summary == nil {
			m.Compaction.Summary = old.Summary
		} else if old.Summary != nil {
			m.Compaction.Retired = append(m.Compaction.Retired, old.Summary.File)
		}
	}
	if n := len(c.from.Superseded); n > 0 && c.did.Dropped > 0 {
		m.Compaction.Readable = c.from.Superseded[n-1].Sequence
	}
	loaded := true
	for _, seg := range c.replace {
		m.Compaction.Retired = append(m.Compaction.Retired, seg.File)
		loaded = loaded && s.loaded[seg.Path]
	}
	if err := s.install(m); err != nil {
		return err
	}
	for _, seg := range c.out {
		if !slices.ContainsFunc(c.from.Segments, func(o segment) bool { return o.Path == seg.Path }) {
			s.loaded[seg.Path] = loaded
		}
	}
	// They are not named any more: if this fails, the next Open removes them.
	for _, name := range remove {
		if err := s.fsys.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	return nil
}

// undo removes what was written in vain. What it cannot remove the next Open does.
func (c *compactor) undo() {
	for _, name := range c.made {
		c.s.fsys.Remove(name)
	}
}
