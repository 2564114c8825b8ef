package eval

import (
	"context"
	"fmt"
	"iter"

	"github.com/longctx/pipeline/sample/history"
)

// Recorded says what Record did.
type Recorded struct {
	history.Appended
	Incomplete int64 // samples left out: responses are missing
	Truncated  int64 // samples left out: their context was cut, which measures another prompt
	Foreign    int64 // samples left out: their id is no sample_id
}

// Measurement is what the outcomes of an evaluation have in common.
type Measurement struct {
	Run    string
	Policy string
	Limits history.Limits
	Judge  string
	N      int // responses of a complete group; 0: any number
}

// LimitsOf returns the limits of an evaluation: prompts are bounded by the context, or by the
// dataset's last phase.
func LimitsOf(c *Config, longest int32) history.Limits {
	l := history.Limits{MaxPrompt: longest, MaxResponse: int32(c.MaxTokens), Temperature: history.Known(float32(c.Temperature))}
	if c.ContextLength > 0 {
		l.MaxPrompt = min(longest, int32(c.ContextLength-c.MaxTokens))
	}
	return l
}

// recordAtOnce is how many outcomes go into one commit.
const recordAtOnce = 4096

// Record writes outcomes into a reward history as measurements before training: phase 0, from
// which the difficulty for the start policy is estimated (QwenLong-L1, arXiv 2505.17667 eq. 10).
// Recording the same again changes nothing; other rewards for the same responses are
// history.ErrConflict.
func Record(ctx context.Context, s *history.Store, m Measurement, rollouts iter.Seq2[*Rollout, error]) (done Recorded, err error) {
	t, err := s.Begin()
	if err != nil {
		return done, err
	}
	var batch []history.Outcome
	flush := func() error {
		a, err := t.Add(ctx, batch)
		done.Added, done.Same = done.Added+a.Added, done.Same+a.Same
		batch = batch[:0]
		return err
	}
	for o, err := range done.outcomes(m, rollouts) {
		if err == nil {
			if batch = append(batch, *o); len(batch) == recordAtOnce {
				err = flush()
			}
		}
		if err != nil {
			t.Abort()
			return done, err
		}
	}
	if err := flush(); err != nil {
		t.Abort()
		return done, err
	}
	done.Snapshot, err = t.Commit()
	return done, err
}

// outcomes joins the rollouts of a sample, which follow each other.
func (d *Recorded) outcomes(m Measurement, rollouts iter.Seq2[*Rollout, error]) iter.Seq2[*history.Outcome, error] {
	return func(yield func(*history.Outcome, error) bool) {
		var group []*Rollout
		hand := func() bool {
			o, err := d.outcome(m, group)
			group = nil
			return o == nil && err == nil || yield(o, err)
		}
		for r, err := range rollouts {
			if err != nil {
				yield(nil, err)
				return
			}
			if len(group) > 0 && (group[0].SampleID != r.SampleID || group[0].Step != r.Step) && !hand() {
				return
			}
			group = append(group, r)
		}
		if len(group) > 0 {
			hand()
		}
	}
}

// outcome returns nil for a group that is left out.
func (d *Recorded) outcome(m Measurement, group []*Rollout) (*history.Outcome, error) {
	first := group[0]
	id, err := history.ParseSampleID(first.SampleID)
	if err != nil {
		d.Foreign++
		return nil, nil
	}
	if m.N > 0 && len(group) < m.N {
		d.Incomplete++
		return nil, nil
	}
	o := &history.Outcome{
		Identity: history.Identity{Run: m.Run, Step: first.Step, Position: history.UnknownPosition, SampleID: id},
		Policy:   m.Policy, Limits: m.Limits, Judge: m.Judge,
	}
	for _, r := range group {
		if r.Truncated {
			d.Truncated++
			return nil, nil
		}
		one := history.Rollout{
			Reward: numberOf(r.Reward), RuleReward: numberOf(r.RuleReward), JudgeReward: numberOf(r.JudgeReward),
			ResponseLength: history.UnknownLength, StopReason: r.StopReason,
		}
		if r.ResponseLength != nil {
			one.ResponseLength = *r.ResponseLength
		}
		o.Rollouts = append(o.Rollouts, one)
	}
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("record sample %s: %w", first.SampleID, err)
	}
	return o, nil
}

func numberOf(v *float32) history.Number {
	if v == nil {
		return history.Number{}
	}
	return history.Known(*v)
}
