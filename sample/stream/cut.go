package stream

import (
	"context"
	"fmt"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/history"
)

// A globalBatch is what all ranks together get at one time: consecutive positions of one plan.
type globalBatch struct {
	number int64 // from 0, counted from the cursor
	slots  []slot
	next   Cursor // after it
}

// A cutter walks through plans and cuts them into global batches.
type cutter struct {
	src *Source
	o   *Options

	number int64
	open   []slot // the batch in the making
	tokens int64  // in open, where they are counted
}

// run hands out the batches from a place on, until yield returns false. What yield gets is
// its own. It returns the cursor where the stream ends.
func (c *cutter) run(ctx context.Context, plan int, from int64, yield func(globalBatch) bool) (Cursor, error) {
	for ; ; plan, from = plan+1, 0 {
		p, more, err := c.follow(ctx, plan, from, yield)
		if err != nil {
			return Cursor{}, err
		}
		if !more || !p.Done() || plan == len(c.o.Plans)-1 {
			return cursorAt(p, p.Len()-int64(len(c.open))), nil
		}
		c.open, c.tokens = nil, 0 // DropLast: another phase does not fill it
	}
}

// follow cuts a plan, and what it grows by while More waits for it. It returns the plan as it
// stood at last.
func (c *cutter) follow(ctx context.Context, plan int, from int64, yield func(globalBatch) bool) (p *curriculum.Plan, more bool, err error) {
	p = c.o.Plans[plan]
	for {
		if more, err = c.plan(ctx, p, from, yield); err != nil || !more || p.Done() || c.o.More == nil {
			return p, more, err
		}
		grown, err := c.o.More(ctx, plan, p)
		if err != nil || grown == nil {
			return p, true, err
		}
		p, from = grown, p.Len()
	}
}

func (c *cutter) plan(ctx context.Context, p *curriculum.Plan, from int64, yield func(globalBatch) bool) (more bool, err error) {
	for entries, err := range p.Entries(from) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return false, err
		}
		for i := range entries {
			s, err := c.slot(&entries[i])
			if err != nil {
				return false, fmt.Errorf("plan %.16s, position %d: %w", p.ID(), entries[i].Position, err)
			}
			if c.fullBefore(s) && !c.flush(p, yield) {
				return false, nil
			}
			c.open = append(c.open, s)
			c.tokens += int64(s.length)
			if len(c.open) == c.o.Batch && !c.flush(p, yield) {
				return false, nil
			}
		}
	}
	// A batch that is not full waits for the plan's next segment, so that a stream that ends
	// here and goes on later cuts where one that did not end would.
	if len(c.open) > 0 && p.Done() && !c.o.DropLast {
		return c.flush(p, yield), nil
	}
	return true, nil
}

// slot places an entry of the plan, and measures it where the cut or the share asks for that.
func (c *cutter) slot(e *curriculum.Entry) (s slot, err error) {
	id, err := history.ParseSampleID(e.SampleID)
	if err != nil {
		return s, fmt.Errorf("%w: %w", dataset.ErrCorrupt, err)
	}
	shard, ok := c.src.byPath[e.Shard]
	if !ok {
		return s, fmt.Errorf("%w: the dataset has no shard %q", dataset.ErrCorrupt, e.Shard)
	}
	s = slot{position: e.Position, id: id, epoch: e.Epoch, origin: e.OriginPhase, shard: shard, row: e.Row}
	if rows := c.src.shards[shard].meta.Rows; e.Row < 0 || int64(e.Row) >= rows {
		return s, fmt.Errorf("%w: row %d of shard %s, which has %d", dataset.ErrCorrupt, e.Row, e.Shard, rows)
	}
	if c.o.BatchTokens > 0 || c.o.Balance {
		err = c.src.measure(&s)
	}
	return s, err
}

// fullBefore reports whether the open batch has no room for a slot. A batch holds at least
// one position for each rank, whatever their length.
func (c *cutter) fullBefore(s slot) bool {
	return c.o.BatchTokens > 0 && len(c.open) >= c.o.Ranks && c.tokens+int64(s.length) > c.o.BatchTokens
}

func (c *cutter) flush(p *curriculum.Plan, yield func(globalBatch) bool) bool {
	b := globalBatch{number: c.number, slots: c.open, next: cursorAt(p, c.open[len(c.open)-1].position+1)}
	c.number++
	c.open, c.tokens = nil, 0
	return yield(b)
}
