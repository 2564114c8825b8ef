package history

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
)

// Summarize reads the counts of all outcomes that the filter takes. ErrMixed where they come
// from more measurements than the options allow. Outcomes that were recorded out of the order
// of training cost a second pass over the small columns.
func (s *Snapshot) Summarize(ctx context.Context, o SummaryOptions) (*Summaries, error) {
	if o.Decay == (Decay{}) {
		o.Decay = DefaultDecay
	}
	if d := o.Decay; !(d.Forget >= 0 && d.Forget <= 1 && d.Alpha > 0 && d.Beta > 0) {
		return nil, fmt.Errorf("history: decay %+v: forget in [0, 1], alpha and beta over 0", d)
	}
	g := &gatherer{options: o, sums: &Summaries{Snapshot: s.id}}
	for visits, err := range s.Visits(ctx, o.Filter) {
		if err == nil {
			err = g.add(visits)
		}
		if err != nil {
			return nil, err
		}
	}
	if g.late == nil {
		return g.sums, nil
	}
	return g.sums, g.redo(ctx, s)
}

// A gatherer sums up visits sample by sample.
type gatherer struct {
	options SummaryOptions
	sums    *Summaries
	last    []lastVisit // of each sample
	at      []int32     // numbers of the samples of one block
	late    map[int32][]Visit

	setting *Setting // and its measurement
	measure int32
}

// lastVisit is what the order of a sample's visits is checked by.
type lastVisit struct {
	step, position int64
	phase          int32
	late           bool // a visit came out of order
}

func (l *lastVisit) after(v *Visit) bool {
	return cmp.Or(cmp.Compare(l.phase, v.Phase), cmp.Compare(l.step, v.Step), cmp.Compare(l.position, v.Position)) > 0
}

func (g *gatherer) add(visits []Visit) error {
	s := g.sums
	// Two loops: the first misses the cache for the table, the second for the summaries, and
	// the processor overlaps the misses of each.
	g.at = g.at[:0]
	for i := range visits {
		n, fresh := s.table.add(s.list, visits[i].SampleID)
		if fresh {
			s.list = append(s.list, Summary{
				SampleID: visits[i].SampleID, Alpha: g.options.Decay.Alpha, Beta: g.options.Decay.Beta, Measurement: -1,
				First: Seen{Mean: math.NaN()}, Last: Seen{Mean: math.NaN()},
			})
			g.last = append(g.last, lastVisit{phase: -1})
		}
		g.at = append(g.at, int32(n))
	}
	for i, n := range g.at {
		v := &visits[i]
		s.Outcomes++
		if err := g.measured(n, v); err != nil {
			return err
		}
		l := &g.last[n]
		if l.late || l.after(v) {
			if g.late == nil {
				g.late = map[int32][]Visit{}
			}
			g.late[n] = nil
			l.late, l.phase = true, max(l.phase, v.Phase)
			continue
		}
		if g.options.LastPhase && v.Phase > l.phase && s.list[n].Visits > 0 {
			s.list[n].forget(g.options.Decay)
		}
		l.phase, l.step, l.position = v.Phase, v.Step, v.Position
		s.list[n].visit(v, g.options.Decay)
	}
	return nil
}

// measured checks that a visit may become part of an estimate.
func (g *gatherer) measured(n int32, v *Visit) error {
	s := g.sums
	if v.Setting != g.setting {
		g.setting = v.Setting
		i := slices.Index(s.Measurements, v.Setting.Measurement)
		if i < 0 {
			i = len(s.Measurements)
			s.Measurements = append(s.Measurements, v.Setting.Measurement)
		}
		g.measure = int32(i)
		if i > 0 && g.options.Mix == MixNone {
			return fmt.Errorf("history: %w", &MixedError{A: s.Measurements[0], B: s.Measurements[i]})
		}
	}
	sum := &s.list[n]
	switch {
	case sum.Measurement == g.measure:
	case sum.Visits == 0 && sum.Measurement < 0:
		sum.Measurement = g.measure
	case g.options.LastPhase && v.Phase != g.last[n].phase:
		if v.Phase > g.last[n].phase { // what it was measured under before does not count any more
			sum.Measurement = g.measure
		}
	case g.options.Mix == MixAll:
		sum.Measurement = -1
	default:
		id := v.SampleID
		return fmt.Errorf("history: %w", &MixedError{SampleID: &id, A: s.Measurements[sum.Measurement], B: v.Setting.Measurement})
	}
	return nil
}

// redo summarizes anew, in the order of training, the samples whose visits were not in it.
func (g *gatherer) redo(ctx context.Context, snap *Snapshot) error {
	s := g.sums
	for visits, err := range snap.Visits(ctx, g.options.Filter) {
		if err != nil {
			return err
		}
		for i := range visits {
			n, _ := s.table.find(s.list, visits[i].SampleID)
			if late, ok := g.late[int32(n)]; ok {
				g.late[int32(n)] = append(late, visits[i])
			}
		}
	}
	for n, visits := range g.late {
		slices.SortStableFunc(visits, compareOrder)
		if g.options.LastPhase {
			last := visits[len(visits)-1].Phase
			visits = visits[slices.IndexFunc(visits, func(v Visit) bool { return v.Phase == last }):]
		}
		s.list[n].forget(g.options.Decay)
		for i := range visits {
			s.list[n].visit(&visits[i], g.options.Decay)
		}
	}
	return nil
}

// forget leaves what is known of the sample itself.
func (s *Summary) forget(d Decay) {
	*s = Summary{
		SampleID: s.SampleID, Measurement: s.Measurement, Alpha: d.Alpha, Beta: d.Beta,
		First: Seen{Mean: math.NaN()}, Last: Seen{Mean: math.NaN()},
	}
}

// visit adds one visit, later in training than all before.
func (s *Summary) visit(v *Visit, d Decay) {
	if s.Visits == 0 {
		s.First = Seen{v.Phase, v.Step, math.NaN()}
	}
	s.Visits++
	s.Known += v.Known
	s.Unknown += v.Unknown
	s.Successes += v.Successes
	s.Sum += v.Sum
	s.Squares += v.Squares
	s.Last.Phase, s.Last.Step = v.Phase, v.Step
	if v.Known == 0 {
		return
	}
	s.KnownVisits++
	s.Last.Mean = v.Mean()
	if s.KnownVisits == 1 {
		s.First.Mean = s.Last.Mean
	}
	switch {
	case v.ZeroVariance:
		s.ZeroVariance++
		s.ZeroStreak++
	case v.Known >= 2: // one reward says nothing of variance
		s.ZeroStreak = 0
	}
	s.Alpha, s.Beta = d.visit(s.Alpha, s.Beta, v)
}
