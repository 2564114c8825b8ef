package groups

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/longctx/pipeline/sample/history"
)

// DefaultMemory is what New takes where it is told none.
const DefaultMemory = 64 << 20

var (
	// ErrFull means that incomplete groups hold all the memory there is for them.
	ErrFull = errors.New("too many incomplete groups")
	// ErrTakenBack means that a run was resumed from before a group that was not written yet.
	ErrTakenBack = errors.New("its run was resumed from an earlier place before the group was written")
)

// A RowError names a row that was refused.
type RowError struct {
	Index int // of the row among those given
	Err   error
}

func (e *RowError) Error() string { return fmt.Sprintf("row %d: %v", e.Index, e.Err) }

func (e *RowError) Unwrap() error { return e.Err }

// An InvalidError says why a row can never be part of an outcome.
type InvalidError struct{ Err error }

func (e *InvalidError) Error() string { return e.Err.Error() }

func (e *InvalidError) Unwrap() error { return e.Err }

// Done says what became of the rows of one Add. All are in the snapshot.
type Done struct {
	Added    int64 // rows that were new
	Same     int64 // rows that were known already
	Snapshot string
}

// A Collector collects the rollouts of many clients. Its methods may be called from many
// goroutines.
type Collector struct {
	store  *history.Store
	memory int64

	mu      sync.Mutex
	idle    *sync.Cond // on mu: the writer has nothing to do
	pending map[history.Identity]*group
	begun   int64 // groups, ever
	bytes   int64 // charged to pending groups
	written written
	ready   []*group
	writing bool
}

// New returns a collector that writes to a store. Incomplete groups may hold about so many
// bytes; with 0, DefaultMemory.
func New(store *history.Store, memory int64) *Collector {
	if memory <= 0 {
		memory = DefaultMemory
	}
	c := &Collector{
		store: store, memory: memory, pending: map[history.Identity]*group{},
		written: written{store: store, steps: map[step]map[history.Identity][]uint64{}},
	}
	c.idle = sync.NewCond(&c.mu)
	return c
}

// A place is where a row of an Add goes.
type place struct {
	row *Row
	to  *group // nil: the history has it
}

// Add takes rows, all or none of them: RowError with ErrConflict, ErrFull or InvalidError. Where
// it takes them, done is called once, when all their groups are durable in the history or one
// of them could not be written; it must not wait, and may be called before Add returns.
func (c *Collector) Add(ctx context.Context, rows []Row, done func(Done, error)) error {
	for i := range rows {
		if err := rows[i].validate(); err != nil {
			return &RowError{i, &InvalidError{err}}
		}
	}
	c.mu.Lock()
	places, err := c.place(ctx, rows)
	if err != nil {
		c.mu.Unlock()
		return err
	}
	r := c.commit(places, done)
	known := r.left == 0 // then nobody else has it
	c.mu.Unlock()
	if known {
		return r.endKnown(c.store)
	}
	return nil
}

// place finds where each row goes, and changes nothing.
func (c *Collector) place(ctx context.Context, rows []Row) ([]place, error) {
	type slot struct {
		history.Identity
		index int
	}
	places := make([]place, len(rows))
	begun, filled := map[history.Identity]*group{}, map[slot]*Row{}
	bytes := c.bytes
	for i := range rows {
		r := &rows[i]
		g := c.pending[r.Identity]
		if g == nil {
			g = begun[r.Identity]
		}
		limit := 2 * c.memory // a group that was begun may end
		if g == nil {
			sums, err := c.written.of(ctx, r.Identity)
			if err != nil {
				return nil, err
			}
			if sums != nil {
				if err := matches(sums, r); err != nil {
					return nil, &RowError{i, fmt.Errorf("%w; %v", err, r.Identity)}
				}
				places[i] = place{row: r}
				continue
			}
			g, limit = newGroup(r), c.memory
			begun[r.Identity] = g
			bytes += emptyBytes(r)
		}
		err := g.fits(r)
		at := slot{r.Identity, r.Index}
		if before := filled[at]; err == nil && before != nil && before.Rollout != r.Rollout {
			err = fmt.Errorf("%w: rollout %d is twice among these rows", ErrConflict, r.Index)
		}
		if err != nil {
			return nil, &RowError{i, fmt.Errorf("%w; %v", err, r.Identity)}
		}
		filled[at] = r
		if bytes += waitBytes + r.bytes(); bytes > limit {
			return nil, &RowError{i, c.full()}
		}
		places[i] = place{r, g}
	}
	return places, nil
}

// full says what fills the memory.
func (c *Collector) full() error {
	var oldest *group
	for _, g := range c.pending {
		if oldest == nil || g.number < oldest.number {
			oldest = g
		}
	}
	if oldest == nil {
		return fmt.Errorf("%w: these rows alone are over the limit of %d bytes", ErrFull, c.memory)
	}
	return fmt.Errorf("%w: %d hold %d bytes, the limit is %d; the oldest lacks %d of %d rollouts: %v", ErrFull,
		len(c.pending), c.bytes, c.memory, oldest.missing, len(oldest.have), oldest.id)
}

// commit puts rows where they go, and hands complete groups to the writer.
func (c *Collector) commit(places []place, done func(Done, error)) *receipt {
	r := &receipt{done: done}
	for _, p := range places {
		g := p.to
		if g == nil {
			r.same++
			continue
		}
		if g.number == 0 {
			c.begun++
			g.number = c.begun
			c.pending[g.id] = g
			c.charge(g, emptyBytes(p.row))
		}
		if g.put(p.row) {
			r.added++
			c.charge(g, p.row.bytes())
		} else {
			r.same++
		}
		if n := len(g.waiting); n == 0 || g.waiting[n-1] != r {
			g.waiting = append(g.waiting, r)
			c.charge(g, waitBytes)
			r.left++
		}
		if g.missing == 0 && !g.closed {
			c.close(g)
		}
	}
	return r
}

func (c *Collector) charge(g *group, n int64) {
	g.bytes += n
	c.bytes += n
}

// Resume takes back what was recorded or collected at or past a cursor, as Store.Resume does.
func (c *Collector) Resume(ctx context.Context, cur history.Cursor) (superseded int64, err error) {
	c.mu.Lock()
	for c.writing {
		c.idle.Wait()
	}
	var end []func()
	for _, g := range c.pending {
		if cur.Covers(g.id) {
			end = append(end, c.finish(g, "", fmt.Errorf("%w: %v", ErrTakenBack, g.id))...)
		}
	}
	superseded, err = c.store.Resume(ctx, cur)
	c.written.forget(cur.Run, cur.TrainStage)
	c.mu.Unlock()
	for _, f := range end {
		f()
	}
	return superseded, err
}

// Waiting returns how many groups are not in the history yet, and what they hold in memory.
func (c *Collector) Waiting() (groups int, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending), c.bytes
}

// Close waits for what is being written. Incomplete groups are forgotten: nobody was promised them.
func (c *Collector) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.writing {
		c.idle.Wait()
	}
}
