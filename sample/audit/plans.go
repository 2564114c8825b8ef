package audit

import (
	"cmp"
	"context"
	"slices"

	"github.com/longctx/pipeline/sample/history"
)

// PlanFacts say what a plan drew and refused. Refusals are counted once for each epoch.
type PlanFacts struct {
	ID            string        `json:"plan"`
	Phase         int32         `json:"phase"`
	SameDataset   bool          `json:"same_dataset"`
	Positions     int64         `json:"positions"`
	Retrospective int64         `json:"retrospective"` // positions whose sample is of an earlier phase
	Drawn         []ReasonCount `json:"drawn"`
	Refused       []ReasonCount `json:"refused"`
}

// A ReasonCount counts the samples that a plan drew or refused for one reason.
type ReasonCount struct {
	Gate    string `json:"gate,omitempty"`
	Reason  string `json:"reason"`
	Samples int64  `json:"samples"`
}

// readPlans joins the plans' reasons to their samples.
func (g *gatherer) readPlans(ctx context.Context) error {
	for _, p := range g.options.Plans {
		c := p.Config()
		f := PlanFacts{ID: p.ID(), Phase: c.Phase, SameDataset: p.DatasetID() == g.facts.Dataset.ID, Positions: p.Len()}
		drawn, refused := map[ReasonCount]int64{}, map[ReasonCount]int64{}
		for entries, err := range p.Entries(0) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			for i := range entries {
				e := &entries[i]
				drawn[ReasonCount{Reason: e.Reason}]++
				if e.OriginPhase < c.Phase {
					f.Retrospective++
					g.drew(e.SampleID, e.Reason, e.Weight)
				}
			}
		}
		for refusals, err := range p.Refusals() {
			if err != nil {
				return err
			}
			for i := range refusals {
				refused[ReasonCount{Gate: refusals[i].Gate, Reason: refusals[i].Reason}]++
			}
		}
		f.Drawn, f.Refused = counted(drawn), counted(refused)
		g.facts.Plans = append(g.facts.Plans, f)
	}
	return nil
}

// drew remembers why a plan drew a retrospective sample.
func (g *gatherer) drew(id, reason string, weight float64) {
	sample, err := history.ParseSampleID(id)
	if err != nil {
		return // Entries has checked it
	}
	if i, ok := g.index[sample]; ok && g.facts.Samples[i].Again != nil {
		a := g.facts.Samples[i].Again
		a.Reason, a.Weight = reason, Value(weight)
	}
}

func counted(of map[ReasonCount]int64) []ReasonCount {
	out := make([]ReasonCount, 0, len(of))
	for r, n := range of {
		r.Samples = n
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b ReasonCount) int {
		return cmp.Or(-cmp.Compare(a.Samples, b.Samples), cmp.Compare(a.Gate, b.Gate), cmp.Compare(a.Reason, b.Reason))
	})
	return out
}
