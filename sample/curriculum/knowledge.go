package curriculum

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/longctx/pipeline/sample/estimate"
	"github.com/longctx/pipeline/sample/history"
)

// A Candidate is a sample with what is known of it.
type Candidate struct {
	Sample   *Sample
	Known    *history.Summary    // of the visits that the source takes; nil: none
	Lifetime *history.Summary    // of all visits; nil: none
	Belief   estimate.Prediction // of its pass rate; the population's where nothing is known
}

// Mean returns the mean of the known rewards that the source takes; known is false without any.
func (c *Candidate) Mean() (mean float64, known bool) {
	if c.Known == nil || c.Known.Known == 0 {
		return 0, false
	}
	return c.Known.Mean(), true
}

// Knowledge is what one snapshot of the history says, under one config.
type Knowledge struct {
	Snapshot string // id
	Outcomes int64  // that the source takes

	// Known finds the summary of the visits that the source takes, nil where there is none.
	// Nil: no sample has one.
	Known func(history.SampleID) *history.Summary
	// Lifetime finds the summary of all visits. Nil: it is Known.
	Lifetime func(history.SampleID) *history.Summary

	track *estimate.Drift // nil unless the source is the running estimate
	now   history.Visit   // phase and step of the last visit
	prior prior
}

// Learn reads from a snapshot what a config asks for. history.ErrMixed where outcomes of
// several measurements would have become one estimate.
func Learn(ctx context.Context, snap *history.Snapshot, t *Table, c Config) (*Knowledge, error) {
	k := &Knowledge{Snapshot: snap.ID()}
	mix, err := c.mix()
	if err != nil {
		return nil, err
	}
	if snap.Empty() {
		k.prior = newPrior(t, k)
		return k, nil
	}
	o := history.SummaryOptions{Mix: mix, Filter: history.Filter{Runs: c.Runs}}
	source := o
	switch {
	case c.Source == SourceStart, c.Source == SourceLastPhase && c.Phase == 1:
		source.Filter.OnlyPhase0 = true
	case c.Source == SourceLastPhase:
		source.Filter.MaxPhase, source.LastPhase = c.Phase-1, true
	}
	known, err := snap.Summarize(ctx, source)
	if err != nil {
		return nil, err
	}
	k.Known, k.Outcomes = known.Of, known.Outcomes
	if c.asksLifetime() && c.Source != SourceRunning {
		all, err := snap.Summarize(ctx, o)
		if err != nil {
			return nil, fmt.Errorf("gates look at all visits: %w", err)
		}
		k.Lifetime = all.Of
	}
	if c.Source == SourceRunning {
		if err := k.follow(ctx, snap, t, o.Filter); err != nil {
			return nil, err
		}
	}
	k.prior = newPrior(t, k)
	return k, nil
}

// asksLifetime reports whether a gate looks at all visits, whatever the source.
func (c *Config) asksLifetime() bool {
	return slices.ContainsFunc(c.Gates, func(spec string) bool {
		name, _, _ := strings.Cut(spec, "=")
		return name == NameSkipZeroVariance || name == NameQuarantineUnlearnable
	})
}

// follow walks through all visits in the order of training with the default estimator.
func (k *Knowledge) follow(ctx context.Context, snap *history.Snapshot, t *Table, f history.Filter) error {
	var visits []history.Visit
	for block, err := range snap.Visits(ctx, f) {
		if err != nil {
			return err
		}
		visits = append(visits, block...)
	}
	tasks := make(map[history.SampleID]int32, len(t.Samples))
	for i := range t.Samples {
		tasks[t.Samples[i].ID] = t.Samples[i].Task
	}
	k.track = estimate.NewDrift(func(id history.SampleID) int32 {
		if task, ok := tasks[id]; ok {
			return task
		}
		return -1
	})
	estimate.Walk(visits, k.track.Observe)
	if len(visits) > 0 {
		k.now = visits[len(visits)-1]
	}
	return ctx.Err()
}

// find returns the summary of a sample, nil where there is none.
func (k *Knowledge) find(id history.SampleID) *history.Summary {
	if k.Known == nil {
		return nil
	}
	return k.Known(id)
}

// candidate returns what is known of a sample, from what find found.
func (k *Knowledge) candidate(s *Sample, known *history.Summary) Candidate {
	c := Candidate{Sample: s, Known: known, Lifetime: known}
	if k.Lifetime != nil {
		c.Lifetime = k.Lifetime(s.ID)
	}
	if k.track != nil {
		at := k.now
		at.SampleID = s.ID
		var ok bool
		if c.Belief, ok = k.track.Predict(&at); !ok {
			c.Belief = k.track.Unseen(s.Task)
		}
		return c
	}
	prior := k.prior.of(s.Phase)
	c.Belief = prior
	if c.Known != nil {
		c.Belief.Alpha += c.Known.Sum
		c.Belief.Beta += max(float64(c.Known.Known)-c.Known.Sum, 0)
		c.Belief.Mean = c.Belief.Alpha / (c.Belief.Alpha + c.Belief.Beta)
	}
	return c
}

// estimate returns what the plan says of a candidate: the mean of the rewards that the source
// takes with its 95% Wilson interval, or the running estimate with the interval of as many
// rollouts as its belief is worth. known is false where there is no reward.
func (k *Knowledge) estimate(c *Candidate) (estimate, lower, upper float64, known bool) {
	mean, known := c.Mean()
	if !known {
		return 0, 0, 0, false
	}
	if k.track != nil {
		lower, upper = history.Wilson(c.Belief.Alpha, c.Belief.Alpha+c.Belief.Beta)
		return c.Belief.Mean, lower, upper, true
	}
	lower, upper = c.Known.Interval()
	return mean, lower, upper, true
}

// A prior is what is believed of samples before their own rewards are looked at: the
// population of their phase, or of all where the phase has few.
type prior struct {
	all     estimate.Prediction
	byPhase map[int32]estimate.Prediction
}

func (p *prior) of(phase int32) estimate.Prediction {
	if b, ok := p.byPhase[phase]; ok {
		return b
	}
	return p.all
}

const (
	priorSamples    = 1 << 17 // looked at, chosen by the hash of their ids
	priorLeast      = 50      // visited samples of a phase, or it shares the prior of all
	priorLeastAtAll = 10
)

// moments sums what a beta distribution is fitted to, in fixed point: the sums do not depend
// on the order.
type moments struct{ n, mean, square, noise int64 }

const fixed = 1 << 30

// newPrior fits a beta distribution to the visited samples of each phase by its moments: the
// variance of their means less what their groups' own variance explains (empirical Bayes).
func newPrior(t *Table, k *Knowledge) prior {
	p := prior{all: estimate.Prediction{Mean: 0.5, Alpha: 1, Beta: 1}, byPhase: map[int32]estimate.Prediction{}}
	if k.Known == nil {
		return p
	}
	limit := ^uint64(0)
	if n := len(t.Samples); n > priorSamples {
		limit = ^uint64(0) / uint64(n) * priorSamples
	}
	chosen := Random{}
	var all moments
	phases := map[int32]*moments{}
	for i := range t.Samples {
		s := &t.Samples[i]
		if chosen.bits(s.ID, 0) > limit {
			continue
		}
		sum := k.Known(s.ID)
		if sum == nil || sum.Known < 2 {
			continue
		}
		of := phases[s.Phase]
		if of == nil {
			of = new(moments)
			phases[s.Phase] = of
		}
		of.add(sum)
		all.add(sum)
	}
	if all.n >= priorLeastAtAll {
		p.all = all.fit()
	}
	for phase, m := range phases {
		if m.n >= priorLeast {
			p.byPhase[phase] = m.fit()
		}
	}
	return p
}

func (m *moments) add(s *history.Summary) {
	mean, n := s.Mean(), float64(s.Known)
	m.n++
	m.mean += int64(mean * fixed)
	m.square += int64(mean * mean * fixed)
	m.noise += int64(max(s.Squares-s.Sum*mean, 0) / (n - 1) / n * fixed)
}

func (m *moments) fit() estimate.Prediction {
	n := float64(m.n) * fixed
	mean := float64(m.mean) / n
	variance := float64(m.square)/n - mean*mean - float64(m.noise)/n
	mean = min(max(mean, 0.001), 0.999)
	strength := 1e3
	if variance > 0 {
		strength = mean*(1-mean)/variance - 1
	}
	strength = min(max(strength, 0.05), 1e3)
	return estimate.Prediction{Mean: mean, Alpha: mean * strength, Beta: (1 - mean) * strength}
}

// trainingOrder sorts visits as they came in training.
func trainingOrder(a, b history.Visit) int {
	return cmp.Or(cmp.Compare(a.Phase, b.Phase), cmp.Compare(a.Step, b.Step), cmp.Compare(a.Position, b.Position), cmp.Compare(a.Sequence, b.Sequence))
}
