package train

import (
	"fmt"

	"github.com/longctx/pipeline/train/learner"
	"github.com/longctx/pipeline/train/metrics"
	"github.com/longctx/pipeline/train/rollout"
)

// updates sums what the updates of one step measured.
type updates struct {
	n      int
	tokens int
	padded int
	weight float64 // predicted tokens
	stats  learner.Stats
	norm   float64
}

func (u *updates) add(s learner.Stats) {
	w := float64(s.Predicted)
	u.n++
	u.tokens += s.Tokens
	u.padded += s.Padded
	u.weight += w
	u.norm += s.GradientNorm
	u.stats.Loss += s.Loss * w
	u.stats.Entropy += s.Entropy * w
	u.stats.KL += s.KL * w
	u.stats.ClipShare += s.ClipShare * w
	u.stats.Accuracy += s.Accuracy * w
}

func (u *updates) loss() float64      { return u.stats.Loss / u.weight }
func (u *updates) entropy() float64   { return u.stats.Entropy / u.weight }
func (u *updates) kl() float64        { return u.stats.KL / u.weight }
func (u *updates) clipShare() float64 { return u.stats.ClipShare / u.weight }
func (u *updates) accuracy() float64  { return u.stats.Accuracy / u.weight }

// fill writes into a record what every update measures.
func (u *updates) fill(r *metrics.Record, rate float64) {
	r.Loss, r.LearningRate, r.GradientNorm = metrics.Known(u.loss()), metrics.Known(rate), metrics.Known(u.norm/float64(u.n))
	r.Tokens = int64(u.tokens)
	r.PaddingShare = metrics.Known(1 - float64(u.tokens)/float64(max(u.padded, 1)))
}

// record returns what the rollouts of a step measured.
func (b *batch) record() (r metrics.Record) {
	var reward, retro, length mean
	unknown, overlong, rollouts := 0, 0, 0
	for i := range b.all {
		g := &b.all[i]
		for j := range g.Rollouts {
			x := &g.Rollouts[j]
			rollouts++
			length.add(float64(len(x.Tokens)))
			if x.Stop == rollout.StopLength {
				overlong++
			}
			if !x.Reward.Known {
				unknown++
				continue
			}
			if g.OriginPhase < g.Phase {
				retro.add(float64(x.Reward.Value))
			}
			reward.add(float64(x.Reward.Value))
		}
	}
	share := func(n, of int) metrics.Number {
		return metrics.Number{Value: float64(n) / float64(max(of, 1)), Known: of > 0}
	}
	r.Reward, r.RetrospectiveReward, r.ResponseLength = reward.number(), retro.number(), length.number()
	r.UnknownShare, r.OverlongShare = share(unknown, rollouts), share(overlong, rollouts)
	r.ZeroVarianceShare = share(b.counts.ZeroVariance, len(b.all))
	return r
}

// advice says what the rewards of a step mean for the plan.
func (b *batch) advice() string {
	wrong, right := 0, 0
	for i := range b.all {
		switch m, known := b.all[i].Mean(); {
		case known && m == 0:
			wrong++
		case known && m == 1:
			right++
		}
	}
	text := fmt.Sprintf("Of its %d groups %d are all wrong, %d all right, %d have hardly a known reward.", len(b.all), wrong, right, b.counts.Dropped)
	switch {
	case b.counts.Dropped*2 > len(b.all):
		return text + " Look at the scorer: most rewards are unknown."
	case wrong >= right:
		return text + " The samples are too hard for this policy: warm up longer, raise group_size or temperature, take a shorter phase first, or draw with strategy learnability and the gate quarantine_unlearnable."
	}
	return text + " The samples are solved: go to the next phase, or add the gate drop_solved."
}

// mean is a running mean that knows when it is of nothing.
type mean struct {
	sum float64
	n   int
}

func (m *mean) add(x float64) { m.sum += x; m.n++ }

func (m *mean) number() metrics.Number {
	if m.n == 0 {
		return metrics.Number{}
	}
	return metrics.Known(m.sum / float64(m.n))
}
