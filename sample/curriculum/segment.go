package curriculum

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"sort"
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

	planner       *Planner
	parts         []part
	rows, refused int
}

// A part is what one epoch gave to a segment: indices into the pool that it was drawn from.
type part struct {
	epoch          int32
	pool           []pooled
	order, refused []int32
	firstRow       int // in the segment
	firstRefused   int
}

// at finds the part that holds a row or a refusal, from the first index of each.
func (s *Segment) at(i int, first func(*part) int) *part {
	n := sort.Search(len(s.parts), func(n int) bool { return first(&s.parts[n]) > i })
	return &s.parts[n-1]
}

func (s *Segment) row(i int) (*pooled, int32) {
	p := s.at(i, func(p *part) int { return p.firstRow })
	return &p.pool[p.order[i-p.firstRow]], p.epoch
}

func (s *Segment) refusedRow(i int) (*pooled, int32) {
	p := s.at(i, func(p *part) int { return p.firstRefused })
	return &p.pool[p.refused[i-p.firstRefused]], p.epoch
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
func (s *Segment) Len() int { return s.rows }

// Refused returns the number of refusals.
func (s *Segment) Refused() int { return s.refused }

// add takes the samples of an order, and the refusals of the pool they were drawn from.
func (s *Segment) add(p *Planner, order []int32, epoch int32) {
	part := part{epoch: epoch, pool: p.pool, order: order, firstRow: s.rows, firstRefused: s.refused}
	for _, i := range order {
		s.Account.draw(p, &p.pool[i])
	}
	for i := range p.pool {
		if c := &p.pool[i]; c.refuser != refuserNone {
			part.refused = append(part.refused, int32(i))
			s.Account.refuse(p, c)
		}
	}
	s.rows += len(order)
	s.refused += len(part.refused)
	s.parts = append(s.parts, part)
}

// hash returns RowsSHA256.
func (s *Segment) hash() string {
	h := newRowsHash(s.Header.Previous)
	for i := range s.parts {
		part := &s.parts[i]
		for _, n := range part.order {
			h.add(part.epoch, s.planner.table.Samples[part.pool[n].sample].ID)
		}
	}
	return h.sum()
}

// Entry returns the position i of the segment, counted from its own first.
func (s *Segment) Entry(i int) Entry {
	row, epoch := s.row(i)
	return s.planner.entry(row, epoch, s.Header.First+int64(i))
}

// Refusal returns one of the refusals.
func (s *Segment) Refusal(i int) Refusal {
	row, epoch := s.refusedRow(i)
	return s.planner.refusal(row, epoch)
}
