package service

import (
	"github.com/apache/arrow/go/v17/arrow"

	"github.com/longctx/pipeline/sample/history"
)

// outcomeColumns are the columns of outcomes, and whether each must be there. They have the
// names of the history's own.
var outcomeColumns = map[string]bool{
	"run": true, "step": true, "sample_id": true, "rewards": true,
	"train_stage": false, "position": false, "phase": false, "policy": false, "judge": false,
	"max_prompt": false, "max_response": false, "temperature": false, "time": false,
	"rule_rewards": false, "judge_rewards": false, "response_lengths": false, "stop_reasons": false, "responses": false,
}

// decodeOutcomes reads a batch of outcomes.
func decodeOutcomes(rec arrow.Record) ([]history.Outcome, error) {
	return decode(rec, "outcomes", outcomeColumns, (*table).outcome)
}

func (t *table) outcome(o *history.Outcome, i int) {
	o.Identity = t.identity(i)
	o.Phase, o.Policy, o.Judge, o.Limits = t.integer32("phase", i, 0), t.text("policy", i), t.text("judge", i), t.limits(i)
	o.Time = t.time(i)
	rewards, from, n, ok := t.list("rewards", i)
	if !ok {
		t.fail("rewards is null")
		return
	}
	o.Rollouts = make([]history.Rollout, n)
	for j := range o.Rollouts {
		o.Rollouts[j] = history.Rollout{Reward: t.numberOf("rewards", rewards, from+j), ResponseLength: history.UnknownLength}
	}
	t.rollouts(o, i)
}

func (t *table) identity(i int) history.Identity {
	out := history.Identity{
		Run: t.text("run", i), TrainStage: t.text("train_stage", i),
		Step: t.integer("step", i, 0), Position: t.integer("position", i, history.UnknownPosition),
	}
	id, err := history.ParseSampleID(t.text("sample_id", i))
	if err != nil {
		t.fail("%w", err)
	}
	out.SampleID = id
	return out
}

func (t *table) limits(i int) history.Limits {
	return history.Limits{MaxPrompt: t.integer32("max_prompt", i, 0), MaxResponse: t.integer32("max_response", i, 0), Temperature: t.number("temperature", i)}
}

// rollouts fills in what else is said of each rollout.
func (t *table) rollouts(o *history.Outcome, i int) {
	for _, c := range []struct {
		name string
		set  func(r *history.Rollout, a arrow.Array, at int)
	}{
		{"rule_rewards", func(r *history.Rollout, a arrow.Array, at int) { r.RuleReward = t.numberOf("rule_rewards", a, at) }},
		{"judge_rewards", func(r *history.Rollout, a arrow.Array, at int) { r.JudgeReward = t.numberOf("judge_rewards", a, at) }},
		{"response_lengths", func(r *history.Rollout, a arrow.Array, at int) {
			r.ResponseLength = t.integer32Of("response_lengths", a, at, history.UnknownLength)
		}},
		{"stop_reasons", func(r *history.Rollout, a arrow.Array, at int) { r.StopReason = t.textOf("stop_reasons", a, at) }},
		{"responses", func(r *history.Rollout, a arrow.Array, at int) { r.Response = t.textOf("responses", a, at) }},
	} {
		values, from, n, ok := t.list(c.name, i)
		if !ok || n == 0 {
			continue
		}
		if n != len(o.Rollouts) {
			t.fail("%s has %d values, rewards %d", c.name, n, len(o.Rollouts))
			return
		}
		for j := range o.Rollouts {
			c.set(&o.Rollouts[j], values, from+j)
		}
	}
}
