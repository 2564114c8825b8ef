package curriculum

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/longctx/pipeline/sample/history"
)

// Names of the gates.
const (
	NameDropSolved            = "drop_solved"
	NameSkipZeroVariance      = "skip_zero_variance"
	NameQuarantineUnlearnable = "quarantine_unlearnable"
	NameHoldOut               = "hold_out"
)

// Gates returns the names of all gates.
func Gates() []string {
	return []string{NameDropSolved, NameSkipZeroVariance, NameQuarantineUnlearnable, NameHoldOut}
}

// A Gate refuses samples. Admit may be called by several goroutines at once.
type Gate interface {
	// Admit returns why a sample is refused, ReasonNone where it is not.
	Admit(c *Candidate, r Random) (refusal Reason)
	// Observe, State and Restore are as those of Strategy.
	Observe(visits []history.Visit)
	State() json.RawMessage
	Restore(state json.RawMessage) error
}

func newGate(spec string) (Gate, error) {
	name, _, _ := strings.Cut(spec, "=")
	switch name {
	case NameDropSolved:
		_, above, err := parameter(spec, 0.9, 0, 1)
		return dropSolved{above: above}, err
	case NameSkipZeroVariance:
		_, p, err := parameter(spec, 0.5, 0, 1)
		return skipZeroVariance{probability: p}, err
	case NameQuarantineUnlearnable:
		_, n, err := parameter(spec, 3, 1, math.MaxInt32)
		if err == nil && n != math.Trunc(n) {
			err = fmt.Errorf("%s: %v is not a number of visits", name, n)
		}
		return quarantine{visits: int32(n)}, err
	case NameHoldOut:
		_, share, err := parameter(spec, 0.1, 0, 1)
		return holdOut{share: share}, err
	}
	return nil, fmt.Errorf("%q is none of %s", name, strings.Join(Gates(), ", "))
}

// dropSolved refuses samples whose mean is over a bound (POLARIS; Skywork-OR1, arXiv
// 2505.22312).
type dropSolved struct {
	stateless
	above float64
}

func (g dropSolved) Admit(c *Candidate, _ Random) Reason {
	if mean, known := c.Mean(); known && mean > g.above {
		return ReasonSolved
	}
	return ReasonNone
}

// skipZeroVariance skips a sample whose last n groups gave no signal with probability
// 1 - (1-p)^n (after GRESO, arXiv 2506.02177).
type skipZeroVariance struct {
	stateless
	probability float64
}

func (g skipZeroVariance) Admit(c *Candidate, r Random) Reason {
	if c.Lifetime == nil || c.Lifetime.ZeroStreak == 0 {
		return ReasonNone
	}
	stay := math.Pow(1-g.probability, float64(c.Lifetime.ZeroStreak))
	if r.uniform(c.Sample.ID, saltSkip) < stay {
		return ReasonNone
	}
	return ReasonZeroVariance
}

// quarantine refuses a sample after n visits without one success: hard beyond learning,
// mislabelled or judged wrongly, which all look alike. A person should look at them.
type quarantine struct {
	stateless
	visits int32
}

func (g quarantine) Admit(c *Candidate, _ Random) Reason {
	if l := c.Lifetime; l != nil && l.KnownVisits >= g.visits && l.Successes == 0 {
		return ReasonUnlearnable
	}
	return ReasonNone
}

// holdOut refuses the samples that are kept for evaluation.
type holdOut struct {
	stateless
	share float64
}

func (g holdOut) Admit(c *Candidate, _ Random) Reason {
	if HeldOut(c.Sample.ID, g.share) {
		return ReasonHeldOut
	}
	return ReasonNone
}

// HeldOut reports whether a sample is among the share that is kept for evaluation. Its id alone
// decides, so that every run, phase and seed holds out the same samples.
func HeldOut(id history.SampleID, share float64) bool {
	return float64(binary.BigEndian.Uint64(id[8:])>>11)/(1<<53) < share
}
