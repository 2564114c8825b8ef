package audit

import (
	"cmp"
	"slices"
	"strconv"
)

// What samples are put together by.
const (
	ByPhase      = "phase"
	ByDataSource = "data_source"
	BySource     = "source"
	ByLength     = "length"
)

// Bins of a Histogram: 0, ten tenths of (0, 1), 1.
const Bins = 12

// A Set describes samples that have something in common.
type Set struct {
	By        string      `json:"by"`
	Name      string      `json:"name"` // empty: not said
	Samples   int64       `json:"samples"`
	States    States      `json:"states"`
	Mean      Estimate    `json:"mean"`      // of the samples' estimates; n: samples with a known reward
	Histogram [Bins]int64 `json:"histogram"` // of the samples' estimates: 0, (0, 0.1], .. (0.9, 1), 1
	Visits    int64       `json:"visits"`
	Groups    int64       `json:"groups"`        // visits with two known rewards or more
	Zero      int64       `json:"zero_variance"` // of those
	Rollouts  int64       `json:"rollouts"`      // with a known reward
	Unknown   int64       `json:"unknown"`       // rollouts without
	Lengths   Lengths     `json:"prompt_lengths"`
	order     int64
	lengths   []int32
	sum       float64
}

// Lengths are order statistics of prompt lengths, in tokens.
type Lengths struct {
	Min    int32 `json:"min"`
	Median int32 `json:"median"`
	P90    int32 `json:"p90"`
	Max    int32 `json:"max"`
}

// lengthSets is the number of sets by length: as many samples in each as the lengths allow.
const lengthSets = 10

type setKey struct{ by, name string }

// makeSets puts every sample into its four sets.
func (g *gatherer) makeSets() {
	f := g.facts
	sets := map[setKey]*Set{}
	borders := g.lengthBorders()
	names := make([]string, len(borders))
	for i, b := range borders {
		names[i] = "≤ " + comma(int64(b))
	}
	for i := range f.Samples {
		s := &f.Samples[i]
		at, _ := slices.BinarySearch(borders, s.PromptLength)
		add := func(by, name string, order int64) {
			set := sets[setKey{by, name}]
			if set == nil {
				set = &Set{By: by, Name: name, order: order}
				sets[setKey{by, name}] = set
			}
			set.add(s)
		}
		add(ByPhase, strconv.Itoa(int(s.Phase)), int64(s.Phase))
		add(ByDataSource, s.DataSource, 0)
		add(BySource, s.Source, 0)
		add(ByLength, names[at], int64(at))
	}
	g.countZero(sets, borders, names)
	for _, s := range sets {
		s.finish()
		f.Sets = append(f.Sets, *s)
	}
	by := []string{ByPhase, ByDataSource, BySource, ByLength}
	slices.SortFunc(f.Sets, func(a, b Set) int {
		return cmp.Or(cmp.Compare(slices.Index(by, a.By), slices.Index(by, b.By)), cmp.Compare(a.order, b.order),
			-cmp.Compare(a.Samples, b.Samples), cmp.Compare(a.Name, b.Name))
	})
}

// lengthBorders returns the upper ends of the sets by length.
func (g *gatherer) lengthBorders() []int32 {
	lengths := make([]int32, 0, len(g.facts.Samples))
	for i := range g.facts.Samples {
		lengths = append(lengths, g.facts.Samples[i].PromptLength)
	}
	slices.Sort(lengths)
	var borders []int32
	for i := 1; i <= lengthSets && len(lengths) > 0; i++ {
		b := lengths[(len(lengths)*i-1)/lengthSets]
		if n := len(borders); n == 0 || b > borders[n-1] {
			borders = append(borders, b)
		}
	}
	return borders
}

// countZero counts the groups that could have had variance.
func (g *gatherer) countZero(sets map[setKey]*Set, borders []int32, names []string) {
	for i := range g.visits {
		v := &g.visits[i]
		if v.known < 2 {
			continue
		}
		s := &g.facts.Samples[v.sample]
		at, _ := slices.BinarySearch(borders, s.PromptLength)
		for _, k := range [...]setKey{{ByPhase, strconv.Itoa(int(s.Phase))}, {ByDataSource, s.DataSource}, {BySource, s.Source}, {ByLength, names[at]}} {
			set := sets[k]
			set.Groups++
			if v.zeroVariance {
				set.Zero++
			}
		}
	}
}

func (s *Set) add(x *Sample) {
	s.Samples++
	s.States.add(x.State)
	s.Visits += int64(x.Visits)
	s.Rollouts += int64(x.Rollouts)
	s.Unknown += int64(x.Unknown)
	s.lengths = append(s.lengths, x.PromptLength)
	if x.Estimate.N > 0 {
		s.sum += float64(x.Estimate.Mean)
		s.Histogram[binOf(float64(x.Estimate.Mean))]++
	}
}

func binOf(mean float64) int {
	switch {
	case mean <= 0:
		return 0
	case mean >= 1:
		return Bins - 1
	}
	// (0, 0.1] is 1. A mean of eight rewards is exact, one of ten may be off by rounding.
	return min(1+int(mean*10-1e-9), Bins-2)
}

func (s *Set) finish() {
	s.Mean = estimateOf(s.sum, s.States.Known())
	slices.Sort(s.lengths)
	n := len(s.lengths)
	at := func(q float64) int32 { return s.lengths[min(int(q*float64(n)), n-1)] }
	s.Lengths = Lengths{at(0), at(0.5), at(0.9), at(1)}
	s.lengths = nil
}

// SetsBy returns the sets of one kind.
func (f *Facts) SetsBy(by string) []Set {
	var out []Set
	for _, s := range f.Sets {
		if s.By == by {
			out = append(out, s)
		}
	}
	return out
}

// Retrospective says what became of the samples that later phases drew again. Samples that
// were drawn because they did badly do better next time by chance alone, in part: the change of
// a sample that nobody chose by its reward is in Facts.Totals.
type Retrospective struct {
	Samples     int64        `json:"samples"`
	Visits      int64        `json:"visits"`
	Became      BecameCounts `json:"became"`
	Transitions []Transition `json:"transitions"`
}

// A Transition is the retrospective samples of one phase in a later one.
type Transition struct {
	From    int32        `json:"from_phase"`
	To      int32        `json:"to_phase"`
	Samples int64        `json:"samples"`
	Visits  int64        `json:"visits"`
	Became  BecameCounts `json:"became"`
	Before  Estimate     `json:"before"` // of the samples' means; n: samples
	Since   Estimate     `json:"since"`

	before, since   float64
	nBefore, nSince int64
}

func (g *gatherer) makeRetrospective() {
	f := g.facts
	r := &f.Retrospective
	r.Transitions = []Transition{}
	by := map[[2]int32]*Transition{}
	for _, n := range f.Again {
		s := &f.Samples[n]
		a := s.Again
		k := [2]int32{s.Phase, a.Phase}
		t := by[k]
		if t == nil {
			t = &Transition{From: k[0], To: k[1]}
			by[k] = t
		}
		t.add(a)
		r.Samples++
		r.Visits += int64(a.Visits)
		r.Became[a.Became]++
	}
	for _, t := range by {
		t.Before, t.Since = estimateOf(t.before, t.nBefore), estimateOf(t.since, t.nSince)
		r.Transitions = append(r.Transitions, *t)
	}
	slices.SortFunc(r.Transitions, func(a, b Transition) int {
		return cmp.Or(cmp.Compare(a.To, b.To), cmp.Compare(a.From, b.From))
	})
}

func (t *Transition) add(a *Again) {
	t.Samples++
	t.Visits += int64(a.Visits)
	t.Became[a.Became]++
	if a.Change.From.N > 0 {
		t.before += float64(a.Change.From.Mean)
		t.nBefore++
	}
	if a.Change.To.N > 0 {
		t.since += float64(a.Change.To.Mean)
		t.nSince++
	}
}
