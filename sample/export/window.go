package export

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/longctx/pipeline/dataset"
)

// bytesPerToken is about how much text stands behind a token of a prompt: in its shard, and
// again as its message.
const bytesPerToken = 10

// rowBytes is about what a row takes besides its text.
const rowBytes = 1 << 10

// rows walks through the order with the sample of each place. One window is written while the
// next one is read.
func (o *Options) rows(ctx context.Context) iter.Seq2[*Row, error] {
	return func(yield func(*Row, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		type read struct {
			rows []Row
			err  error
		}
		windows := make(chan read)
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer close(windows)
			for places, err := range o.windows(ctx) {
				var rows []Row
				if err == nil {
					rows, err = o.read(ctx, places)
				}
				select {
				case windows <- read{rows, err}:
				case <-ctx.Done():
					return
				}
				if err != nil {
					return
				}
			}
		}()
		defer func() { cancel(); <-done }()
		for w := range windows {
			if w.err != nil {
				yield(nil, w.err)
				return
			}
			for i := range w.rows {
				if !yield(&w.rows[i], nil) {
					return
				}
				w.rows[i] = Row{}
			}
		}
		if err := ctx.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// windows cuts the order into stretches of about half the memory: one is read while the one
// before it is written.
func (o *Options) windows(ctx context.Context) iter.Seq2[[]place, error] {
	return func(yield func([]place, error) bool) {
		var window []place
		bytes, each := int64(0), int64(bytesPerToken)
		if o.Format.Tokens {
			each += 4
		}
		for p, err := range o.places(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			size := rowBytes + each*int64(p.length)
			if len(window) > 0 && bytes+size > o.Memory/2 {
				if !yield(window, nil) {
					return
				}
				window, bytes = window[:0], 0
			}
			window, bytes = append(window, p), bytes+size
		}
		if len(window) > 0 {
			yield(window, nil)
		}
	}
}

// read reads the samples of a window, shard by shard, each page once, and returns them in the
// order of the window.
func (o *Options) read(ctx context.Context, places []place) ([]Row, error) {
	order := make([]int32, len(places))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		p, q := &places[a], &places[b]
		return cmp.Or(cmp.Compare(p.shard, q.shard), cmp.Compare(p.row, q.row), cmp.Compare(a, b))
	})
	rows := make([]Row, len(places))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, part := range cut(order, places, runtime.GOMAXPROCS(0)) {
		g.Go(func() error { return o.readPart(ctx, places, part, rows) })
	}
	return rows, g.Wait()
}

// cut cuts sorted places into parts of one shard each, and large ones of them into several.
func cut(order []int32, places []place, workers int) (parts [][]int32) {
	const least = 64 // rows that are worth a part
	most := max(len(order)/workers, least)
	for from := 0; from < len(order); {
		to := from
		for to < len(order) && places[order[to]].shard == places[order[from]].shard && to-from < most {
			to++
		}
		parts, from = append(parts, order[from:to]), to
	}
	return parts
}

func (o *Options) readPart(ctx context.Context, places []place, part []int32, rows []Row) error {
	numbers := make([]int64, 0, len(part)) // a sample of several epochs is read once
	for _, i := range part {
		if n := int64(places[i].row); len(numbers) == 0 || numbers[len(numbers)-1] != n {
			numbers = append(numbers, n)
		}
	}
	shard := o.Manifest.Shards[places[part[0]].shard].Path
	fill := func(i int32, c textRow) (err error) {
		if rows[i], err = o.row(&places[i], c); err != nil {
			err = fmt.Errorf("read shard %s, row %d: %w", shard, places[i].row, err)
		}
		return err
	}
	var err error
	if o.Manifest.Layout() == dataset.LayoutLean {
		err = spread(ctx, places, part, dataset.ReadRowsAt[leanRow](o.Dataset, shard, numbers), func(i int32, c leanRow) error { return fill(i, textRow{leanRow: c}) })
	} else {
		err = spread(ctx, places, part, dataset.ReadRowsAt[textRow](o.Dataset, shard, numbers), fill)
	}
	if err != nil || !o.Format.Tokens {
		return err
	}
	return spread(ctx, places, part, dataset.ReadPromptTokensAt(o.Dataset, shard, numbers), func(i int32, ids []int32) error {
		rows[i].PromptTokens = ids
		return nil
	})
}

// spread hands what was read of each row of a shard to all places that have this row.
func spread[R any](ctx context.Context, places []place, part []int32, read iter.Seq2[R, error], use func(i int32, r R) error) error {
	next := 0
	for r, err := range read {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		for row := places[part[next]].row; next < len(part) && places[part[next]].row == row; next++ {
			if err := use(part[next], r); err != nil {
				return err
			}
		}
	}
	return nil
}
