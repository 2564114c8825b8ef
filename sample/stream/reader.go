package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"
	"golang.org/x/sync/errgroup"
)

// A Batch is what one rank gets of a global batch.
type Batch struct {
	Record arrow.Record // its rows; Release frees them
	Cursor Cursor       // where to go on when the batch was taken
	Number int64        // of the global batch, from 0 at the cursor that the reader began with
	Tokens int64        // prompt tokens of its rows
}

// Release frees the memory of the batch.
func (b *Batch) Release() { b.Record.Release() }

// A Reader reads a stream. Its methods are for one goroutine.
type Reader struct {
	src    *Source
	o      Options
	schema *arrow.Schema

	cancel  context.CancelFunc
	done    sync.WaitGroup
	order   chan chan made
	slots   chan struct{} // one for each batch that is being read
	budget  *budget
	end     Cursor
	failed  error
	reached bool
}

// made is a batch that was prefetched.
type made struct {
	batch Batch
	end   bool
	bytes int64
	err   error
}

// rowBytes is what a row takes besides its ids, about.
const rowBytes = 512

// NewReader begins a stream. ErrCursor where the cursor belongs to something else.
func (s *Source) NewReader(ctx context.Context, o Options) (*Reader, error) {
	r, plan, err := s.prepare(o)
	if err != nil {
		return nil, err
	}
	r.order, r.slots = make(chan chan made, 1024), make(chan struct{}, runtime.GOMAXPROCS(0))
	ctx, r.cancel = context.WithCancel(ctx)
	r.done.Go(func() { r.dispatch(ctx, plan, r.o.Cursor.Position) })
	return r, nil
}

// Schema returns the schema that a stream would have, and reads nothing.
func (s *Source) Schema(o Options) (*arrow.Schema, error) {
	r, _, err := s.prepare(o)
	if err != nil {
		return nil, err
	}
	return r.schema, nil
}

// prepare checks options and finds the plan that the cursor is in.
func (s *Source) prepare(o Options) (r *Reader, plan int, err error) {
	if o, err = o.complete(s.manifest.ID); err != nil {
		return nil, 0, err
	}
	if plan, err = o.Cursor.find(o.Plans); err != nil {
		return nil, 0, err
	}
	r = &Reader{src: s, o: o, budget: newBudget(o.Limit)}
	positions, known := o.positions(plan, o.Cursor.Position)
	r.schema = r.makeSchema(cursorAt(o.Plans[plan], o.Cursor.Position), positions, known)
	return r, plan, nil
}

// Schema returns the schema of the batches. Its metadata say what will come.
func (r *Reader) Schema() *arrow.Schema { return r.schema }

// dispatch cuts the plan and starts the reading of this rank's batches, in their order, as far
// ahead as the budget allows.
func (r *Reader) dispatch(ctx context.Context, plan int, from int64) {
	defer close(r.order)
	push := func(c chan made) bool {
		select {
		case r.order <- c:
			return true
		case <-ctx.Done():
			return false
		}
	}
	var failed error
	first := true
	cut := cutter{src: r.src, o: &r.o}
	end, err := cut.run(ctx, plan, from, func(b globalBatch) bool {
		if b.number%int64(r.o.Workers) != int64(r.o.Worker) {
			return true
		}
		slots := share(b.slots, r.o.Rank, r.o.Ranks, r.o.Balance)
		if len(slots) == 0 {
			return true
		}
		bytes, tokens := int64(len(slots)*rowBytes), int64(0)
		for i := range slots {
			if failed = r.src.measure(&slots[i]); failed != nil {
				return false
			}
			tokens += int64(slots[i].length)
		}
		if bytes += 4 * tokens; bytes > r.o.MaxBatch {
			failed = fmt.Errorf("%w: %d bytes from position %d on, and %d are the limit", ErrLargeBatch, bytes, slots[0].position, r.o.MaxBatch)
			return false
		}
		out := make(chan made, 1)
		if !r.budget.take(ctx, bytes) || !push(out) {
			return false
		}
		read := func() {
			m := made{bytes: bytes, batch: Batch{Cursor: b.next, Number: b.number, Tokens: tokens}}
			m.batch.Record, m.err = r.fill(slots, b.next)
			out <- m
			r.src.wantCached(slots)
		}
		if first { // somebody waits for it: nothing else is read or built meanwhile
			first = false
			read()
			return ctx.Err() == nil
		}
		select {
		case r.slots <- struct{}{}:
		case <-ctx.Done():
			out <- made{bytes: bytes, err: ctx.Err()} // it was announced: Next may wait for it
			return false
		}
		r.done.Go(func() {
			defer func() { <-r.slots }()
			read()
		})
		return true
	})
	last := made{end: true, batch: Batch{Cursor: end}, err: errors.Join(failed, err, ctx.Err())}
	out := make(chan made, 1)
	out <- last
	push(out)
}

// cutOff is the error of a file that ended too early. That io.EOF may lie in its chain must not
// make it the end of the stream.
type cutOff struct{ cause error }

func (e cutOff) Error() string        { return e.cause.Error() }
func (e cutOff) Is(target error) bool { return target != io.EOF && errors.Is(e.cause, target) }

// Next returns the next batch, which is the caller's to release; io.EOF at the end.
func (r *Reader) Next() (*Batch, error) {
	if r.failed != nil {
		return nil, r.failed
	}
	c, ok := <-r.order
	if !ok {
		r.failed = context.Canceled
		return nil, r.failed
	}
	m := <-c
	r.budget.give(m.bytes)
	switch {
	case errors.Is(m.err, io.EOF):
		r.failed = cutOff{m.err}
	case m.err != nil:
		r.failed = m.err
	case m.end:
		r.end, r.reached, r.failed = m.batch.Cursor, true, io.EOF
	default:
		return &m.batch, nil
	}
	return nil, r.failed
}

// End returns the cursor where the stream ended, once Next has returned io.EOF. A stream of a
// plan that still grows goes on from there when the next segment is drawn.
func (r *Reader) End() (c Cursor, ok bool) { return r.end, r.reached }

// Close ends the reading and releases what was prefetched.
func (r *Reader) Close() {
	r.cancel()
	r.done.Wait()
	for c := range r.order {
		if m := <-c; m.batch.Record != nil {
			m.batch.Release()
		}
	}
	if r.failed == nil {
		r.failed = context.Canceled
	}
}

// readAll reads the rows of a batch, some at a time.
func (r *Reader) readAll(slots []slot, ids []int32, samples []sample) error {
	const least = 4 // rows for which another goroutine is worth it
	parts := min(max(len(slots)/least, 1), runtime.GOMAXPROCS(0))
	var g errgroup.Group
	from, offset := 0, 0
	for p := range parts {
		to := len(slots) * (p + 1) / parts
		begin, at := from, offset
		for ; from < to; from++ {
			offset += int(slots[from].length)
		}
		do := func() (err error) {
			for i := begin; i < to; i++ {
				n := int(slots[i].length)
				if samples[i], err = r.src.read(&slots[i], ids[at:at+n:at+n]); err != nil {
					return err
				}
				at += n
			}
			return nil
		}
		if parts == 1 {
			return do()
		}
		g.Go(do)
	}
	return g.Wait()
}
