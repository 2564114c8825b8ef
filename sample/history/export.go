package history

import (
	"context"
	"encoding/json"
	"io"
	"time"
)

// A record is an outcome as JSONL has it: what intake reads as format jsonl.
type record struct {
	SampleID        SampleID `json:"sample_id"`
	Run             string   `json:"run"`
	TrainStage      string   `json:"train_stage,omitempty"`
	Phase           int32    `json:"phase"`
	Step            int64    `json:"step"`
	Position        *int64   `json:"position,omitempty"`
	Policy          string   `json:"policy,omitempty"`
	MaxPrompt       int32    `json:"max_prompt,omitempty"`
	MaxResponse     int32    `json:"max_response,omitempty"`
	Temperature     *Number  `json:"temperature,omitempty"`
	Judge           string   `json:"judge,omitempty"`
	Time            string   `json:"time,omitempty"`
	Rewards         []Number `json:"rewards"`
	RuleRewards     []Number `json:"rule_rewards,omitempty"`
	JudgeRewards    []Number `json:"judge_rewards,omitempty"`
	ResponseLengths []*int32 `json:"response_lengths,omitempty"`
	StopReasons     []string `json:"stop_reasons,omitempty"`
	Responses       []string `json:"responses,omitempty"`
}

func newRecord(o *Outcome) *record {
	r := &record{
		SampleID: o.SampleID, Run: o.Run, TrainStage: o.TrainStage, Phase: o.Phase, Step: o.Step, Policy: o.Policy,
		MaxPrompt: o.Limits.MaxPrompt, MaxResponse: o.Limits.MaxResponse, Judge: o.Judge,
	}
	if o.Position != UnknownPosition {
		r.Position = &o.Position
	}
	if o.Limits.Temperature.Known {
		r.Temperature = &o.Limits.Temperature
	}
	if !o.Time.IsZero() {
		r.Time = o.Time.Format(time.RFC3339Nano)
	}
	for i := range o.Rollouts {
		r.Rewards = append(r.Rewards, o.Rollouts[i].Reward)
	}
	// The other lists are there if at least one rollout says something.
	r.RuleRewards = someOf(o.Rollouts, func(x *Rollout) (Number, bool) { return x.RuleReward, x.RuleReward.Known })
	r.JudgeRewards = someOf(o.Rollouts, func(x *Rollout) (Number, bool) { return x.JudgeReward, x.JudgeReward.Known })
	r.StopReasons = someOf(o.Rollouts, func(x *Rollout) (string, bool) { return x.StopReason, x.StopReason != "" })
	r.Responses = someOf(o.Rollouts, func(x *Rollout) (string, bool) { return x.Response, x.Response != "" })
	r.ResponseLengths = someOf(o.Rollouts, func(x *Rollout) (*int32, bool) {
		if x.ResponseLength == UnknownLength {
			return nil, false
		}
		return &x.ResponseLength, true
	})
	return r
}

// someOf returns a value of each rollout, nil where none says one.
func someOf[T any](rollouts []Rollout, value func(*Rollout) (T, bool)) []T {
	said := false
	out := make([]T, len(rollouts))
	for i := range rollouts {
		var ok bool
		out[i], ok = value(&rollouts[i])
		said = said || ok
	}
	if !said {
		return nil
	}
	return out
}

// ExportJSONL writes the outcomes that a filter takes, one on a line, as the import of format
// jsonl reads them. It returns their number.
func (s *Snapshot) ExportJSONL(ctx context.Context, w io.Writer, f Filter) (n int64, err error) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for o, err := range s.Outcomes(ctx, f) {
		if err == nil {
			err = enc.Encode(newRecord(o))
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// ExportParquet writes the outcomes that a filter takes as one file with the columns of a
// segment. It returns their number.
func (s *Snapshot) ExportParquet(ctx context.Context, w io.Writer, f Filter) (n int64, err error) {
	out := newRowWriter(w)
	rows := make([]stored, 0, chunkRows)
	var scratch []byte
	size := 0
	flush := func() error {
		err := out.write(rows)
		rows, size = rows[:0], 0
		return err
	}
	for o, err := range s.Outcomes(ctx, f) {
		if err != nil {
			return n, err
		}
		var r stored
		r, scratch = store(o, 0, scratch)
		rows = append(rows, r)
		n++
		size += len(scratch)
		if len(rows) == cap(rows) || size >= chunkBytes {
			if err := flush(); err != nil {
				return n, err
			}
		}
	}
	if err := flush(); err != nil {
		return n, err
	}
	return n, out.pq.Close()
}
