package service

import (
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// clients counts the calls in hand, and shares the memory for batches among them: each may hold
// its even part, whatever the others do, so that a slow one holds nobody else.
type clients struct {
	most   int
	memory int64

	mu     sync.Mutex
	active int
}

// enter takes a place; ResourceExhausted where there is none.
func (c *clients) enter() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.active >= c.most {
		return status.Errorf(codes.ResourceExhausted, "%d clients are served already: try again later", c.active)
	}
	c.active++
	return nil
}

func (c *clients) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.active--
}

func (c *clients) now() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.active
}

// part returns how many bytes of batches one client may have waiting.
func (c *clients) part() int64 { return c.memory / int64(max(c.now(), 1)) }

// A signal wakes all who wait for it, again and again.
type signal struct {
	mu sync.Mutex
	on chan struct{}
}

// wait returns a channel that is closed at the next call of send.
func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.on == nil {
		s.on = make(chan struct{})
	}
	return s.on
}

func (s *signal) send() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.on != nil {
		close(s.on)
		s.on = nil
	}
}

// counters are what the server has done since it began.
type counters struct {
	streams, batches, rows, tokens, completed atomic.Int64
	outcomes, same, resumed, plans            atomic.Int64
	rollouts, rolloutsSame                    atomic.Int64
	failed, unauthorized, refused             atomic.Int64
}

func (c *counters) values() map[string]int64 {
	return map[string]int64{
		"streams": c.streams.Load(), "streams_completed": c.completed.Load(), "batches": c.batches.Load(), "samples": c.rows.Load(), "tokens": c.tokens.Load(),
		"outcomes_added": c.outcomes.Load(), "outcomes_same": c.same.Load(), "rollouts_added": c.rollouts.Load(), "rollouts_same": c.rolloutsSame.Load(), "outcomes_superseded": c.resumed.Load(), "plan_segments": c.plans.Load(),
		"calls_failed": c.failed.Load(), "calls_unauthorized": c.unauthorized.Load(), "connections_refused": c.refused.Load(),
	}
}
