package build

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
)

// splits does the given splits with one pool of workers. A few splits are open at a time, so
// that the workers have something to do while one is being finished.
//
// Nothing can lock up: workers take tasks first in, first out, and a split's writer always
// waits for the oldest of its tasks, which some worker therefore has.
func (b *build) splits(ctx context.Context, todo []int) error {
	open := min(len(todo), 1+b.Workers/2)
	if open == 0 {
		return nil
	}
	e := &engine{
		build:  b,
		tasks:  make(chan *item),
		memory: semaphore.NewWeighted(b.inFlight()),
	}
	var workers errgroup.Group
	for range b.Workers {
		workers.Go(func() error {
			for it := range e.tasks {
				it.do(ctx)
			}
			return nil
		})
	}
	g, ctx := errgroup.WithContext(ctx)
	next := make(chan int)
	g.Go(func() error {
		defer close(next)
		for _, i := range todo {
			select {
			case next <- i:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range open {
		g.Go(func() error {
			for i := range next {
				if err := e.split(ctx, i); err != nil {
					return fmt.Errorf("split %d: %w", i, err)
				}
				b.Progress.SplitsDone.Add(1)
			}
			return nil
		})
	}
	err := g.Wait()
	close(e.tasks)
	return errors.Join(err, workers.Wait())
}

// inFlight is the share of the memory that records in flight may take; the rest is for the
// tokenizer, the open row groups and the runtime.
func (b *build) inFlight() int64 { return max(b.MaxMemory/2, 16<<20) }

type engine struct {
	*build
	tasks  chan *item
	memory *semaphore.Weighted
}

// An item is a task and the road of its outputs to the writer.
type item struct {
	task
	out  chan output // closed when the task has ended
	err  error       // valid once out is closed
	held int64
}

// do runs the task on a worker.
func (it *item) do(ctx context.Context) {
	defer close(it.out)
	it.err = it.run(func(o output) error {
		select {
		case it.out <- o:
			return nil
		case <-ctx.Done():
			o.release()
			return ctx.Err()
		}
	})
}

func (o output) release() {
	if o.rec != nil {
		o.rec.Release()
	}
}

// split does one split: aside, then renamed into its place.
func (e *engine) split(ctx context.Context, i int) (err error) {
	src, err := e.job.open(ctx, i)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	s, err := newSink(e.build, i)
	if err != nil {
		return err
	}
	if err := e.pump(ctx, src, s); err != nil {
		s.abort()
		return err
	}
	sum, lines, err := src.End()
	if err != nil {
		s.abort()
		return err
	}
	return s.finish(sum, lines)
}

// pump moves tasks from the source through the workers to the sink, in order.
func (e *engine) pump(ctx context.Context, src source, s *sink) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan *item, 2*e.Workers+2)
	var producer errgroup.Group
	producer.Go(func() error {
		defer close(queue)
		return e.produce(ctx, src, queue)
	})
	// After a failure the rest is taken and thrown away, so that no worker waits for this
	// writer for ever.
	var failed error
	fail := func(err error) {
		if failed == nil && err != nil {
			failed = err
			cancel()
		}
	}
	for it := range queue {
		for o := range it.out {
			if failed == nil {
				fail(s.write(o))
			}
			o.release()
		}
		fail(it.err)
		e.memory.Release(it.held)
		e.Progress.BytesDone.Add(it.bytes)
	}
	if err := producer.Wait(); failed == nil {
		return err
	}
	return failed
}

// produce reads tasks and hands each to the writer's queue and to the workers.
func (e *engine) produce(ctx context.Context, src source, queue chan<- *item) error {
	for {
		t, err := src.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		it := &item{task: t, out: make(chan output, 2), held: min(t.cost, e.inFlight())}
		if err := e.memory.Acquire(ctx, it.held); err != nil {
			return err
		}
		select {
		case queue <- it:
		case <-ctx.Done():
			e.memory.Release(it.held)
			return ctx.Err()
		}
		select {
		case e.tasks <- it:
		case <-ctx.Done():
			it.err = ctx.Err()
			close(it.out) // the writer has the item, no worker ever will
			return ctx.Err()
		}
	}
}
