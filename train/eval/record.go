package eval

import (
	"context"
	"fmt"
	"iter"
	"slices"

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

// Record writes outcomes into a reward history as measurements before training: phase 0, from
// which the difficulty for the start policy is estimated (QwenLong-L1, arXiv 2505.17667 eq. 10).
// Recording the same again changes nothing; other rewards for the same responses are
// history.ErrConflict.
func Record(ctx context.Context, s *history.Store, m Measurement, rollouts iter.Seq2[*Rollout, error]) (done Recorded, err error) {
	groups, err := done.groups(m, rollouts)
	if err != nil {
		return done, err
	}
	outcomes := make([]history.Outcome, len(groups))
	for i, o := range groups {
		if err := o.Validate(); err != nil {
			return done, fmt.Errorf("record %v: %w", o.Identity, err)
		}
		outcomes[i] = *o
	}
	done.Appended, err = s.Append(ctx, outcomes)
	return done, err
}

// groups joins the rollouts of each sample, in the order in which the samples came. Texts are
// not kept.
func (d *Recorded) groups(m Measurement, rollouts iter.Seq2[*Rollout, error]) ([]*history.Outcome, error) {
	var order []*history.Outcome
	at := map[groupKey]*history.Outcome{}
	truncated := map[*history.Outcome]bool{}
	for r, err := range rollouts {
		if err != nil {
			return nil, err
		}
		k := groupKey{r.SampleID, r.Step}
		o := at[k]
		if o == nil {
			id, err := history.ParseSampleID(r.SampleID)
			o = &history.Outcome{
				Identity: history.Identity{Run: m.Run, Step: r.Step, Position: history.UnknownPosition, SampleID: id},
				Policy:   m.Policy, Limits: m.Limits, Judge: m.Judge,
			}
			at[k] = o
			if err != nil {
				d.Foreign++
			} else {
				order = append(order, o)
			}
		}
		if r.Truncated {
			truncated[o] = true
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
	return slices.DeleteFunc(order, func(o *history.Outcome) bool {
		switch {
		case truncated[o]:
			d.Truncated++
		case len(o.Rollouts) < m.N:
			d.Incomplete++
		default:
			return false
		}
		return true
	}), nil
}

func numberOf(v *float32) history.Number {
	if v == nil {
		return history.Number{}
	}
	return history.Known(*v)
}
