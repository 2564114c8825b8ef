package dataset

import (
	"fmt"
	"maps"
	"slices"
)

// A Ledger is the account of one stage: In = Kept + the sum of Drops.
type Ledger struct {
	Stage   Stage            `json:"stage"`
	Records int64            `json:"records,omitempty"` // raw records read; ingest only
	In      int64            `json:"in"`                // samples, and records that could not become one
	Kept    int64            `json:"kept"`
	Drops   map[Reason]int64 `json:"drops"`
	Notes   map[string]int64 `json:"notes"` // kept samples with a property, by its name
}

// NewLedger returns an empty account.
func NewLedger(stage Stage) Ledger {
	return Ledger{Stage: stage, Drops: map[Reason]int64{}, Notes: map[string]int64{}}
}

// Keep counts one kept sample.
func (l *Ledger) Keep(n Notes) {
	l.In++
	l.Kept++
	l.note(n, 1)
}

// Drop counts one dropped sample.
func (l *Ledger) Drop(r Reason) {
	l.In++
	l.Drops[r]++
}

// Redeem turns a kept sample into a dropped one: a duplicate that only the whole dataset shows.
func (l *Ledger) Redeem(r Reason, n Notes) {
	l.Kept--
	l.Drops[r]++
	l.note(n, -1)
}

// Forget takes back one sample that never came: kept where the reason is empty, else dropped.
func (l *Ledger) Forget(r Reason, n Notes) {
	l.In--
	if r == "" {
		l.Kept--
		l.note(n, -1)
		return
	}
	if l.Drops[r]--; l.Drops[r] == 0 {
		delete(l.Drops, r)
	}
}

func (l *Ledger) note(n Notes, by int64) {
	for _, name := range n.Names() {
		if l.Notes[name] += by; l.Notes[name] == 0 {
			delete(l.Notes, name)
		}
	}
}

// Add adds the account of another part of the same stage.
func (l *Ledger) Add(o Ledger) {
	l.Records += o.Records
	l.In += o.In
	l.Kept += o.Kept
	for r, n := range o.Drops {
		l.Drops[r] += n
	}
	for name, n := range o.Notes {
		l.Notes[name] += n
	}
}

// Dropped returns the sum of all drops.
func (l Ledger) Dropped() int64 {
	var n int64
	for _, d := range l.Drops {
		n += d
	}
	return n
}

// Balance returns an error unless In = Kept + Drops.
func (l Ledger) Balance() error {
	if got := l.Kept + l.Dropped(); got != l.In {
		return fmt.Errorf("ledger of %s does not balance: in %d, kept %d + dropped %d = %d", l.Stage, l.In, l.Kept, l.Dropped(), got)
	}
	return nil
}

// Reasons returns the reasons with drops, the most frequent first.
func (l Ledger) Reasons() []Reason {
	return slices.SortedFunc(maps.Keys(l.Drops), func(a, b Reason) int {
		if d := l.Drops[b] - l.Drops[a]; d != 0 {
			return int(d)
		}
		return slices.Compare([]byte(a), []byte(b))
	})
}
