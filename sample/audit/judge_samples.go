package audit

import (
	"math"
	"slices"

	"github.com/longctx/pipeline/sample/history"
)

// judgeSamples sums up each sample's visits and says its state.
func (g *gatherer) judgeSamples() {
	f := g.facts
	t := &f.Totals
	var mean float64
	var changes []float64
	for i := range f.Samples {
		s := &f.Samples[i]
		visits := g.visitsOf(int32(i))
		mixed := g.sumUp(s, visits)
		s.State = s.state(f.Thresholds)
		t.States.add(s.State)
		if s.Visits > 0 {
			t.Visited++
		}
		if s.Estimate.N > 0 {
			t.Known++
			mean += float64(s.Estimate.Mean)
		}
		if mixed {
			t.Mixed++
		}
		if s.Change.By.Known() {
			changes = append(changes, float64(s.Change.By))
		}
	}
	t.Mean = estimateOf(mean, t.Known)
	t.ChangeKnown = int64(len(changes))
	t.MovedBy = median(changes)
	g.countGroups()
}

// sumUp fills the counts and estimates of a sample. mixed says that the estimate's visits were
// measured under several limits or judges.
func (g *gatherer) sumUp(s *Sample, visits []int32) (mixed bool) {
	var total, last part
	measured := int32(-1)
	for _, n := range visits {
		v := &g.visits[n]
		if Ordinal(v.phase) != s.LastPhase {
			last, measured, mixed = part{}, v.measured, false
		}
		mixed = mixed || v.measured != measured
		s.LastPhase, s.LastStep = Ordinal(v.phase), Ordinal(v.step)
		s.Visits++
		s.Unknown += v.unknown
		s.Successes += v.successes
		if v.known == 0 {
			continue
		}
		s.KnownVisits++
		s.Rollouts += v.known
		if v.zeroVariance {
			s.ZeroVariance++
		}
		total.add(v)
		last.add(v)
	}
	if last.known == 0 { // its last phase knows nothing: the estimate of all visits is better than none
		last = total
	}
	s.Estimate = last.estimate()
	s.PassRate = share(int64(s.Successes), int64(s.Rollouts))
	s.Belief = Belief{Unknown, Unknown, Unknown}
	s.Change = g.change(visits, s.KnownVisits)
	s.Again = g.again(s, visits)
	return mixed && s.Estimate.N > 0
}

// part sums known rewards.
type part struct {
	sum       float64
	known     int64
	successes int64
	visits    int32
}

func (p *part) add(v *visit) {
	p.sum += v.sum
	p.known += int64(v.known)
	p.successes += int64(v.successes)
	p.visits++
}

func (p *part) estimate() Estimate { return estimateOf(p.sum, p.known) }

// change compares the first half of the known visits with the second; an odd one in the middle
// is left out.
func (g *gatherer) change(visits []int32, known int32) Change {
	var from, to part
	n := int32(0)
	for _, i := range visits {
		v := &g.visits[i]
		if v.known == 0 {
			continue
		}
		if n < known/2 {
			from.add(v)
		} else if n >= (known+1)/2 {
			to.add(v)
		}
		n++
	}
	return changeOf(from.estimate(), to.estimate())
}

// again compares a retrospective sample's last phase before with its visits since.
func (g *gatherer) again(s *Sample, visits []int32) *Again {
	first := slices.IndexFunc(visits, func(n int32) bool { return g.visits[n].late })
	if first < 0 {
		return nil
	}
	a := &Again{FirstStep: g.visits[visits[first]].step, Weight: Unknown}
	var before, since part
	phase := int32(-1)
	for _, n := range visits[:first] {
		v := &g.visits[n]
		if v.phase != phase {
			before, phase = part{}, v.phase
		}
		before.add(v)
	}
	for _, n := range visits[first:] {
		v := &g.visits[n]
		since.add(v)
		a.Phase = max(a.Phase, v.phase)
		a.Visits++
	}
	a.Change = changeOf(before.estimate(), since.estimate())
	a.Became = g.became(a.Change, since, s)
	return a
}

func (g *gatherer) became(c Change, since part, s *Sample) Became {
	switch {
	case since.known == 0:
		return BecameUnknown
	case since.sum/float64(since.known) > g.facts.Thresholds.SolvedAbove:
		return BecameSolved
	case s.Successes == 0:
		return BecameNothing
	case c.Rose():
		return BecameBetter
	case c.Fell():
		return BecameWorse
	case !c.By.Known():
		return BecameUnknown
	}
	return BecameUnclear
}

// state says in one word what is known. Unlearnable is what curriculum's gate
// quarantine_unlearnable refuses, solved what drop_solved does.
func (s *Sample) state(t Thresholds) State {
	switch {
	case s.Visits == 0:
		return NeverVisited
	case s.KnownVisits == 0:
		return NoReward
	case s.Successes == 0 && s.KnownVisits >= int32(t.QuarantineVisits):
		return Unlearnable
	case s.Successes == 0:
		return NoSuccess
	case float64(s.Estimate.Mean) > t.SolvedAbove:
		return Solved
	}
	return Learning
}

// countGroups counts all groups.
func (g *gatherer) countGroups() {
	t := &g.facts.Totals
	for i := range g.visits {
		v := &g.visits[i]
		t.Groups++
		t.Rollouts += int64(v.known + v.unknown)
		t.RolloutsUnknown += int64(v.unknown)
		switch v.known {
		case 0:
			t.GroupsUnknown++
		case 1:
			t.GroupsTooFew++
		}
		if v.phase > 0 && v.phase < g.facts.Samples[v.sample].Phase {
			t.Ahead++
		}
	}
}

func median(values []float64) Value {
	if len(values) == 0 {
		return Unknown
	}
	slices.Sort(values)
	n := len(values)
	return Value((values[(n-1)/2] + values[n/2]) / 2)
}

// zeroOf says of which kind a group is; ok is false with fewer than two known rewards.
func zeroOf(v *visit) (z Zero, ok bool) {
	switch {
	case v.known < 2:
		return z, false
	case !v.zeroVariance:
		z.Mixed = 1
	case v.sum == 0:
		z.AllWrong = 1
	case v.sum == float64(v.known):
		z.AllRight = 1
	default:
		z.AllEqual = 1
	}
	return z, true
}

// interval of a belief with the weight of a + b rollouts.
func beliefOf(mean, a, b float64) Belief {
	lower, upper := history.Wilson(a, a+b)
	return Belief{Value(mean), Value(math.Min(lower, mean)), Value(math.Max(upper, mean))}
}
