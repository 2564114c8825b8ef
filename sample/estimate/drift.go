package estimate

import (
	"math"

	"github.com/longctx/pipeline/sample/history"
)

// Drift is the default estimator: a hidden Markov model on a grid of logits, whose parameters
// are learned on the way.
//
//	logit of sample i at step t = level(t) + own_i(t)
//
// The level is shared and follows the policy as it learns (a Kalman filter, level.go). The own
// part starts from the population of its task (empirical Bayes, population.go), diffuses by a
// variance q and is drawn anew with probability e from visit to visit; q and e are those that
// predict best so far (panel.go).
type Drift struct {
	task    func(history.SampleID) int32
	index   map[history.SampleID]int32
	states  []state
	level   level            // of all samples
	offsets map[int32]*level // of each task, from the level of all
	rates   map[int32]*rates // of each task, now
	panel   panel
	gap     float64 // running mean of the steps between two visits of a sample
	scatter scatter
	change  change
}

// offsetDoubt keeps the level of a task where that of all is until its own readings insist.
const offsetDoubt = 3

// state is what is known of one sample.
type state struct {
	evidence density
	step     int64 // of the last visit
	task     int32
}

// change says how the own part moves from one visit to the next.
type change struct {
	diffuse float64 // variance, logits squared
	redraw  float64 // probability
}

// NewDrift returns an estimator that knows nothing. task gives the group of samples that share
// a population; nil: all do.
func NewDrift(task func(history.SampleID) int32) *Drift {
	if task == nil {
		task = func(history.SampleID) int32 { return 0 }
	}
	d := &Drift{task: task, index: map[history.SampleID]int32{}, panel: newPanel(), level: newLevel(0), offsets: map[int32]*level{}, rates: map[int32]*rates{}}
	d.change = d.panel.best()
	return d
}

// Len returns the number of samples with a visit.
func (d *Drift) Len() int { return len(d.states) }

// Predict implements Estimator.
func (d *Drift) Predict(v *history.Visit) (Prediction, bool) {
	i, ok := d.index[v.SampleID]
	if !ok {
		return Prediction{}, false
	}
	s := &d.states[i]
	evidence := s.evidence
	belief := d.age(&evidence, s, v.Step, d.change)
	return d.predict(&belief, s.task), true
}

// Unseen returns what is expected of a sample of a task without any visit.
func (d *Drift) Unseen(task int32) Prediction {
	return d.predict(d.panel.population(task), task)
}

func (d *Drift) predict(belief *density, task int32) Prediction {
	mean, variance, _ := d.ratesOf(task).moments(belief)
	return betaOf(mean, variance)
}

// betaOf returns the Beta distribution with a mean and a variance.
func betaOf(mean, variance float64) Prediction {
	mean = min(max(mean, 1e-6), 1-1e-6)
	n := mean*(1-mean)/max(variance, 1e-9) - 1
	n = min(max(n, 1e-3), 1e6)
	return Prediction{mean, mean * n, (1 - mean) * n}
}

// age lets time pass over a sample's evidence up to a step, and returns the belief then.
func (d *Drift) age(evidence *density, s *state, step int64, c change) density {
	units := 1.0
	if d.gap > 0 {
		units = min(max(float64(step-s.step)/d.gap, 0.25), 4)
	}
	evidence.diffuse(c.diffuse * units)
	population := d.panel.population(s.task)
	belief, sum := evidence.times(population)
	if c.redraw > 0 {
		redraw := float32(c.redraw)
		for k := range evidence {
			evidence[k] = (1-redraw)*evidence[k] + redraw*sum
			belief[k] = (1-redraw)*belief[k] + redraw*population[k]
		}
	}
	return belief
}

// Observe implements Estimator.
func (d *Drift) Observe(step []history.Visit) {
	d.follow(step)
	for i := range step {
		if v := &step[i]; v.Known > 0 {
			d.learn(v)
		}
	}
	d.panel.refresh()
	d.change = d.panel.best()
}

// ratesOf returns what the axis means for a task now. A task without a visit is where all are.
func (d *Drift) ratesOf(task int32) *rates {
	if r, ok := d.rates[task]; ok {
		return r
	}
	return ratesAt(d.level.value)
}

// reading is what a step says of a level, as the sums of weighted least squares:
// weighted / precision is the shift from where the level is.
type reading struct{ weighted, precision float64 }

// follow moves the levels to where the revisits of a step say that they are.
func (d *Drift) follow(step []history.Visit) {
	var all reading
	tasks := map[int32]reading{}
	for i := range step {
		v := &step[i]
		if v.Known == 0 {
			continue
		}
		at, ok := d.index[v.SampleID]
		if !ok {
			if task := d.task(v.SampleID); d.rates[task] == nil {
				l := newLevel(offsetDoubt)
				d.offsets[task], d.rates[task] = &l, ratesAt(d.level.value)
			}
			continue
		}
		s := &d.states[at]
		belief := d.age(&s.evidence, s, v.Step, d.change) // learn multiplies the visit in
		mean, variance, slope := d.rates[s.task].moments(&belief)
		noise := variance + slope/(float64(v.Known)*d.scatter.factor())
		r := reading{slope * (v.Mean() - mean) / noise, slope * slope / noise}
		t := tasks[s.task]
		tasks[s.task] = reading{t.weighted + r.weighted, t.precision + r.precision}
		all.weighted, all.precision = all.weighted+r.weighted, all.precision+r.precision
	}
	before := d.level.value
	d.level.observe(all)
	shift := d.level.value - before
	for task, o := range d.offsets {
		r := tasks[task]
		r.weighted -= shift * r.precision
		if o.observe(r) || shift != 0 {
			d.rates[task] = ratesAt(d.level.value + o.value)
		}
	}
}

// learn adds a visit to its sample's evidence.
func (d *Drift) learn(v *history.Visit) {
	d.scatter.add(v)
	factor := d.scatter.factor()
	likelihood := d.rates[d.task(v.SampleID)].likelihood(v.Sum*factor, float64(v.Known)*factor)
	i, ok := d.index[v.SampleID]
	if !ok {
		i = int32(len(d.states))
		d.index[v.SampleID] = i
		d.states = append(d.states, state{evidence: flat(1), task: d.task(v.SampleID), step: v.Step})
		d.panel.join(v.SampleID, d.states[i].task)
	} else {
		d.panel.judge(d, &d.states[i], v, &likelihood)
		gap := float64(max(v.Step-d.states[i].step, 1))
		if d.gap == 0 {
			d.gap = gap
		}
		d.gap += 0.01 * (gap - d.gap)
	}
	s := &d.states[i]
	for k := range s.evidence {
		s.evidence[k] *= likelihood[k]
	}
	s.evidence.top()
	s.step = v.Step
	d.panel.add(v.SampleID, &likelihood)
}

// scatter compares the rewards' variance within groups with that of rewards of 0 and 1, which
// is the largest. Rewards with parts tell more: a factor of 2 means that each counts as two.
type scatter struct{ binary, seen float64 }

func (s *scatter) add(v *history.Visit) {
	n := float64(v.Known)
	s.binary += max(v.Sum-v.Sum*v.Sum/n, 0)
	s.seen += max(v.Squares-v.Sum*v.Sum/n, 0)
}

func (s *scatter) factor() float64 {
	const most, doubt = 8, 1 // doubt: rollouts of binary rewards that it takes as seen
	return min((s.binary+doubt)/(s.seen+doubt), most)
}

var logFloor = math.Log(1e-12)
