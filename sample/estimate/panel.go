package estimate

import (
	"encoding/binary"
	"math"

	"github.com/longctx/pipeline/sample/history"
)

const (
	panelSize = 2048 // members; over it half of them leave
	shrink    = 60.0 // samples of the whole population that a task's own prior counts as seen
	rounds    = 5    // of expectation maximization at each refresh
	early     = 40   // rounds of the first refreshes, when the population is still a guess
	earlyEnds = 10   // refreshes
)

// A panel is a random part of the samples, chosen by their ids, on which the population and the
// best change are learned: each member keeps its evidence under every change that is tried.
type panel struct {
	tried   []change
	scores  []float64 // [tried] decayed log likelihood of the members' visits
	index   map[history.SampleID]int
	members []member
	least   uint64 // ids whose hash is under it are members
	fresh   int    // visits of members since the populations were learned
	learned int    // how often they were

	whole  density            // population of all samples
	byTask map[int32]*density // population of each task
}

type member struct {
	id       history.SampleID
	task     int32
	evidence []density // [tried]
}

func newPanel() panel {
	p := panel{index: map[history.SampleID]int{}, least: math.MaxUint64, byTask: map[int32]*density{}}
	for _, diffuse := range []float64{0, 0.003, 0.01, 0.03, 0.1, 0.3, 1} {
		for _, redraw := range []float64{0, 0.01, 0.04, 0.15} {
			p.tried = append(p.tried, change{diffuse, redraw})
			// Before anything is known, a little of both is likelier than none or much.
			p.scores = append(p.scores, -math.Abs(math.Log((diffuse+0.03)/0.13))-10*math.Abs(redraw-0.03))
		}
	}
	// Beta(0.4, 0.4): most samples are nearly solved or nearly hopeless.
	r := ratesAt(0)
	for k := range p.whole {
		p.whole[k] = float32(math.Exp(0.4 * (r.logRight[k] + r.logWrong[k])))
	}
	p.whole.normalize()
	return p
}

// best returns the change that predicted best.
func (p *panel) best() change { return p.tried[p.bestIndex()] }

func (p *panel) bestIndex() int {
	best := 0
	for i := range p.scores {
		if p.scores[i] > p.scores[best] {
			best = i
		}
	}
	return best
}

// population returns where the own parts of a task's samples lie.
func (p *panel) population(task int32) *density {
	if d, ok := p.byTask[task]; ok {
		return d
	}
	return &p.whole
}

func hashOf(id history.SampleID) uint64 { return binary.BigEndian.Uint64(id[8:]) }

// join makes a sample a member, if its id is among the chosen.
func (p *panel) join(id history.SampleID, task int32) {
	if hashOf(id) > p.least {
		return
	}
	m := member{id, task, make([]density, len(p.tried))}
	for i := range m.evidence {
		m.evidence[i] = flat(1)
	}
	p.index[id] = len(p.members)
	p.members = append(p.members, m)
	if len(p.members) > panelSize {
		p.halve()
	}
}

func (p *panel) halve() {
	p.least /= 2
	kept := p.members[:0]
	clear(p.index)
	for _, m := range p.members {
		if hashOf(m.id) <= p.least {
			p.index[m.id] = len(kept)
			kept = append(kept, m)
		}
	}
	clear(p.members[len(kept):])
	p.members = kept
}

// judge ages a member's evidence under every change, and scores how likely it made the visit.
func (p *panel) judge(d *Drift, s *state, v *history.Visit, likelihood *density) {
	at, ok := p.index[v.SampleID]
	if !ok {
		return
	}
	const keep = 0.9998
	m := &p.members[at]
	for i, c := range p.tried {
		belief := d.age(&m.evidence[i], s, v.Step, c)
		z := float32(0)
		for k := range belief {
			z += belief[k] * likelihood[k]
		}
		p.scores[i] = keep*p.scores[i] + max(math.Log(float64(z)), logFloor)
	}
}

// add multiplies a visit into a member's evidence.
func (p *panel) add(id history.SampleID, likelihood *density) {
	at, ok := p.index[id]
	if !ok {
		return
	}
	for i := range p.members[at].evidence {
		e := &p.members[at].evidence[i]
		for k := range e {
			e[k] *= likelihood[k]
		}
		e.top()
	}
	p.fresh++
}

// refresh learns the populations anew where a tenth of the panel has been visited since.
func (p *panel) refresh() {
	if p.fresh < 16 || 10*p.fresh < len(p.members) {
		return
	}
	p.fresh = 0
	p.learned++
	best, n := p.bestIndex(), rounds
	if p.learned <= earlyEnds {
		n = early
	}
	for range n {
		p.expectation(best)
	}
}

// expectation does one round: the population is the mean of the members' beliefs.
func (p *panel) expectation(best int) {
	var all density
	tasks := map[int32]*density{}
	for i := range p.members {
		m := &p.members[i]
		belief, _ := m.evidence[best].times(p.population(m.task))
		t := tasks[m.task]
		if t == nil {
			t = new(density)
			tasks[m.task] = t
		}
		for k := range belief {
			all[k] += belief[k]
			t[k] += belief[k]
		}
	}
	whole := all
	smooth(&whole)
	p.whole = whole
	for task, t := range tasks {
		for k := range t {
			t[k] += shrink * whole[k]
		}
		smooth(t)
		p.byTask[task] = t
	}
}

// smooth makes sums a population: no narrower than the data can tell, nothing impossible.
func smooth(d *density) {
	const doubt = 0.01
	d.normalize()
	d.diffuse(0.05)
	for k := range d {
		d[k] = (1-doubt)*d[k] + doubt/points
	}
}
