package audit

import (
	"cmp"
	"maps"
	"math/bits"
	"slices"
)

// A Step is what happened at one optimizer step of one phase. Phase 0 holds measurements before
// training.
type Step struct {
	Phase int32 `json:"phase"`
	Step  int64 `json:"step"`
	// Order is the place on a common axis: Step, or later where the steps of a phase do not
	// begin after those of the phase before it.
	Order         int64 `json:"order"`
	Own           Means `json:"own"`           // groups of the phase's own samples
	Retrospective Means `json:"retrospective"` // groups of samples of earlier phases
	Zero          Zero  `json:"zero_variance"`
	TooFew        int64 `json:"too_few"`  // groups with fewer than two known rewards
	Rollouts      int64 `json:"rollouts"` // known and unknown
	Null          int64 `json:"null"`     // rollouts with an unknown reward

	Outages      int64 `json:"judge_outages"` // of those: a judge was to answer
	Compared     int64 `json:"compared"`      // rollouts with a reward of rule and judge
	Rescued      int64 `json:"rescued"`       // of those: rule 0, judge 1
	Contradicted int64 `json:"contradicted"`  // of those: rule 1, judge 0

	last int64 // Order of the last step that was joined to it

	Counted int64 `json:"responses_counted"` // responses of known length
	Tokens  int64 `json:"response_tokens"`   // of those
	Cut     int64 `json:"responses_cut"`     // responses that stopped at their limit
	Stopped int64 `json:"responses_stopped"` // responses whose stop reason is known
}

// Means sums the means of groups.
type Means struct {
	Groups int64   // with a known reward
	Sum    float64 // of their means
}

// Estimate returns the mean of the groups' means; n: groups.
func (l Means) Estimate() Estimate { return estimateOf(l.Sum, l.Groups) }

// MarshalJSON writes the estimate.
func (l Means) MarshalJSON() ([]byte, error) { return marshal(l.Estimate()) }

func (l *Means) add(o Means) {
	l.Groups += o.Groups
	l.Sum += o.Sum
}

// MeanTokens returns the mean length of the responses whose length is known.
func (s *Step) MeanTokens() string {
	if s.Counted == 0 {
		return "unknown"
	}
	return comma(s.Tokens / s.Counted)
}

// makeSteps counts the visits of each step, and puts the phases behind each other.
func (g *gatherer) makeSteps() {
	g.steps = map[stepKey]*Step{}
	for i := range g.visits {
		v := &g.visits[i]
		k := stepKey{v.phase, v.step}
		s := g.steps[k]
		if s == nil {
			s = &Step{Phase: v.phase, Step: v.step}
			g.steps[k] = s
		}
		s.add(v)
	}
	ordered := slices.SortedFunc(maps.Values(g.steps), func(a, b *Step) int {
		return cmp.Or(cmp.Compare(a.Phase, b.Phase), cmp.Compare(a.Step, b.Step))
	})
	phase, offset, last := int32(0), int64(0), int64(-1)
	for _, s := range ordered {
		if s.Phase != phase {
			phase = s.Phase
			offset = 0
			if s.Step <= last {
				offset = last + 1 - s.Step
			}
		}
		s.Order = s.Step + offset
		s.last = s.Order
		if s.Phase > 0 {
			last = s.Order
		}
	}
	g.window(ordered)
	for _, s := range ordered {
		g.facts.Steps = append(g.facts.Steps, *s)
	}
}

func (s *Step) add(v *visit) {
	s.Rollouts += int64(v.known + v.unknown)
	s.Null += int64(v.unknown)
	if z, ok := zeroOf(v); ok {
		s.Zero.add(z)
	} else {
		s.TooFew++
	}
	if v.known == 0 {
		return
	}
	means := &s.Own
	if v.late {
		means = &s.Retrospective
	}
	means.add(Means{1, v.sum / float64(v.known)})
}

// A Trend compares the first quarter of a phase's steps with the last, by the groups of the
// phase's own samples.
type Trend struct {
	Phase  int32  `json:"phase"`
	Change Change `json:"change"` // n: groups
}

// window makes the trends, and counts the groups in the last quarter of all steps.
func (g *gatherer) window(ordered []*Step) {
	f := g.facts
	trained := slices.DeleteFunc(slices.Clone(ordered), func(s *Step) bool { return s.Phase == 0 })
	eachPhase(trained, func(steps []*Step) {
		low, high, quarter := quarters(steps)
		var first, last Means
		for _, s := range steps {
			if s.Order < low+quarter {
				first.add(s.Own)
			}
			if s.Order > high-quarter {
				last.add(s.Own)
			}
		}
		f.Trends = append(f.Trends, Trend{steps[0].Phase, changeOf(first.Estimate(), last.Estimate())})
	})
	if len(trained) == 0 {
		return
	}
	_, high, quarter := quarters(trained)
	for _, s := range trained {
		if s.Order > high-quarter {
			f.Totals.RecentZero.add(s.Zero)
		}
	}
}

func quarters(steps []*Step) (low, high, quarter int64) {
	low, high = steps[0].Order, steps[len(steps)-1].Order
	return low, high, max((high-low+1)/4, 1)
}

func eachPhase(steps []*Step, yield func([]*Step)) {
	for from := 0; from < len(steps); {
		to := from + 1
		for to < len(steps) && steps[to].Phase == steps[from].Phase {
			to++
		}
		yield(steps[from:to])
		from = to
	}
}

// Bin joins neighbouring steps of a phase, about n bins for all phases together, so that a
// picture stays readable. A bin's Step and Order are those of its first step. per says how many
// steps a bin spans; the last one of a phase may span fewer.
func Bin(steps []Step, n int) (bins []Step, per int64) {
	if len(steps) == 0 || n < 1 {
		return nil, 1
	}
	low, high := steps[0].Order, steps[0].Order
	for _, s := range steps {
		low, high = min(low, s.Order), max(high, s.Order)
	}
	per = niceCount((high - low + int64(n)) / int64(n))
	begin := int64(0) // of the phase
	for _, s := range steps {
		if last := len(bins) - 1; last >= 0 && bins[last].Phase == s.Phase {
			if (bins[last].Order-begin)/per == (s.Order-begin)/per {
				bins[last].join(&s)
				continue
			}
		} else {
			begin = s.Order
		}
		bins = append(bins, s)
	}
	return bins, per
}

// Last returns the place of the last step of a bin.
func (s *Step) Last() int64 { return s.last }

// niceCount rounds up to 1, 2 or 5 times a power of ten.
func niceCount(n int64) int64 {
	for p := int64(1); ; p *= 10 {
		for _, m := range []int64{1, 2, 5} {
			if m*p >= n {
				return m * p
			}
		}
	}
}

func (s *Step) join(o *Step) {
	s.last = max(s.last, o.last)
	s.Own.add(o.Own)
	s.Retrospective.add(o.Retrospective)
	s.Zero.add(o.Zero)
	for _, pair := range [...][2]*int64{
		{&s.TooFew, &o.TooFew},
		{&s.Rollouts, &o.Rollouts},
		{&s.Null, &o.Null},
		{&s.Outages, &o.Outages},
		{&s.Compared, &o.Compared},
		{&s.Rescued, &o.Rescued},
		{&s.Contradicted, &o.Contradicted},
		{&s.Counted, &o.Counted},
		{&s.Tokens, &o.Tokens},
		{&s.Cut, &o.Cut},
		{&s.Stopped, &o.Stopped},
	} {
		*pair[0] += *pair[1]
	}
}

func popcount(word uint64) int { return bits.OnesCount64(word) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
