package curriculum

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"

	"github.com/longctx/pipeline/sample/history"
)

// An Entry is one position of a plan.
type Entry struct {
	Position    int64    `parquet:"position"` // from 0
	Epoch       int32    `parquet:"epoch"`    // from 0
	SampleID    string   `parquet:"sample_id"`
	Shard       string   `parquet:"shard,dict"` // path in the dataset
	Row         int32    `parquet:"row"`        // in the shard, from 0
	OriginPhase int32    `parquet:"origin_phase"`
	Estimate    *float64 `parquet:"estimate,optional"` // of the mean reward; null: unvisited
	Lower       *float64 `parquet:"lower,optional"`    // 95% interval
	Upper       *float64 `parquet:"upper,optional"`
	Rollouts    int32    `parquet:"rollouts"` // known rewards that the estimate is made of
	Weight      float64  `parquet:"weight"`   // in the draw
	Reason      string   `parquet:"reason,dict"`
}

// A Refusal is a sample in reach that an epoch did not draw.
type Refusal struct {
	Epoch       int32    `parquet:"epoch"`
	SampleID    string   `parquet:"sample_id"`
	Shard       string   `parquet:"shard,dict"`
	Row         int32    `parquet:"row"`
	OriginPhase int32    `parquet:"origin_phase"`
	Estimate    *float64 `parquet:"estimate,optional"`
	Lower       *float64 `parquet:"lower,optional"`
	Upper       *float64 `parquet:"upper,optional"`
	Rollouts    int32    `parquet:"rollouts"`
	Gate        string   `parquet:"gate,dict"` // the gate, strategy or share that refused, as the config spells it
	Reason      string   `parquet:"reason,dict"`
}

func (p *Planner) entry(r *pooled, epoch int32, position int64) Entry {
	s := &p.table.Samples[r.sample]
	e := Entry{
		Position: position, Epoch: epoch, SampleID: s.ID.String(), Shard: p.table.Shards[s.Shard], Row: s.Row,
		OriginPhase: s.Phase, Rollouts: r.rollouts, Weight: r.weight, Reason: r.reason.String(),
	}
	if r.known {
		e.Estimate, e.Lower, e.Upper = &r.estimate, &r.lower, &r.upper
	}
	return e
}

func (p *Planner) refusal(r *pooled, epoch int32) Refusal {
	e := p.entry(r, epoch, 0)
	return Refusal{
		Epoch: e.Epoch, SampleID: e.SampleID, Shard: e.Shard, Row: e.Row, OriginPhase: e.OriginPhase, Estimate: e.Estimate,
		Lower: e.Lower, Upper: e.Upper, Rollouts: e.Rollouts, Gate: p.refuserName(r.refuser), Reason: e.Reason,
	}
}

// rowsHash makes RowsSHA256.
type rowsHash struct {
	h   hash.Hash
	buf []byte
}

func newRowsHash(previous string) *rowsHash {
	h := &rowsHash{h: sha256.New(), buf: make([]byte, 0, 1<<14)}
	h.h.Write([]byte(previous))
	return h
}

func (h *rowsHash) add(epoch int32, id history.SampleID) {
	h.buf = append(binary.LittleEndian.AppendUint32(h.buf, uint32(epoch)), id[:]...)
	if len(h.buf) > 1<<13 {
		h.h.Write(h.buf)
		h.buf = h.buf[:0]
	}
}

func (h *rowsHash) sum() string {
	h.h.Write(h.buf)
	return hex.EncodeToString(h.h.Sum(nil))
}
