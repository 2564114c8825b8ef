package build

import (
	"github.com/apache/arrow/go/v17/arrow"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/ingest/clean"
)

// A cleaned batch is one that a cleaner has looked at.
type cleaned struct {
	dropped map[int]dataset.Reject // rows that go to quarantine
	near    []clean.Near           // [rows]; nil without near-deduplication
}

// look has a cleaner look at every sample of a batch, and takes the batch over: what it returns
// has the notes set.
func look(c *clean.Cleaner, near bool, rec arrow.Record) (arrow.Record, cleaned) {
	v := dataset.ViewBatch(rec)
	out := cleaned{dropped: map[int]dataset.Reject{}}
	notes := make([]dataset.Notes, v.Rows())
	noted := false
	for i := range v.Rows() {
		s, place := v.Sample(i), v.Place(i)
		verdict := c.Look(&s)
		if verdict.Drop != "" {
			out.dropped[i] = rejectOf(s, place, verdict)
		}
		notes[i] = place.Notes | verdict.Notes
		noted = noted || verdict.Notes != 0
		if near {
			out.near = append(out.near, verdict.Near)
		}
	}
	if noted {
		next := dataset.WithNotes(rec, notes)
		rec.Release()
		rec = next
	}
	return rec, out
}

// rejectOf files a sample; its strings do not point into the batch.
func rejectOf(s dataset.Sample, p dataset.Place, v clean.Verdict) dataset.Reject {
	return dataset.Reject{
		Stage: string(dataset.StageIngest), Source: clone(s.Source), Line: p.Line, Offset: p.Offset,
		SourceID: clone(s.SourceID), SampleID: clone(s.ID),
		Reason: v.Drop, Detail: v.Detail, Excerpt: clean.Excerpt(&s), Evidence: v.Evidence,
	}
}
