// Package advantage turns the rewards of a group of rollouts into advantages: how much better
// a response is than its siblings, GRPO (arXiv 2402.03300, 4.1.2).
//
// Its rule: an unknown reward is never zero. It is left out of mean and deviation and its
// advantage is 0; a group with fewer than two known rewards teaches nothing and is dropped,
// and counted. Zero variance is judged by the task reward, before any shaping: eight right
// answers of different lengths carry no signal about the task (DAPO, arXiv 2503.14476, 3.2).
//
// It is a leaf: numbers in, numbers out, O(rollouts).
package advantage

import "math"

// Epsilon keeps the division finite; the value of the released code.
const Epsilon = 1e-6

// A Rollout is what one response earned.
type Rollout struct {
	Reward  float64 // of the task, unshaped, in [0, 1]
	Shaping float64 // what the optimizer adds to it, such as an overlong penalty, mostly <= 0
	Known   bool    // false: nobody could score it, and Reward means nothing
}

// A Group is the rollouts of one prompt.
type Group struct {
	Task     string    // what its deviation is shared with under StdTask. Example: "docmath"
	Rollouts []Rollout // [group_size]
}

// Std says what the centred rewards are divided by.
type Std string

const (
	StdGroup Std = "group" // GRPO: the deviation within the group
	StdTask  Std = "task"  // arXiv 2512.12967: the deviation of all rewards of the group's task in the batch
	StdNone  Std = "none"  // Dr. GRPO, arXiv 2503.20783: nothing
)

// State says what a group is good for.
type State uint8

const (
	Signal       State = iota // its task rewards differ
	ZeroVariance              // its task rewards are all equal; shaping alone may still tell them apart
	Dropped                   // fewer than two rewards are known
)

func (s State) String() string { return [...]string{"signal", "zero_variance", "dropped"}[s] }

// A Result is one group's advantages.
type Result struct {
	Advantages []float32 // [group_size]; 0 where the reward is unknown or the group is dropped
	State      State
}

// Counts are how many groups are in each state, and how many rewards are unknown.
type Counts struct {
	Groups, ZeroVariance, Dropped int
	Rollouts, Unknown             int
}

// Compute returns the advantages of a batch, group by group: (r - mean) / (std + Epsilon), with
// r the shaped reward and std the unbiased deviation (N - 1).
func Compute(groups []Group, std Std) ([]Result, Counts) {
	var tasks map[string]moments
	if std == StdTask {
		tasks = taskMoments(groups)
	}
	results := make([]Result, len(groups))
	counts := Counts{Groups: len(groups)}
	for i, g := range groups {
		m := groupMoments(g)
		counts.Rollouts += len(g.Rollouts)
		counts.Unknown += len(g.Rollouts) - m.n
		results[i] = Result{make([]float32, len(g.Rollouts)), g.State()}
		switch results[i].State {
		case Dropped:
			counts.Dropped++
			continue
		case ZeroVariance:
			counts.ZeroVariance++
		}
		divisor := m.std() + Epsilon
		switch std {
		case StdTask:
			divisor = tasks[g.Task].std() + Epsilon
		case StdNone:
			divisor = 1
		}
		for j, r := range g.Rollouts {
			if r.Known {
				results[i].Advantages[j] = float32((r.shaped() - m.mean) / divisor)
			}
		}
	}
	return results, counts
}

// State returns what a group is good for, without its advantages: what dynamic sampling asks.
func (g Group) State() State {
	known, differ := 0, false
	var first float64
	for _, r := range g.Rollouts {
		switch {
		case !r.Known:
			continue
		case known == 0:
			first = r.Reward
		case r.Reward != first:
			differ = true
		}
		known++
	}
	switch {
	case known < 2:
		return Dropped
	case !differ:
		return ZeroVariance
	}
	return Signal
}

func (r Rollout) shaped() float64 { return r.Reward + r.Shaping }

// moments are mean and squared deviation, by Welford's recurrence: equal rewards have a
// deviation of exactly 0.
type moments struct {
	n        int
	mean, m2 float64
}

func (m *moments) add(x float64) {
	m.n++
	delta := x - m.mean
	m.mean += delta / float64(m.n)
	m.m2 += delta * (x - m.mean)
}

// std is the unbiased deviation.
func (m moments) std() float64 {
	if m.n < 2 {
		return 0
	}
	return math.Sqrt(m.m2 / float64(m.n-1))
}

func groupMoments(g Group) (m moments) {
	for _, r := range g.Rollouts {
		if r.Known {
			m.add(r.shaped())
		}
	}
	return m
}

func taskMoments(groups []Group) map[string]moments {
	tasks := map[string]moments{}
	for _, g := range groups {
		if g.State() == Dropped {
			continue
		}
		m := tasks[g.Task]
		for _, r := range g.Rollouts {
			if r.Known {
				m.add(r.shaped())
			}
		}
		tasks[g.Task] = m
	}
	return tasks
}
