package audit

import (
	"cmp"
	"math"
	"slices"
)

// rank lists samples by what a person may look for. Ties fall to the order of the dataset.
func (g *gatherer) rank() {
	f := g.facts
	for i := range f.Samples {
		s, n := &f.Samples[i], int32(i)
		switch s.State {
		case NeverVisited:
			f.NeverVisited = append(f.NeverVisited, n)
		case Unlearnable:
			f.Unlearnable = append(f.Unlearnable, n)
		case Solved:
			f.Solved = append(f.Solved, n)
		}
		if s.State == NoSuccess || s.State == Learning {
			f.Hardest = append(f.Hardest, n)
		}
		if s.Change.clear() != 0 {
			f.Moved = append(f.Moved, n)
		}
		if s.Again != nil {
			f.Again = append(f.Again, n)
		}
	}
	at := func(n int32) *Sample { return &f.Samples[n] }
	slices.SortStableFunc(f.Unlearnable, func(a, b int32) int {
		return cmp.Or(-cmp.Compare(at(a).Rollouts, at(b).Rollouts), -cmp.Compare(at(a).KnownVisits, at(b).KnownVisits))
	})
	slices.SortStableFunc(f.Hardest, func(a, b int32) int {
		return cmp.Or(cmp.Compare(at(a).Estimate.Upper, at(b).Estimate.Upper), cmp.Compare(at(a).Belief.Mean, at(b).Belief.Mean))
	})
	slices.SortStableFunc(f.Solved, func(a, b int32) int {
		return cmp.Or(-cmp.Compare(at(a).Estimate.Lower, at(b).Estimate.Lower), -cmp.Compare(at(a).Belief.Mean, at(b).Belief.Mean))
	})
	slices.SortStableFunc(f.Moved, func(a, b int32) int {
		return cmp.Compare(math.Abs(at(b).Change.clear()), math.Abs(at(a).Change.clear()))
	})
	slices.SortStableFunc(f.Again, func(a, b int32) int {
		return cmp.Or(cmp.Compare(at(a).Again.Became, at(b).Again.Became), -cmp.Compare(at(a).Again.Change.To.N, at(b).Again.Change.To.N))
	})
}

// rankDisagreed lists the samples whose rule and judge differ most often.
func (g *gatherer) rankDisagreed() {
	f := g.facts
	for i := range f.Samples {
		if f.Samples[i].Rescued+f.Samples[i].Contradicted > 0 {
			f.Disagreed = append(f.Disagreed, int32(i))
		}
	}
	slices.SortStableFunc(f.Disagreed, func(a, b int32) int {
		x, y := &f.Samples[a], &f.Samples[b]
		return -cmp.Compare(x.Rescued+x.Contradicted, y.Rescued+y.Contradicted)
	})
}

// chooseDetails decides which samples have a part of their own: all where there are few enough,
// or the first of every list in turn.
func (g *gatherer) chooseDetails() {
	f := g.facts
	limit := g.options.Details
	if len(f.Samples) <= limit {
		for i := range f.Samples {
			f.Details[int32(i)] = g.detail(int32(i))
		}
		return
	}
	lists := [][]int32{f.Unlearnable, f.Hardest, f.Moved, f.Again, f.Solved, f.NeverVisited}
	for rank := 0; len(f.Details) < limit; rank++ {
		any := false
		for _, list := range lists {
			if rank < len(list) && len(f.Details) < limit {
				any = true
				if f.Details[list[rank]] == nil {
					f.Details[list[rank]] = g.detail(list[rank])
				}
			}
		}
		if !any {
			return
		}
	}
}

// shownVisits bounds the visits in a sample's own part.
const shownVisits = 24

func (g *gatherer) detail(sample int32) *Detail {
	visits := g.visitsOf(sample)
	d := &Detail{Earlier: max(len(visits)-shownVisits, 0)}
	for _, n := range visits[d.Earlier:] {
		v := &g.visits[n]
		mean := Unknown
		if v.known > 0 {
			mean = Value(v.sum / float64(v.known))
		}
		d.Visits = append(d.Visits, Visit{v.phase, v.step, mean, v.known, v.unknown, v.successes, v.late})
	}
	return d
}
