package stream

import (
	"context"
	"sync"
)

// A budget bounds the bytes of batches that were made and not yet taken. One goroutine takes,
// in order; a batch larger than the limit is alone.
type budget struct {
	limit func() int64

	mu    sync.Mutex
	held  int64
	given chan struct{} // something was given back since it was last emptied
}

func newBudget(limit func() int64) *budget {
	return &budget{limit: limit, given: make(chan struct{}, 1)}
}

// take waits until there is room. It returns false where ctx ends first.
func (b *budget) take(ctx context.Context, n int64) bool {
	for {
		b.mu.Lock()
		if b.held == 0 || b.held+n <= b.limit() {
			b.held += n
			b.mu.Unlock()
			return ctx.Err() == nil
		}
		b.mu.Unlock()
		select {
		case <-b.given:
		case <-ctx.Done():
			return false
		}
	}
}

func (b *budget) give(n int64) {
	b.mu.Lock()
	b.held -= n
	b.mu.Unlock()
	select {
	case b.given <- struct{}{}:
	default:
	}
}
