package history

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/longctx/pipeline/dataset"
)

// Measurements returns what the chosen outcomes were measured under, in the order seen.
func (s *Snapshot) Measurements(ctx context.Context, f Filter) ([]Measurement, error) {
	var out []Measurement
	known := map[Measurement]bool{}
	var last *Setting
	for visits, err := range s.Visits(ctx, f) {
		if err != nil {
			return nil, err
		}
		for i := range visits {
			if t := visits[i].Setting; t != last {
				if last = t; !known[t.Measurement] {
					known[t.Measurement] = true
					out = append(out, t.Measurement)
				}
			}
		}
	}
	return out, nil
}

// Verify reads every file that the history's manifest names and checks hashes, counts and
// outcomes. The first damage is dataset.ErrCorrupt with its place.
func Verify(ctx context.Context, fsys fs.FS) error {
	m, err := readManifest(fsys)
	if err != nil {
		return err
	}
	if c := m.Compaction; c != nil {
		if _, err := readCommits(fsys, c.Snapshots); err != nil {
			return err
		}
		if c.Summary != nil {
			if err := c.Summary.Check(fsys); err != nil {
				return fmt.Errorf("history: %w", err)
			}
		}
		for _, f := range c.Retired { // readers may still have them open
			if err := f.Check(fsys); err != nil {
				return fmt.Errorf("history: %w", err)
			}
		}
	}
	all := newSnapshot(fsys, m, m.Snapshot, m.Sequence)
	all.view.superseded = nil
	for _, seg := range m.Segments {
		if err := seg.Check(fsys); err != nil {
			return fmt.Errorf("history: %w", err)
		}
		if err := all.verifySegment(ctx, seg); err != nil {
			return err
		}
	}
	return nil
}

func (s *Snapshot) verifySegment(ctx context.Context, seg segment) error {
	var rows int64
	var bad error
	_, err := s.eachOutcome(ctx, seg, new(Filter), new(settings), func(o *Outcome) bool {
		if err := o.Validate(); err != nil {
			bad = fmt.Errorf("history: %s: %w: row %d: %w", seg.Path, dataset.ErrCorrupt, rows, err)
			return false
		}
		rows++
		return true
	})
	switch {
	case err != nil:
		return err
	case bad != nil:
		return bad
	case rows != seg.Rows:
		return fmt.Errorf("history: %s: %w: manifest says %d rows, file has %d", seg.Path, dataset.ErrCorrupt, seg.Rows, rows)
	}
	return nil
}
