package history

import (
	"context"
	"fmt"
)

// A Transaction records outcomes that become part of the history together, or not at all.
// Others that write to the store wait until it is over.
type Transaction struct {
	s        *Store
	next     *manifest // what the commit installs
	segments []segment
	w        *segmentWriter
	overlay  *index // identities of one Add
	rows     []stored
	scratch  []byte
	broken   error
	changed  bool // beside the segments
}

// Begin starts a transaction: Commit or Abort ends it.
func (s *Store) Begin() (*Transaction, error) {
	s.commit.Lock()
	t, err := s.begin()
	if err != nil {
		s.commit.Unlock()
	}
	return t, err
}

func (s *Store) begin() (*Transaction, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	return &Transaction{s: s, next: s.m.clone()}, nil
}

// Add writes outcomes that Validate takes, all of them or, with an error, none. The outcomes
// may be changed afterwards. ConflictError as for Append.
func (t *Transaction) Add(ctx context.Context, outcomes []Outcome) (a Appended, err error) {
	if t.broken != nil {
		return a, t.broken
	}
	if err := t.load(ctx, outcomes); err != nil {
		return a, err
	}
	if a, err = t.choose(outcomes); err != nil || a.Added == 0 {
		return a, err
	}
	if err := t.write(); err != nil {
		t.broken = err
		return Appended{}, err
	}
	return a, nil
}

// choose prepares the rows of those outcomes that are new.
func (t *Transaction) choose(outcomes []Outcome) (a Appended, err error) {
	x := t.s.index
	if t.overlay == nil {
		t.overlay = &index{seed: x.seed, stages: x.stages}
	}
	t.overlay.clear()
	t.rows = t.rows[:0]
	identities := make([]uint64, 0, len(outcomes))
	var run, trainStage string
	var stage uint64
	for i := range outcomes {
		o := &outcomes[i]
		if i == 0 || o.Run != run || o.TrainStage != trainStage {
			run, trainStage = o.Run, o.TrainStage
			stage = x.stage(run, trainStage)
		}
		var r stored
		r, t.scratch = store(o, t.next.Sequence+1, t.scratch)
		identity := x.identity(stage, o.Step, o.Position, o.SampleID)
		content, found := x.find(identity)
		if !found {
			content, found = t.overlay.find(identity)
		}
		if found {
			if content != r.content {
				return Appended{}, fmt.Errorf("history: %w", &ConflictError{i, o.Identity})
			}
			a.Same++
			continue
		}
		t.overlay.add(identity, r.content)
		t.rows = append(t.rows, r)
		identities = append(identities, identity)
		a.Added++
	}
	for i, identity := range identities {
		x.add(identity, t.rows[i].content)
	}
	return a, nil
}

// write puts the prepared rows into the open segment.
func (t *Transaction) write() error {
	if t.w != nil && t.w.total >= segmentBytes {
		if err := t.roll(); err != nil {
			return err
		}
	}
	if t.w == nil {
		w, err := newSegmentWriter(t.s.fsys, segmentName(t.s.files.Add(1)))
		if err != nil {
			return fmt.Errorf("history: %w", err)
		}
		t.w = w
	}
	if err := t.w.add(t.rows); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	return nil
}

func (t *Transaction) roll() error {
	w := t.w
	t.w = nil
	seg, err := w.finish()
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	t.segments = append(t.segments, seg)
	return nil
}

// Commit makes the outcomes part of the history and returns the id of its newest snapshot
// when that is durable. Without a new outcome it changes nothing.
func (t *Transaction) Commit() (snapshot string, err error) {
	defer t.s.commit.Unlock()
	return t.commit()
}

// Abort forgets the outcomes.
func (t *Transaction) Abort() {
	defer t.s.commit.Unlock()
	t.abort()
}

func (t *Transaction) abort() {
	if t.w != nil {
		t.w.abort()
		t.w = nil
	}
	if t.overlay != nil || t.changed {
		t.s.fail() // the index may know outcomes that are not there, and segments may lie about
	}
}

func (t *Transaction) commit() (string, error) {
	if t.broken == nil && t.w != nil {
		t.broken = t.roll()
	}
	if t.broken != nil {
		t.abort()
		return "", t.broken
	}
	s := t.s
	if len(t.segments) == 0 && !t.changed {
		return s.m.Snapshot, nil
	}
	m := t.next
	if len(t.segments) > 0 {
		m.commit(t.segments)
	}
	if err := s.fsys.SyncDir(Folder); err != nil {
		t.abort()
		return "", fmt.Errorf("history: %w", err)
	}
	for _, seg := range t.segments {
		m.Segments = append(m.Segments, seg)
		s.loaded[seg.Path] = true
	}
	if err := s.install(m); err != nil {
		return "", err
	}
	return m.Snapshot, nil
}

// load reads into the index the segments that can hold one of the outcomes.
func (t *Transaction) load(ctx context.Context, outcomes []Outcome) error {
	s := t.s
	if s.index == nil {
		s.index, s.loaded = newIndex(), map[string]bool{}
	}
	spans := spansOf(outcomes)
	var missing []segment
	for _, seg := range t.next.Segments {
		if !s.loaded[seg.Path] && overlap(seg.Spans, spans) {
			missing = append(missing, seg)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	snap := newSnapshot(s.fsys, t.next, t.next.Snapshot, t.next.Sequence)
	err := snap.scan(ctx, new(Filter), want{content: true}, missing, func(b *block) bool {
		var last *Setting
		var stage uint64
		for i := range b.visits {
			v := &b.visits[i]
			if v.Setting != last {
				last = v.Setting
				stage = s.index.stage(last.Run, last.TrainStage)
			}
			s.index.add(s.index.identity(stage, v.Step, v.Position, v.SampleID), b.content[i])
		}
		return true
	})
	if err != nil {
		return err
	}
	for _, seg := range missing {
		s.loaded[seg.Path] = true
	}
	return nil
}

// spansOf returns the steps of each training stage among outcomes.
func spansOf(outcomes []Outcome) []span {
	var out []span
	at := -1
	for i := range outcomes {
		o := &outcomes[i]
		if at < 0 || out[at].Run != o.Run || out[at].TrainStage != o.TrainStage {
			at = 0
			for at < len(out) && (out[at].Run != o.Run || out[at].TrainStage != o.TrainStage) {
				at++
			}
			if at == len(out) {
				out = append(out, span{Run: o.Run, TrainStage: o.TrainStage, MinStep: o.Step, MaxStep: o.Step})
			}
		}
		out[at].MinStep, out[at].MaxStep = min(out[at].MinStep, o.Step), max(out[at].MaxStep, o.Step)
	}
	return out
}

func overlap(a, b []span) bool {
	for _, x := range a {
		for _, y := range b {
			if x.Run == y.Run && x.TrainStage == y.TrainStage && x.MinStep <= y.MaxStep && y.MinStep <= x.MaxStep {
				return true
			}
		}
	}
	return false
}
