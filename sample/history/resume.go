package history

import "context"

// Resume takes back the outcomes that were recorded at or past a cursor: the run that wrote
// them was cut off, and goes on from the cursor. They stay in earlier snapshots. It returns
// when that is durable; where nothing is at or past the cursor it does nothing.
func (s *Store) Resume(ctx context.Context, c Cursor) (superseded int64, err error) {
	t, err := s.Begin()
	if err != nil {
		return 0, err
	}
	if superseded, err = t.Resume(ctx, c); err != nil {
		t.Abort()
		return 0, err
	}
	if _, err := t.Commit(); err != nil {
		return 0, err
	}
	return superseded, nil
}

// Resume does what Store.Resume does, as a part of the transaction and before its first Add.
func (t *Transaction) Resume(ctx context.Context, c Cursor) (superseded int64, err error) {
	f := Filter{Runs: []string{c.Run}, TrainStages: []string{c.TrainStage}, MinStep: c.Step}
	for visits, err := range newSnapshot(t.s.fsys, t.next, t.next.Snapshot, t.next.Sequence).Visits(ctx, f) {
		if err != nil {
			return 0, err
		}
		for i := range visits {
			if c.past(visits[i].Step, visits[i].Position) {
				superseded++
			}
		}
	}
	if superseded == 0 {
		return 0, nil
	}
	t.next.commit(c)
	t.next.Superseded = append(t.next.Superseded, supersession{t.next.Sequence, c})
	t.changed = true
	t.s.index, t.s.loaded = newIndex(), map[string]bool{} // without what is superseded
	return superseded, nil
}
