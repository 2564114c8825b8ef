package curriculum

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/longctx/pipeline/sample/history"
)

// Names of the strategies.
const (
	NameUniform      = "uniform"
	NameZeroMean     = "zero_mean"
	NameInverseMean  = "inverse_mean"
	NamePrioritized  = "prioritized"
	NameLearnability = "learnability"
	NameTarget       = "target"
	NameThompson     = "thompson"
)

// Strategies returns the names of all strategies.
func Strategies() []string {
	return []string{NameUniform, NameZeroMean, NameInverseMean, NamePrioritized, NameLearnability, NameTarget, NameThompson}
}

// A Choice is what a strategy says of one sample.
type Choice struct {
	Weight float64 // 0: it does not qualify
	Key    float64 // samples are drawn in ascending order of their keys; not negative
	Reason Reason
}

// A Strategy says which samples are drawn, and with which weight. Choose may be called by
// several goroutines at once.
type Strategy interface {
	// Choose weighs one sample.
	Choose(c *Candidate, r Random) Choice
	// Observe takes the visits since the last call, in their order.
	Observe(visits []history.Visit)
	// State returns what Observe has left, nil where nothing.
	State() json.RawMessage
	// Restore takes what State returned.
	Restore(state json.RawMessage) error
}

func newStrategy(spec string, groupSize int) (Strategy, error) {
	name, _, _ := strings.Cut(spec, "=")
	switch name {
	case NameInverseMean:
		_, eps, err := parameter(spec, 1/(2*float64(groupSize)), 1e-6, 1)
		return inverseMean{eps: eps}, err
	case NameLearnability:
		_, floor, err := parameter(spec, 0.01, 1e-6, 0.25)
		return learnability{floor: floor}, err
	case NameTarget:
		_, start, err := parameter(spec, 0, 0, 1)
		return &target{Target: start}, err
	}
	if name != spec {
		return nil, fmt.Errorf("%s takes no value, and %q is one", name, spec)
	}
	switch name {
	case NameUniform:
		return uniform{}, nil
	case NameZeroMean:
		return zeroMean{}, nil
	case NamePrioritized:
		return prioritized{}, nil
	case NameThompson:
		return thompson{}, nil
	}
	return nil, fmt.Errorf("%q is none of %s", name, strings.Join(Strategies(), ", "))
}

// stateless is the part of a strategy or a gate that what it observes does not change: all it
// knows is in the history's summaries.
type stateless struct{}

func (stateless) Observe([]history.Visit)       {}
func (stateless) State() json.RawMessage        { return nil }
func (stateless) Restore(json.RawMessage) error { return nil }

// uniform draws all alike: the baseline.
type uniform struct{ stateless }

func (uniform) Choose(c *Candidate, r Random) Choice {
	return Choice{1, r.race(c.Sample.ID, 1), ReasonUniform}
}

// zeroMean takes the samples whose every known reward was 0, and no others: what QwenLong-L1
// kept (arXiv 2505.17667, section 3). Unknown is not zero.
type zeroMean struct{ stateless }

func (zeroMean) Choose(c *Candidate, r Random) Choice {
	mean, known := c.Mean()
	switch {
	case !known:
		return Choice{Reason: ReasonUnvisited}
	case mean > 0:
		return Choice{Reason: ReasonNotZero}
	}
	return Choice{1, r.race(c.Sample.ID, 1), ReasonZeroMean}
}

// inverseMean weighs by difficulty, 1 / max(mean, eps): QwenLong-L1 eq. 10, which divides by
// zero where eps does not help.
type inverseMean struct {
	stateless
	eps float64
}

func (s inverseMean) Choose(c *Candidate, r Random) Choice {
	mean, known := c.Mean()
	reason := ReasonInverseMean
	switch {
	case !known:
		mean, reason = c.Belief.Mean, ReasonInverseUnvisited
	case mean < s.eps:
		reason = ReasonInverseEps
	}
	w := 1 / max(mean, s.eps)
	return Choice{w, r.race(c.Sample.ID, w), reason}
}

// prioritized weighs by 1 - s, s the success rate (Kimi k1.5, arXiv 2501.12599, section 2.3.4),
// here the mean of the belief, so that a sample that was right 8 times of 8 is still drawn.
type prioritized struct{ stateless }

func (prioritized) Choose(c *Candidate, r Random) Choice {
	w := max(1-c.Belief.Mean, 1e-6)
	return Choice{w, r.race(c.Sample.ID, w), c.reason(ReasonPrioritized, ReasonPrioritizedUnvisited)}
}

// learnability weighs by p(1-p), with a floor (arXiv 2504.03380). Of p there is a belief, so
// it is the mean of p(1-p).
type learnability struct {
	stateless
	floor float64
}

func (s learnability) Choose(c *Candidate, r Random) Choice {
	n := c.Belief.Alpha + c.Belief.Beta
	w := max(c.Belief.Alpha*c.Belief.Beta/(n*(n+1)), s.floor)
	return Choice{w, r.race(c.Sample.ID, w), c.reason(ReasonLearnability, ReasonLearnabilityUnvisited)}
}

// target takes the samples nearest to a difficulty that follows the rewards (AdaRFT, arXiv
// 2504.05520 algorithm 1): T' = clip(T + eta tanh(alpha (R - beta)), 0, 1), R the mean reward
// of a step. Difficulty is 1 - p; the paper counts it from 0 to 100, with eta 50.
type target struct {
	Target float64 `json:"target"`
}

const (
	targetEta   = 0.5
	targetAlpha = 2
	targetBeta  = 0.5
)

func (s *target) Choose(c *Candidate, _ Random) Choice {
	away := math.Abs(1 - c.Belief.Mean - s.Target)
	return Choice{max(1-away, 1e-9), away, c.reason(ReasonTarget, ReasonTargetUnvisited)}
}

func (s *target) Observe(visits []history.Visit) {
	sum, known := 0.0, 0.0
	for i := range visits {
		v := &visits[i]
		sum, known = sum+v.Sum, known+float64(v.Known)
		last := i == len(visits)-1 || visits[i+1].Step != v.Step || visits[i+1].Phase != v.Phase
		if last && known > 0 {
			s.Target = min(max(s.Target+targetEta*math.Tanh(targetAlpha*(sum/known-targetBeta)), 0), 1)
			sum, known = 0, 0
		}
	}
}

func (s *target) State() json.RawMessage {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err) // a number
	}
	return data
}

func (s *target) Restore(state json.RawMessage) error { return json.Unmarshal(state, s) }

// thompson ranks by (theta - 1/2)^2, theta drawn from Beta(a, b), evidence that decays (MoPPS,
// arXiv 2507.04632; BOTS, arXiv 2510.26374). The decay is the summary's.
type thompson struct{ stateless }

func (thompson) Choose(c *Candidate, r Random) Choice {
	a, b := history.DefaultDecay.Alpha, history.DefaultDecay.Beta
	if c.Known != nil {
		a, b = c.Known.Alpha, c.Known.Beta
	}
	away := r.beta(c.Sample.ID, a, b) - 0.5
	return Choice{max(1-2*math.Abs(away), 1e-9), away * away, c.reason(ReasonThompson, ReasonThompsonUnvisited)}
}

// reason tells a visited sample's reason from an unvisited one's.
func (c *Candidate) reason(visited, unvisited Reason) Reason {
	if _, known := c.Mean(); !known {
		return unvisited
	}
	return visited
}
