package curriculum

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// A Header is what a plan's file says of itself, in its Parquet key-value metadata.
type Header struct {
	FormatVersion int
	PlanID        string // of all segments: hash of dataset id, first snapshot and config
	DatasetID     string
	Snapshot      string // of the history that this segment was drawn from
	Config        Config // with the seed
	Segment       int32  // from 0
	First         int64  // position of its first row
	Rows          int64
	Done          bool            // no segment follows
	RowsSHA256    string          // over (epoch, sample_id) of its rows, in order, and Previous
	Previous      string          // RowsSHA256 of the segment before, empty in the first
	State         json.RawMessage // of the planner after it
}

// FormatVersion is the version of the plan's format.
//
//	1: plan and refusals, header in the metadata, segments chained by RowsSHA256
const FormatVersion = 1

// A Segment is a stretch of a plan, drawn from one snapshot, in memory.
type Segment struct {
	Header  Header
	Account Account

	planner *Planner
	rows    []placed
	refused []placed
}

// placed is a sample in its place.
type placed struct {
	pooled
	epoch int32
}

func planID(datasetID, snapshot string, c *Config) string {
	h := sha256.New()
	for _, text := range []string{"plan/1", datasetID, snapshot, string(c.encode())} {
		h.Write([]byte(text))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (p *Planner) begin(k *Knowledge) *Segment {
	return &Segment{
		planner: p,
		Header: Header{
			FormatVersion: FormatVersion, PlanID: p.planID, DatasetID: p.table.DatasetID, Snapshot: k.Snapshot,
			Config: p.config, Segment: p.segment, First: p.position, Previous: p.previous,
		},
		Account: newAccount(&p.config, k),
	}
}

// Len returns the number of positions.
func (s *Segment) Len() int { return len(s.rows) }

// Refused returns the number of refusals.
func (s *Segment) Refused() int { return len(s.refused) }

// add takes the samples of an order, and the refusals of the pool they were drawn from.
func (s *Segment) add(p *Planner, order []int32, epoch int32) {
	if s.rows == nil {
		s.rows = make([]placed, 0, len(order))
	}
	for _, i := range order {
		s.rows = append(s.rows, placed{p.pool[i], epoch})
		s.Account.draw(p, &p.pool[i])
	}
	for i := range p.pool {
		if c := &p.pool[i]; c.refuser != refuserNone {
			s.refused = append(s.refused, placed{*c, epoch})
			s.Account.refuse(p, c)
		}
	}
}

// hash returns RowsSHA256.
func (s *Segment) hash() string {
	h := newRowsHash(s.Header.Previous)
	for i := range s.rows {
		h.add(s.rows[i].epoch, s.planner.table.Samples[s.rows[i].sample].ID)
	}
	return h.sum()
}

// Entry returns the position i of the segment, counted from its own first.
func (s *Segment) Entry(i int) Entry {
	return s.planner.entry(&s.rows[i], s.Header.First+int64(i))
}

// Refusal returns one of the refusals.
func (s *Segment) Refusal(i int) Refusal { return s.planner.refusal(&s.refused[i]) }
