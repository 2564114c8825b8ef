package audit

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/longctx/pipeline/sample/history"
)

// chooseRuns says whose outcomes count: those asked for, or the run with most of them. Several
// runs are several policies, and never one estimate unless somebody asks.
func (g *gatherer) chooseRuns(snap *history.Snapshot) error {
	byName := map[string]*TrainingRun{}
	f := g.facts
	for _, s := range snap.Stages() {
		r := byName[s.Run]
		if r == nil {
			r = &TrainingRun{Name: s.Run, MinStep: s.MinStep, MaxStep: s.MaxStep}
			byName[s.Run] = r
		}
		r.Outcomes += s.Rows
		r.MinStep, r.MaxStep = min(r.MinStep, s.MinStep), max(r.MaxStep, s.MaxStep)
	}
	for _, name := range sortedKeys(byName) {
		f.History.Runs = append(f.History.Runs, *byName[name])
	}
	for _, name := range g.options.Runs {
		if byName[name] == nil {
			return fmt.Errorf("the history has no run %q; it has %q", name, sortedKeys(byName))
		}
	}
	g.runs = g.options.Runs
	if len(g.runs) == 0 && len(f.History.Runs) > 0 {
		most := slices.MaxFunc(f.History.Runs, func(a, b TrainingRun) int { return cmp.Compare(a.Outcomes, b.Outcomes) })
		g.runs = []string{most.Name}
	}
	for i := range f.History.Runs {
		r := &f.History.Runs[i]
		r.Chosen = slices.Contains(g.runs, r.Name)
	}
	return nil
}

// readVisits reads the counts of all groups of the chosen runs and puts them into the order of
// training.
func (g *gatherer) readVisits(ctx context.Context, snap *history.Snapshot) error {
	f := g.facts
	f.History.Snapshot = snap.ID()
	if err := g.chooseRuns(snap); err != nil {
		return err
	}
	c := collector{gatherer: g, measuredBy: map[*history.Setting]int32{}, unknown: map[history.SampleID]bool{}, sizes: map[int32]int64{}, positions: map[stageKey]*positions{}}
	if len(g.runs) > 0 {
		for visits, err := range snap.Visits(ctx, history.Filter{Runs: g.runs}) {
			if err != nil {
				return err
			}
			for i := range visits {
				c.add(&visits[i])
			}
		}
	}
	slices.SortStableFunc(g.visits, func(a, b visit) int { // recorded order decides the rest
		return cmp.Or(cmp.Compare(a.phase, b.phase), cmp.Compare(a.step, b.step), cmp.Compare(a.position, b.position))
	})
	c.finish()
	g.sortBySample()
	return nil
}

// sortBySample is a counting sort: it keeps the order of training.
func (g *gatherer) sortBySample() {
	g.first = make([]int32, len(g.facts.Samples)+1)
	for i := range g.visits {
		g.first[g.visits[i].sample+1]++
	}
	for i := 1; i < len(g.first); i++ {
		g.first[i] += g.first[i-1]
	}
	g.bySample = make([]int32, len(g.visits))
	next := slices.Clone(g.first)
	for i := range g.visits {
		s := g.visits[i].sample
		g.bySample[next[s]] = int32(i)
		next[s]++
	}
}

// A collector counts what visits say besides rewards.
type collector struct {
	*gatherer
	measuredBy map[*history.Setting]int32 // index into measurements
	outcomes   map[measuredKey]int64
	unknown    map[history.SampleID]bool
	sizes      map[int32]int64 // groups by size
	positions  map[stageKey]*positions
}

type measuredKey struct{ measured, phase int32 }

type stageKey struct{ run, trainStage string }

type positions struct {
	seen    []uint64 // a bit each
	reached int64
}

// maxPositions bounds the memory of the account of positions: 16 MiB for each training stage.
const maxPositions = 1 << 27

func (p *positions) add(n int64) {
	p.reached = max(p.reached, n+1)
	if n < 0 || n >= maxPositions {
		return
	}
	if words := n/64 + 1; words > int64(len(p.seen)) {
		p.seen = slices.Grow(p.seen, int(words)-len(p.seen))[:words]
	}
	p.seen[n/64] |= 1 << (n % 64)
}

func (c *collector) add(v *history.Visit) {
	measured, ok := c.measuredBy[v.Setting]
	if !ok {
		measured = int32(slices.Index(c.measurements, v.Setting.Measurement))
		if measured < 0 {
			measured = int32(len(c.measurements))
			c.measurements = append(c.measurements, v.Setting.Measurement)
		}
		c.measuredBy[v.Setting] = measured
	}
	if v.Position != history.UnknownPosition {
		k := stageKey{v.Setting.Run, v.Setting.TrainStage}
		if c.positions[k] == nil {
			c.positions[k] = new(positions)
		}
		c.positions[k].add(v.Position)
	}
	sample, ok := c.index[v.SampleID]
	if !ok {
		c.facts.History.Unknown++
		c.unknown[v.SampleID] = true
		return
	}
	if c.outcomes == nil {
		c.outcomes = map[measuredKey]int64{}
	}
	c.outcomes[measuredKey{measured, v.Phase}]++
	c.sizes[v.Known+v.Unknown]++
	c.visits = append(c.visits, visit{
		step: v.Step, position: v.Position, sum: v.Sum, squares: v.Squares, sample: sample, phase: v.Phase, measured: measured,
		known: v.Known, unknown: v.Unknown, successes: v.Successes, zeroVariance: v.ZeroVariance,
		late: v.Phase > c.facts.Samples[sample].Phase,
	})
}

func (c *collector) finish() {
	h := &c.facts.History
	h.UnknownIDs = int64(len(c.unknown))
	for k, n := range c.outcomes {
		h.Measurements = append(h.Measurements, MeasuredUnder{c.measurements[k.measured], k.phase, n})
	}
	slices.SortFunc(h.Measurements, func(a, b MeasuredUnder) int {
		return cmp.Or(cmp.Compare(a.Phase, b.Phase), cmp.Compare(a.Run, b.Run), cmp.Compare(a.Judge, b.Judge), cmp.Compare(a.Limits.String(), b.Limits.String()))
	})
	for size, n := range c.sizes {
		if best := c.sizes[h.GroupSize]; n > best || n == best && size > h.GroupSize {
			h.GroupSize = size
		}
	}
	for k, p := range c.positions {
		a := PositionAccount{Run: k.run, TrainStage: k.trainStage, Reached: min(p.reached, maxPositions)}
		for _, word := range p.seen {
			a.Recorded += int64(popcount(word))
		}
		h.Positions = append(h.Positions, a)
	}
	slices.SortFunc(h.Positions, func(a, b PositionAccount) int {
		return cmp.Or(cmp.Compare(a.Run, b.Run), cmp.Compare(a.TrainStage, b.TrainStage))
	})
}
