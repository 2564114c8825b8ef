package history

import (
	"io"
	"sync/atomic"
)

// A countdown closes something when the last of its users is done.
type countdown struct {
	n  atomic.Int32
	of io.Closer
}

func newCountdown(of io.Closer) *countdown {
	c := &countdown{of: of}
	c.n.Store(1)
	return c
}

func (c *countdown) add() { c.n.Add(1) }

func (c *countdown) done() {
	if c.n.Add(-1) == 0 {
		c.of.Close()
	}
}
