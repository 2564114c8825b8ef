package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/longctx/pipeline/sample/history"
	"github.com/longctx/pipeline/train/advantage"
	"github.com/longctx/pipeline/train/learner"
	"github.com/longctx/pipeline/train/metrics"
	"github.com/longctx/pipeline/train/reward"
	"github.com/longctx/pipeline/train/rollout"
)

// barrenSteps is how many steps in a row may pass without one group that teaches.
const barrenSteps = 3

// ErrNoSignal means that dynamic sampling found nothing to learn from.
var ErrNoSignal = errors.New("no reward signal")

// rl runs the steps that are left of an RL stage and says why it ended.
func (r *run) rl(s *Stage) (ended string, err error) {
	f, err := r.openFeed(s)
	if err != nil {
		return "", err
	}
	defer f.close()
	if err := r.policy.reference(s, r.state.StageStep); err != nil {
		return "", err
	}
	rate := learner.Schedule{Peak: s.LR, Warmup: s.Warmup, Steps: s.Steps, Floor: s.LRFloor}
	for s.Steps == 0 || r.state.StageStep < s.Steps {
		if err := r.evaluateDue(s); err != nil {
			return "", err
		}
		started := r.Now()
		b, err := r.collect(s, f)
		if errors.Is(err, io.EOF) {
			return "the plan is spent", nil
		}
		if err != nil {
			return "", err
		}
		record := b.record()
		if len(b.kept) > 0 {
			r.state.Barren = 0
			if err := r.learn(s, b, rate.At(r.state.StageStep), &record); err != nil {
				return "", err
			}
		} else if r.state.Barren++; r.state.Barren >= barrenSteps {
			return "", r.starved(s, b)
		}
		r.state.Segments, r.state.Cursor = f.order.segments(), f.cursor
		if err := r.stepped(s, record, started); err != nil {
			return "", err
		}
	}
	return "all steps are done", nil
}

// openFeed opens the plan of a stage where the state has read to.
func (r *run) openFeed(s *Stage) (*feed, error) {
	snap, err := r.history.Snapshot()
	if err != nil {
		return nil, err
	}
	order, err := openOrder(r.ctx, r.Options, r.manifest, s, r.state.Segments, snap)
	if err != nil {
		return nil, err
	}
	return &feed{src: r.source, order: order, batch: s.generation(), snapshot: r.history.Snapshot, cursor: r.state.Cursor}, nil
}

// A batch is the groups of one step.
type batch struct {
	stage     *Stage
	all, kept []rollout.Group
	counts    advantage.Counts // of all
	generated int              // generation batches
}

// collect generates groups until the step has as many with a signal as it wants. All of them go
// to the history, those that are thrown away too.
func (r *run) collect(s *Stage, f *feed) (*batch, error) {
	b := &batch{stage: s}
	for len(b.kept) < s.Batch && b.generated < s.MaxGenerations {
		prompts, err := f.next(r.ctx)
		if errors.Is(err, io.EOF) && b.generated > 0 {
			break // the plan ends inside the step
		}
		if err != nil {
			return nil, err
		}
		groups, err := r.generate(r.ctx, s, prompts)
		if err != nil {
			return nil, err
		}
		if err := r.record(s, groups); err != nil {
			return nil, err
		}
		b.add(groups)
		if !s.DynamicSampling && len(b.all) >= s.Batch {
			break
		}
	}
	if s.DynamicSampling && len(b.kept) < s.Batch && b.generated == s.MaxGenerations {
		r.warn(s, "step %d: after %d generation batches only %d of %d groups have a signal; the step is done with those. %s", r.state.step, b.generated, len(b.kept), s.Batch, b.advice())
	}
	return b, nil
}

// generate rolls prompts out and scores the responses.
func (r *run) generate(ctx context.Context, s *Stage, prompts []rollout.Prompt) ([]rollout.Group, error) {
	return r.policy.generate(ctx, prompts, rollout.Options{
		Stage: s.Name, Seed: r.Seed, Group: s.GroupSize, MaxResponse: int(s.MaxResponse), Temperature: s.Temperature, TopP: s.TopP,
	})
}

// add takes the groups of one generation batch. What goes over the step's batch is left: it was
// paid for, and is in the history.
func (b *batch) add(groups []rollout.Group) {
	b.generated++
	b.all = append(b.all, groups...)
	for i := range groups {
		state := shaped(&groups[i], b.stage).State()
		switch state {
		case advantage.ZeroVariance:
			b.counts.ZeroVariance++
		case advantage.Dropped:
			b.counts.Dropped++
		}
		keep := state == advantage.Signal || state == advantage.ZeroVariance && !b.stage.DynamicSampling
		if keep && len(b.kept) < b.stage.Batch {
			b.kept = append(b.kept, groups[i])
		}
	}
}

// learn makes the updates of a step.
func (r *run) learn(s *Stage, b *batch, rate float64, record *metrics.Record) error {
	groups := make([]advantage.Group, len(b.kept))
	for i := range b.kept {
		groups[i] = shaped(&b.kept[i], s)
	}
	results, _ := advantage.Compute(groups, advantage.Std(s.Std))
	trees := make([]learner.Tree, len(b.kept))
	for i := range b.kept {
		trees[i] = tree(&b.kept[i], results[i].Advantages)
	}
	o := learner.Objective{Kind: learner.RL, Norm: learner.Norm(s.Loss), ClipLow: s.ClipLow, ClipHigh: s.ClipHigh, KL: s.KL, Temperature: s.Temperature}
	mini := s.Batch
	if s.MiniBatch > 0 {
		mini = s.MiniBatch
	}
	if err := r.policy.prepare(trees, o, len(trees) > mini); err != nil {
		return err
	}
	var sum updates
	for from := 0; from < len(trees); from += mini {
		stats, err := r.policy.update(trees[from:min(from+mini, len(trees))], o, rate)
		if errors.Is(err, learner.ErrNotFinite) {
			record.Loss, record.GradientNorm = metrics.Known(math.NaN()), metrics.Known(stats.GradientNorm)
			return nil // the weights are as they were; the guard decides
		}
		if err != nil {
			return err
		}
		sum.add(stats)
	}
	r.state.Current.Updates += int64(sum.n)
	r.state.Current.Trained += int64(len(b.kept))
	sum.fill(record, rate)
	record.Entropy, record.ClipShare = metrics.Known(sum.entropy()), metrics.Known(sum.clipShare())
	if s.KL > 0 {
		record.KL = metrics.Known(sum.kl())
	}
	return nil
}

// shaped returns the rewards of a group as the optimizer sees them: with the overlong penalty,
// which the history never does.
func shaped(g *rollout.Group, s *Stage) advantage.Group {
	out := advantage.Group{Task: g.DataSource, Rollouts: make([]advantage.Rollout, len(g.Rollouts))}
	for i := range g.Rollouts {
		x := &g.Rollouts[i]
		out.Rollouts[i] = advantage.Rollout{Reward: float64(x.Reward.Value), Known: x.Reward.Known}
		if s.OverlongCache > 0 {
			out.Rollouts[i].Shaping = float64(reward.Overlong(len(x.Tokens), int(s.MaxResponse), int(s.OverlongCache)))
		}
	}
	return out
}

// tree lays a group out for the learner: the prompt once, its responses as branches.
func tree(g *rollout.Group, advantages []float32) learner.Tree {
	t := learner.Tree{Prompt: g.Tokens, Branches: make([]learner.Branch, len(g.Rollouts))}
	for i := range g.Rollouts {
		t.Branches[i] = learner.Branch{Tokens: g.Rollouts[i].Tokens, Advantage: advantages[i]}
	}
	return t
}

// starved says why the stage cannot go on, and what the history advises.
func (r *run) starved(s *Stage, b *batch) error {
	return fmt.Errorf("%w: %d steps in a row had no group that teaches, though %d generation batches of %d prompts were tried in the last. %s",
		ErrNoSignal, barrenSteps, b.generated, s.generation(), b.advice())
}

// record keeps what was rolled out in the history, and counts it.
func (r *run) record(s *Stage, groups []rollout.Group) error {
	phase := s.Phase
	if s.Kind == Measure {
		phase = 0
	}
	outcomes := make([]history.Outcome, len(groups))
	c := &r.state.Current
	for i := range groups {
		o := groups[i].Outcome()
		o.Run, o.TrainStage, o.Step, o.Phase = r.Run, s.Name, r.state.step, phase
		o.Policy, o.Judge, o.Time = fmt.Sprintf("%s@%d", r.Run, r.state.step), r.Judge, r.Now().UTC().Truncate(time.Microsecond)
		o.Limits = history.Limits{MaxPrompt: s.MaxPrompt, MaxResponse: s.MaxResponse, Temperature: history.Known(float32(s.Temperature))}
		c.Groups++
		c.Rollouts += int64(len(o.Rollouts))
		if groups[i].OriginPhase < s.Phase && s.Kind != Measure {
			c.Retro++
		}
		for j := range o.Rollouts {
			if !o.Rollouts[j].Reward.Known {
				c.Unknown++
			}
			if !r.KeepResponses {
				o.Rollouts[j].Response = ""
			}
		}
		if shaped(&groups[i], s).State() == advantage.ZeroVariance {
			c.ZeroVariance++
		}
		outcomes[i] = o
	}
	_, err := r.history.Append(r.ctx, outcomes)
	return err
}
