package stream

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/longctx/pipeline/sample/curriculum"
)

// CursorVersion is the version of the cursor's text.
//
//	1: dataset, plan, seed, phase, position, and the hash of the rows that lie before it
const CursorVersion = 1

// ErrCursor means that a cursor does not belong to what is to be read with it.
var ErrCursor = errors.New("cursor refused")

// A Cursor is the exact place in a stream: everything before Position was taken, by some rank.
// Its zero value is the beginning of the first plan. As text it is one line of JSON.
type Cursor struct {
	Version   int    `json:"version"`
	DatasetID string `json:"dataset_id"`
	PlanID    string `json:"plan_id"`
	Seed      uint64 `json:"seed"`     // of the plan
	Phase     int32  `json:"phase"`    // of the plan
	Position  int64  `json:"position"` // the next one
	// RowsSHA256 begins the hash of the plan's segment that holds the position before, which
	// covers every row up to its end; empty at position 0.
	RowsSHA256 string `json:"rows_sha256,omitempty"`
}

// ParseCursor reads a cursor's text; an empty one is the beginning. ErrCursor.
func ParseCursor(text string) (c Cursor, err error) {
	if text == "" {
		return c, nil
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return Cursor{}, fmt.Errorf("%w: %.80q is not one: %w", ErrCursor, text, err)
	}
	switch {
	case dec.More():
		return Cursor{}, fmt.Errorf("%w: more than one in %.80q", ErrCursor, text)
	case c.Version != CursorVersion:
		return Cursor{}, fmt.Errorf("%w: its version is %d, this program knows %d", ErrCursor, c.Version, CursorVersion)
	case c.DatasetID == "":
		return Cursor{}, fmt.Errorf("%w: it names no dataset: %.80q", ErrCursor, text)
	case c.Position < 0:
		return Cursor{}, fmt.Errorf("%w: position %d is negative", ErrCursor, c.Position)
	}
	return c, nil
}

// String returns the cursor's text, empty for the beginning.
func (c Cursor) String() string {
	if c == (Cursor{}) {
		return ""
	}
	data, err := json.Marshal(c)
	if err != nil {
		panic(err) // plain data
	}
	return string(data)
}

// shownHash is how much of a hash is shown, and kept of RowsSHA256.
const shownHash = 16

// cursorAt returns the cursor of a position of a plan.
func cursorAt(p *curriculum.Plan, position int64) Cursor {
	return Cursor{
		Version: CursorVersion, DatasetID: p.DatasetID(), PlanID: p.ID(), Seed: p.Config().Seed, Phase: p.Config().Phase,
		Position: position, RowsSHA256: rowsBefore(p, position),
	}
}

// rowsBefore begins the hash of the segment that holds the position before.
func rowsBefore(p *curriculum.Plan, position int64) string {
	for _, h := range p.Segments() {
		if h.First < position && position <= h.First+h.Rows {
			return h.RowsSHA256[:min(shownHash, len(h.RowsSHA256))]
		}
	}
	return ""
}

// find returns the plan that the cursor is in. ErrCursor names the difference.
func (c Cursor) find(plans []*curriculum.Plan) (int, error) {
	if c == (Cursor{}) {
		return 0, nil
	}
	if want := plans[0].DatasetID(); c.DatasetID != want {
		return 0, fmt.Errorf("%w: it is of dataset %.16s, and this is %.16s", ErrCursor, c.DatasetID, want)
	}
	for i, p := range plans {
		if p.ID() != c.PlanID {
			continue
		}
		if have := p.Config(); c.Seed != have.Seed || c.Phase != have.Phase {
			return 0, c.otherPlan(plans[i : i+1])
		}
		if c.Position > p.Len() {
			return 0, fmt.Errorf("%w: it is at position %d, and the plan has %d so far", ErrCursor, c.Position, p.Len())
		}
		if want := rowsBefore(p, c.Position); c.RowsSHA256 != want {
			return 0, fmt.Errorf("%w: the rows before position %d are others than it has seen (%s, and here %s): a segment of the plan was drawn again", ErrCursor, c.Position, c.RowsSHA256, want)
		}
		return i, nil
	}
	return 0, c.otherPlan(plans)
}

// otherPlan says in what the nearest plan differs from the cursor's.
func (c Cursor) otherPlan(plans []*curriculum.Plan) error {
	near := plans[0]
	for _, p := range plans {
		if p.Config().Phase == c.Phase {
			near = p
			break
		}
	}
	switch have := near.Config(); {
	case have.Phase != c.Phase:
		return fmt.Errorf("%w: it is of a plan of phase %d, and this is one of phase %d", ErrCursor, c.Phase, have.Phase)
	case have.Seed != c.Seed:
		return fmt.Errorf("%w: it is of a plan with seed %d, and this one has seed %d", ErrCursor, c.Seed, have.Seed)
	}
	return fmt.Errorf("%w: it is of plan %.16s, and this is %.16s: same phase and seed, but another history or other options", ErrCursor, c.PlanID, near.ID())
}
