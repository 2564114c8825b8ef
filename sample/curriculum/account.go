package curriculum

import (
	"cmp"
	"math"
	"slices"
)

// MaxGenerationBatches is how often dynamic sampling generates for one batch before it gives
// up (verl: num_gen_batches, "Generated too many", issue 953).
const MaxGenerationBatches = 10

// An Account says what a segment holds and what it will cost.
type Account struct {
	Drawn   []Count // by origin phase and reason
	Refused []Count // by origin phase, gate and reason

	Epochs      int32
	Outcomes    int64 // of the history that the estimates are made of
	Unvisited   int64 // positions whose sample has no known reward
	GroupSize   int
	AllWrong    float64 // expected share of groups whose rewards are all 0, integrated over the belief of each rate: at a point estimate of 0 it would be 1
	AllRight    float64 // and all 1
	WorstShare  float64 // largest expected share of zero-variance groups in one stretch of the plan
	WorstFirst  int64   // position where that stretch begins
	WorstLength int64   // its length: what dynamic sampling generates for one batch before it gives up

	batch    int
	position int64
	stretch  stretch
	drawn    tally
	refused  tally
}

// A Count is a number of samples with one origin and reason.
type Count struct {
	OriginPhase int32  `json:"origin_phase"`
	Gate        string `json:"gate,omitempty"`
	Reason      string `json:"reason"`
	Samples     int64  `json:"samples"`
}

type countKey struct {
	phase   int32
	refuser uint8
	reason  Reason
}

// A tally counts by few keys: a search among them is quicker than a map.
type tally []tallied

type tallied struct {
	countKey
	n int64
}

func (t *tally) add(k countKey) {
	for i := range *t {
		if (*t)[i].countKey == k {
			(*t)[i].n++
			return
		}
	}
	*t = append(*t, tallied{k, 1})
}

// stretch sums the expected shares over as many positions as dynamic sampling may use for one batch.
type stretch struct {
	first, n int64
	waste    float64
}

func newAccount(c *Config, k *Knowledge) Account {
	return Account{
		Epochs: c.Epochs, Outcomes: k.Outcomes, GroupSize: c.GroupSize, batch: c.Batch,
		WorstLength: int64(c.GenerationBatch()) * MaxGenerationBatches,
	}
}

// draw counts one position.
func (a *Account) draw(p *Planner, c *pooled) {
	a.drawn.add(countKey{p.table.Samples[c.sample].Phase, refuserNone, c.reason})
	if !c.known {
		a.Unvisited++
	}
	a.AllWrong += float64(c.allWrong)
	a.AllRight += float64(c.allRight)
	a.stretch.n++
	a.stretch.waste += float64(c.allWrong) + float64(c.allRight)
	a.position++
	if a.stretch.n == a.WorstLength {
		a.endStretch()
	}
}

func (a *Account) endStretch() {
	if share := a.stretch.waste / float64(a.stretch.n); share > a.WorstShare {
		a.WorstShare, a.WorstFirst = share, a.stretch.first
	}
	a.stretch = stretch{first: a.position}
}

func (a *Account) refuse(p *Planner, c *pooled) {
	a.refused.add(countKey{p.table.Samples[c.sample].Phase, c.refuser, c.reason})
}

// finish turns sums into shares.
func (a *Account) finish(p *Planner) {
	// A rest that is shorter than a stretch counts where it is all there is, or long enough to mean something.
	if n := a.stretch.n; n > 0 && (n == a.position || n >= int64(a.batch)) {
		a.endStretch()
	}
	if a.position > 0 {
		a.AllWrong /= float64(a.position)
		a.AllRight /= float64(a.position)
	}
	a.Drawn, a.Refused = counts(p, a.drawn), counts(p, a.refused)
}

func counts(p *Planner, of tally) []Count {
	out := make([]Count, 0, len(of))
	for _, k := range of {
		c := Count{OriginPhase: k.phase, Reason: k.reason.String(), Samples: k.n}
		if k.refuser != refuserNone {
			c.Gate = p.refuserName(k.refuser)
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Count) int {
		return cmp.Or(-cmp.Compare(a.OriginPhase, b.OriginPhase), -cmp.Compare(a.Samples, b.Samples), cmp.Compare(a.Gate, b.Gate), cmp.Compare(a.Reason, b.Reason))
	})
	return out
}

// ZeroVariance returns the expected share of groups that give no signal.
func (a *Account) ZeroVariance() float64 { return a.AllWrong + a.AllRight }

// Oversampling returns how many groups dynamic sampling generates for each one that it keeps.
func (a *Account) Oversampling() float64 { return 1 / max(1-a.ZeroVariance(), 1e-9) }

// Starves reports whether some stretch of the plan is likely to leave a batch unfilled after
// the generation batches that dynamic sampling allows: fewer groups with a signal than the
// batch needs and three standard deviations more.
func (a *Account) Starves() bool {
	if a.position == 0 {
		return false
	}
	n, signal := float64(a.WorstLength), 1-a.WorstShare
	return n*signal-3*math.Sqrt(n*signal*a.WorstShare) < float64(a.batch)
}
