package groups

import (
	"context"
	"errors"
	"slices"

	"github.com/longctx/pipeline/sample/history"
)

// A receipt is owed for the rows of one Add.
type receipt struct {
	done        func(Done, error)
	added, same int64
	left        int // groups that are not durable yet
	failed      bool
}

// waitBytes is what it costs a group that a receipt waits for it.
const waitBytes = 96

// endKnown ends a receipt for rows that the history had, all of them.
func (r *receipt) endKnown(store *history.Store) error {
	snap, err := store.Snapshot()
	if err != nil {
		return err
	}
	r.done(Done{r.added, r.same, snap.ID()}, nil)
	return nil
}

// close hands a group to the writer, as it is.
func (c *Collector) close(g *group) {
	g.closed = true
	c.ready = append(c.ready, g)
	if !c.writing {
		c.writing = true
		go c.write()
	}
}

// write writes what is ready until nothing is: groups that become ready while others are
// written share the next append.
func (c *Collector) write() {
	for {
		c.mu.Lock()
		groups := c.ready
		c.ready = nil
		if len(groups) == 0 {
			c.writing = false
			c.idle.Broadcast()
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		c.append(groups)
	}
}

// append writes groups to the history. One that it refuses does not hinder the others.
func (c *Collector) append(groups []*group) {
	for len(groups) > 0 {
		outcomes := make([]history.Outcome, len(groups))
		for i, g := range groups {
			outcomes[i] = g.outcome()
		}
		done, err := c.store.Append(context.Background(), outcomes) // no client's: they share it
		if at, refused := refusedAt(err); refused {
			c.end(groups[at:at+1], "", err)
			groups = slices.Delete(groups, at, at+1)
			continue
		}
		c.end(groups, done.Snapshot, err)
		return
	}
}

// refusedAt returns which outcome the history refuses.
func refusedAt(err error) (at int, ok bool) {
	if conflict, ok := errors.AsType[*history.ConflictError](err); ok {
		return conflict.Index, true
	}
	if invalid, ok := errors.AsType[*history.InvalidError](err); ok {
		return invalid.Index, true
	}
	return 0, false
}

// end says of groups that they are written, or why not.
func (c *Collector) end(groups []*group, snapshot string, err error) {
	var end []func()
	c.mu.Lock()
	for _, g := range groups {
		end = append(end, c.finish(g, snapshot, err)...)
	}
	c.mu.Unlock()
	for _, f := range end {
		f()
	}
}

// finish removes a group, and returns what is to be called without the lock: the ends of
// receipts that waited for it last.
func (c *Collector) finish(g *group, snapshot string, err error) (end []func()) {
	delete(c.pending, g.id)
	c.bytes -= g.bytes
	if err == nil {
		c.written.add(g)
	}
	for _, r := range g.waiting {
		r.left--
		if r.failed || (err == nil && r.left > 0) {
			continue
		}
		r.failed = err != nil
		result := Done{r.added, r.same, snapshot}
		end = append(end, func() { r.done(result, err) })
	}
	return end
}

// Flushed says what a Flush wrote.
type Flushed struct {
	Groups   int64  `json:"groups"`   // that were incomplete
	Missing  int64  `json:"missing"`  // rollouts of theirs, recorded as unknown
	Snapshot string `json:"snapshot"` // that has them all
}

// Flush writes the incomplete groups of a step, or with number nil of all steps of a training
// stage, and returns when they are durable.
func (c *Collector) Flush(ctx context.Context, run, trainStage string, number *int64) (f Flushed, err error) {
	type result struct {
		Done
		error
	}
	ended := make(chan result, 1)
	r := &receipt{done: func(d Done, err error) { ended <- result{d, err} }}
	c.mu.Lock()
	for id, g := range c.pending {
		if id.Run != run || id.TrainStage != trainStage || number != nil && id.Step != *number {
			continue
		}
		g.waiting = append(g.waiting, r)
		c.charge(g, waitBytes)
		r.left++
		if !g.closed {
			f.Groups++
			f.Missing += int64(g.missing)
			c.close(g)
		}
	}
	none := r.left == 0
	c.mu.Unlock()
	if none {
		if err := r.endKnown(c.store); err != nil {
			return f, err
		}
	}
	select {
	case got := <-ended:
		f.Snapshot = got.Snapshot
		return f, got.error
	case <-ctx.Done():
		return f, ctx.Err()
	}
}
