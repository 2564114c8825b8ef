package groups

import (
	"errors"
	"fmt"
	"hash/maphash"
	"time"
	"unsafe"

	"github.com/longctx/pipeline/sample/history"
)

// MaxSize is the largest group.
const MaxSize = 4096

// A Row is one rollout and what it says of its group.
type Row struct {
	history.Identity        // of the group
	Name             string // the trainer's own of the group; empty: not said
	Size             int    // rollouts of the group
	Index            int    // of this one, from 0
	Head             Head
	Rollout          history.Rollout
	Time             time.Time // when it was scored; zero: not said
}

// A Head is what all rollouts of a group have in common, besides its identity.
type Head struct {
	Phase         int32
	Policy, Judge string
	Limits        history.Limits
}

// validate returns why a row cannot become part of an outcome.
func (r *Row) validate() error {
	if r.Size < 1 || r.Size > MaxSize {
		return fmt.Errorf("group_size %d is not one of 1 to %d", r.Size, MaxSize)
	}
	if r.Index < 0 || r.Index >= r.Size {
		return fmt.Errorf("rollout %d is not one of %d", r.Index, r.Size)
	}
	o := outcomeOf(r.Identity, r.Head, []history.Rollout{r.Rollout})
	return o.Validate()
}

func outcomeOf(id history.Identity, h Head, rollouts []history.Rollout) history.Outcome {
	return history.Outcome{Identity: id, Phase: h.Phase, Policy: h.Policy, Judge: h.Judge, Limits: h.Limits, Rollouts: rollouts}
}

// bytes is what the texts of a row hold in memory.
func (r *Row) bytes() int64 { return int64(len(r.Rollout.Response) + len(r.Rollout.StopReason)) }

// A group is one whose outcome is not in the history yet.
type group struct {
	id      history.Identity
	name    string
	head    Head
	have    []bool            // [size]
	got     []history.Rollout // [size]
	missing int
	time    time.Time

	number  int64 // groups are numbered as they begin
	bytes   int64 // charged
	closed  bool  // it is being written as it is
	waiting []*receipt
}

// emptyBytes is what a group holds before its first row.
func emptyBytes(r *Row) int64 {
	text := len(r.Run) + len(r.TrainStage) + len(r.Name) + len(r.Head.Policy) + len(r.Head.Judge)
	return int64(unsafe.Sizeof(group{})) + int64(text) + int64(r.Size)*int64(unsafe.Sizeof(history.Rollout{})+1)
}

func newGroup(r *Row) *group {
	return &group{id: r.Identity, name: r.Name, head: r.Head, have: make([]bool, r.Size), got: make([]history.Rollout, r.Size), missing: r.Size}
}

// ErrConflict means that another row stands where this one belongs.
var ErrConflict = errors.New("another rollout has this place")

// fits returns ErrConflict for a row that says something else of the group than the rows before.
func (g *group) fits(r *Row) error {
	switch {
	case len(g.have) != r.Size:
		return fmt.Errorf("%w: the group has %d rollouts, this row says %d", ErrConflict, len(g.have), r.Size)
	case g.name != "" && r.Name != "" && g.name != r.Name:
		return fmt.Errorf("%w: the group is %q, this row says %q; a sample that a step draws twice needs its position", ErrConflict, g.name, r.Name)
	case g.head != r.Head:
		return fmt.Errorf("%w: phase, policy, judge or limits differ from those of the group's other rows", ErrConflict)
	case g.have[r.Index] && g.got[r.Index] != r.Rollout:
		return fmt.Errorf("%w: rollout %d was another", ErrConflict, r.Index)
	case g.closed && !g.have[r.Index]:
		return fmt.Errorf("%w: the group was written without rollout %d", ErrConflict, r.Index)
	}
	return nil
}

// put adds a row that fits, and reports whether it was new.
func (g *group) put(r *Row) bool {
	if g.have[r.Index] {
		return false
	}
	g.have[r.Index], g.got[r.Index] = true, r.Rollout
	g.missing--
	if g.name == "" {
		g.name = r.Name
	}
	if r.Time.After(g.time) {
		g.time = r.Time
	}
	return true
}

// outcome returns the group as it goes into the history: what is missing is unknown.
func (g *group) outcome() history.Outcome {
	for i, have := range g.have {
		if !have {
			g.got[i] = history.Rollout{ResponseLength: history.UnknownLength}
		}
	}
	o := outcomeOf(g.id, g.head, g.got)
	o.Time = g.time
	return o
}

var seed = maphash.MakeSeed()

// sumOf identifies what a row says.
func sumOf(h Head, r history.Rollout) uint64 {
	return maphash.Comparable(seed, struct {
		Head
		history.Rollout
	}{h, r})
}
