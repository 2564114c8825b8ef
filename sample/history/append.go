package history

import (
	"context"
	"errors"
	"fmt"
)

// Appended says what became of the outcomes of one Append.
type Appended struct {
	Added    int64  // new outcomes
	Same     int64  // outcomes that the history had already
	Snapshot string // id of the snapshot that has them all
}

// ErrConflict is what every ConflictError is.
var ErrConflict = errors.New("another outcome has this identity")

// A ConflictError names an outcome whose identity is in the history with other content.
type ConflictError struct {
	Index    int // of the outcome among those given
	Identity Identity
}

func (e *ConflictError) Error() string { return fmt.Sprintf("%v: %v", e.Identity, ErrConflict) }

// Is makes every ConflictError an ErrConflict.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// An InvalidError names an outcome that cannot be in a history.
type InvalidError struct {
	Index int // of the outcome among those given
	Err   error
}

func (e *InvalidError) Error() string { return fmt.Sprintf("outcome %d: %v", e.Index, e.Err) }
func (e *InvalidError) Unwrap() error { return e.Err }

// A request is one Append that waits for its commit.
type request struct {
	outcomes []Outcome
	done     bool
	appended Appended
	err      error
}

// Append records outcomes and returns when they are durable. It records all or none: an
// outcome that is there already with the same content is left out, one with other content is
// a ConflictError. Calls that wait at the same time share one commit, and one that is refused
// does not hinder the others.
//
// A run that was resumed draws groups again: call Resume with its cursor first.
func (s *Store) Append(ctx context.Context, outcomes []Outcome) (Appended, error) {
	for i := range outcomes {
		if err := outcomes[i].Validate(); err != nil {
			return Appended{}, fmt.Errorf("history: %w", &InvalidError{i, err})
		}
	}
	r := &request{outcomes: outcomes}
	s.waiting.Lock()
	s.queue = append(s.queue, r)
	s.waiting.Unlock()

	s.commit.Lock()
	defer s.commit.Unlock()
	if !r.done { // nobody took it along: lead
		s.waiting.Lock()
		requests := s.queue
		s.queue = nil
		s.waiting.Unlock()
		s.lead(context.WithoutCancel(ctx), requests) // it works for others too
	}
	return r.appended, r.err
}

// lead commits requests together. The commit lock is held.
func (s *Store) lead(ctx context.Context, requests []*request) {
	t, err := s.begin()
	for _, r := range requests {
		if r.done = true; err == nil {
			var a Appended
			if a, r.err = t.Add(ctx, r.outcomes); r.err == nil {
				r.appended = a
			}
		}
	}
	var id string
	if err == nil {
		if id, err = t.commit(); err == nil {
			s.tidy()
		}
	}
	for _, r := range requests {
		if err != nil && r.err == nil {
			r.err = err
		}
		if r.err != nil {
			r.appended = Appended{}
		} else {
			r.appended.Snapshot = id
		}
	}
}
