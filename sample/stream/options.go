package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/longctx/pipeline/sample/curriculum"
)

// DefaultPrefetch is how many bytes of batches are made before they are asked for.
const DefaultPrefetch = 64 << 20

// MaxBatchTokens bounds the ids of a global batch: Arrow's list offsets are 32 bits.
const MaxBatchTokens = 1<<31 - 1

// ErrLargeBatch means that a batch is over Options.MaxBatch.
var ErrLargeBatch = errors.New("stream: the batch is too large")

// Options say what a Reader reads. All ranks and workers of one run say the same, but for
// Rank and Worker.
type Options struct {
	Plans  []*curriculum.Plan // one after the other: a phase switch is the next plan
	Cursor Cursor             // where to begin; zero: at the first position of the first plan

	Batch       int   // positions of a global batch; 0: by tokens
	BatchTokens int64 // most prompt tokens of a global batch, of all ranks; 0: by number
	DropLast    bool  // leave out the last batch of a plan where it is not full
	Balance     bool  // share a batch by length, so that ranks get equal work

	Rank, Ranks     int // Ranks 0: 1
	Worker, Workers int // of this rank; worker w takes batches w, w+Workers, ... Workers 0: 1

	MaxBatch int64        // bytes of one batch of a rank; 0: no limit but Arrow's
	Prefetch int64        // bytes; 0: DefaultPrefetch. One batch is made in any case
	Limit    func() int64 // asked before each batch, instead of Prefetch; nil: Prefetch

	// More is asked where Plans[plan] still grows and p, as it was so far, is read to its end. It
	// waits, and returns the plan as it stands then; nil ends the stream there, as More nil does.
	More func(ctx context.Context, plan int, p *curriculum.Plan) (*curriculum.Plan, error)
}

// complete checks options and fills in what is not said.
func (o Options) complete(datasetID string) (Options, error) {
	o.Ranks, o.Workers = cmp.Or(o.Ranks, 1), cmp.Or(o.Workers, 1)
	if o.MaxBatch <= 0 {
		o.MaxBatch = math.MaxInt64
	}
	if o.Prefetch == 0 {
		o.Prefetch = DefaultPrefetch
	}
	if o.Limit == nil {
		prefetch := o.Prefetch
		o.Limit = func() int64 { return prefetch }
	}
	switch {
	case len(o.Plans) == 0:
		return o, errors.New("stream: no plan")
	case o.Batch < 0 || o.BatchTokens < 0 || (o.Batch == 0) == (o.BatchTokens == 0):
		return o, errors.New("stream: a batch is a number of positions or of tokens: one of the two, at least 1")
	case o.BatchTokens > MaxBatchTokens:
		return o, fmt.Errorf("stream: a batch of %d tokens is over %d", o.BatchTokens, MaxBatchTokens)
	case o.Rank < 0 || o.Rank >= o.Ranks:
		return o, fmt.Errorf("stream: rank %d is not one of %d", o.Rank, o.Ranks)
	case o.Worker < 0 || o.Worker >= o.Workers:
		return o, fmt.Errorf("stream: worker %d is not one of %d", o.Worker, o.Workers)
	case o.Batch > 0 && o.Batch < o.Ranks:
		return o, fmt.Errorf("stream: a batch of %d positions leaves some of %d ranks without one", o.Batch, o.Ranks)
	case o.Prefetch < 0:
		return o, fmt.Errorf("stream: prefetch %d is negative", o.Prefetch)
	}
	seen := map[string]bool{}
	for _, p := range o.Plans {
		if p.DatasetID() != datasetID {
			return o, fmt.Errorf("stream: the plan of phase %d was made for dataset %.16s, and this is %.16s", p.Config().Phase, p.DatasetID(), datasetID)
		}
		if seen[p.ID()] {
			return o, fmt.Errorf("stream: plan %.16s is there twice", p.ID())
		}
		seen[p.ID()] = true
	}
	return o, nil
}

// positions returns how many positions all ranks together get from a place on. ok is false
// where that depends on lengths or on what is drawn meanwhile.
func (o *Options) positions(plan int, from int64) (n int64, ok bool) {
	for ; plan < len(o.Plans); plan, from = plan+1, 0 {
		p := o.Plans[plan]
		if !p.Done() && o.More != nil {
			return 0, false
		}
		left := p.Len() - from
		if o.DropLast || !p.Done() {
			if o.Batch == 0 {
				return 0, false
			}
			left -= left % int64(o.Batch)
		}
		n += left
		if !p.Done() {
			break
		}
	}
	return n, true
}
