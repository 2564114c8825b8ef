package service

import (
	"github.com/apache/arrow/go/v17/arrow"

	"github.com/longctx/pipeline/sample/history"
	"github.com/longctx/pipeline/sample/stream/groups"
)

// rolloutColumns are the columns of single rollouts, and whether each must be there.
var rolloutColumns = map[string]bool{
	"run": true, "step": true, "sample_id": true, "group_size": true, "rollout": true, "reward": true,
	"group": false, "train_stage": false, "position": false, "phase": false, "policy": false, "judge": false,
	"max_prompt": false, "max_response": false, "temperature": false, "time": false,
	"rule_reward": false, "judge_reward": false, "response_length": false, "stop_reason": false, "response": false,
}

// decodeRollouts reads a batch of single rollouts.
func decodeRollouts(rec arrow.Record) ([]groups.Row, error) {
	return decode(rec, "rollouts", rolloutColumns, (*table).rollout)
}

func (t *table) rollout(r *groups.Row, i int) {
	*r = groups.Row{
		Identity: t.identity(i), Name: t.text("group", i),
		Size: int(t.integer32("group_size", i, 0)), Index: int(t.integer32("rollout", i, -1)),
		Head: groups.Head{Phase: t.integer32("phase", i, 0), Policy: t.text("policy", i), Judge: t.text("judge", i), Limits: t.limits(i)},
		Rollout: history.Rollout{
			Reward: t.number("reward", i), RuleReward: t.number("rule_reward", i), JudgeReward: t.number("judge_reward", i),
			ResponseLength: t.integer32("response_length", i, history.UnknownLength), StopReason: t.text("stop_reason", i), Response: t.text("response", i),
		},
		Time: t.time(i),
	}
}
