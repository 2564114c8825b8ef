package eval

import (
	"github.com/longctx/pipeline/train/reward"
)

// A Rollout is one response to one sample with what it earned: a line of rollouts.jsonl.
// Numbers that are not known are null.
type Rollout struct {
	SampleID       string   `json:"sample_id"`
	SourceID       string   `json:"source_id,omitzero"`
	DataSource     string   `json:"data_source"`
	Index          int      `json:"rollout"`       // from 0, of the sample
	Step           int64    `json:"step,omitzero"` // of the checkpoint; only in given rollouts
	Question       string   `json:"question"`
	Answers        []string `json:"answers"`
	Response       string   `json:"response"`
	ResponseLength *int32   `json:"response_length"` // tokens
	StopReason     string   `json:"stop_reason"`     // as the server says it. Example: "length"
	Seed           int64    `json:"seed,omitzero"`
	Truncated      bool     `json:"context_truncated,omitzero"` // the middle of the context was left out
	Reward         *float32 `json:"reward"`
	RuleReward     *float32 `json:"rule_reward"`
	JudgeReward    *float32 `json:"judge_reward"`
	Answer         string   `json:"answer"` // that was taken from the response
	Reason         string   `json:"reason"` // of the reward
}

// request is what the reward is asked with.
func (r *Rollout) request() reward.Request {
	q := reward.Request{DataSource: r.DataSource, Question: r.Question, Response: r.Response, References: r.Answers}
	if r.ResponseLength != nil {
		q.ResponseTokens = int(*r.ResponseLength)
	}
	return q
}

// earn sets what a verdict says.
func (r *Rollout) earn(v reward.Verdict) {
	r.Reward, r.RuleReward, r.JudgeReward = pointer(v.Reward), pointer(v.Rule), pointer(v.Judge)
	r.Answer, r.Reason = v.Answer, v.Reason.String()
}

func pointer(n reward.Number) *float32 {
	if !n.Known {
		return nil
	}
	return &n.Value
}
