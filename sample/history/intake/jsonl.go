package intake

import (
	"math"
	"strings"
	"time"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
)

// jsonl reads files with a group on each line:
//
//	{"sample_id": "9f86…", "rewards": [0, 1, null], "step": 12, "phase": 1, "run": "a", …}
//
// "id", the input's own, stands for sample_id where that is missing. Fields that it does not
// know are left alone.
type jsonl struct {
	o      *Options
	names  names
	fields [jsonlFields]value
	emit   func(o history.Outcome, at place)
	alloc  func(n int) []history.Rollout
}

// Fields of a record.
const (
	fieldSampleID = iota
	fieldID
	fieldRun
	fieldTrainStage
	fieldStep
	fieldPosition
	fieldPhase
	fieldPolicy
	fieldMaxPrompt
	fieldMaxResponse
	fieldTemperature
	fieldJudge
	fieldTime
	fieldRewards
	fieldRuleRewards
	fieldJudgeRewards
	fieldResponseLengths
	fieldStopReasons
	fieldResponses
	jsonlFields
)

// fieldOf returns which field a name is; ok is false for those left alone.
func fieldOf(name []byte) (field int, ok bool) {
	switch string(name) {
	case "sample_id":
		return fieldSampleID, true
	case "id":
		return fieldID, true
	case "run":
		return fieldRun, true
	case "train_stage":
		return fieldTrainStage, true
	case "step":
		return fieldStep, true
	case "position":
		return fieldPosition, true
	case "phase":
		return fieldPhase, true
	case "policy":
		return fieldPolicy, true
	case "max_prompt":
		return fieldMaxPrompt, true
	case "max_response":
		return fieldMaxResponse, true
	case "temperature":
		return fieldTemperature, true
	case "judge":
		return fieldJudge, true
	case "time":
		return fieldTime, true
	case "rewards":
		return fieldRewards, true
	case "rule_rewards":
		return fieldRuleRewards, true
	case "judge_rewards":
		return fieldJudgeRewards, true
	case "response_lengths":
		return fieldResponseLengths, true
	case "stop_reasons":
		return fieldStopReasons, true
	case "responses":
		return fieldResponses, true
	}
	return 0, false
}

func (j *jsonl) record(v value, at place) *problem {
	j.fields = [jsonlFields]value{}
	for name, f := range v.fields {
		if i, ok := fieldOf(name); ok {
			j.fields[i] = f
		}
	}
	var o history.Outcome
	for _, read := range [...]func(*history.Outcome) *problem{j.sample, j.numbers, j.texts, j.group} {
		if p := read(&o); p != nil {
			return p
		}
	}
	if err := o.Validate(); err != nil {
		return bad(ReasonInvalidValue, "%v", err)
	}
	j.emit(o, at)
	return nil
}

func (j *jsonl) end() {}

func (j *jsonl) sample(o *history.Outcome) (p *problem) {
	id := j.fields[fieldSampleID]
	if !id.missing() {
		if id[0] != '"' {
			return bad(dataset.ReasonWrongType, "sample_id is not a string: %.40s", id)
		}
		o.SampleID, p = j.o.Samples.byID(id[1 : len(id)-1])
		return p
	}
	text, p := j.fields[fieldID].id("id")
	if p != nil {
		return p
	}
	if text == "" {
		return bad(dataset.ReasonMissingField, "neither sample_id nor id")
	}
	o.SampleID, p = j.o.Samples.bySourceID(text)
	return p
}

func (j *jsonl) numbers(o *history.Outcome) *problem {
	o.Step, o.Position, o.Phase, o.Limits = j.o.Step, history.UnknownPosition, j.o.Phase, j.o.Limits
	for _, f := range [...]struct {
		field int
		name  string
		limit int64
		set   func(int64)
	}{
		{fieldStep, "step", math.MaxInt64, func(n int64) { o.Step = n }},
		{fieldPosition, "position", math.MaxInt64, func(n int64) { o.Position = n }},
		{fieldPhase, "phase", math.MaxInt32, func(n int64) { o.Phase = int32(n) }},
		{fieldMaxPrompt, "max_prompt", math.MaxInt32, func(n int64) { o.Limits.MaxPrompt = int32(n) }},
		{fieldMaxResponse, "max_response", math.MaxInt32, func(n int64) { o.Limits.MaxResponse = int32(n) }},
	} {
		if n, ok, p := j.fields[f.field].integer(f.name, f.limit); p != nil {
			return p
		} else if ok {
			f.set(n)
		}
	}
	if t, ok, p := j.fields[fieldTemperature].number("temperature"); p != nil {
		return p
	} else if ok {
		o.Limits.Temperature = history.Known(float32(t))
	}
	return nil
}

func (j *jsonl) texts(o *history.Outcome) *problem {
	o.Run, o.TrainStage, o.Policy, o.Judge = j.o.Run, j.o.TrainStage, j.o.Policy, j.o.Judge
	said := false
	for _, f := range [...]struct {
		field int
		name  string
		to    *string
	}{{fieldRun, "run", &o.Run}, {fieldTrainStage, "train_stage", &o.TrainStage}, {fieldPolicy, "policy", &o.Policy}, {fieldJudge, "judge", &o.Judge}} {
		v := j.fields[f.field]
		if v.missing() {
			continue
		}
		if v[0] != '"' {
			return bad(dataset.ReasonWrongType, "%s is not a string: %.40s", f.name, v)
		}
		*f.to = j.names.of(v)
		said = said || f.field == fieldRun
	}
	if !said {
		o.Run = runName(o.Run, o.Policy)
	}
	t := j.fields[fieldTime]
	switch {
	case t.missing():
	case t[0] == '"':
		at, err := time.Parse(time.RFC3339Nano, t.unquoted())
		if err != nil {
			return bad(ReasonInvalidValue, "time %.40s is not RFC 3339", t)
		}
		o.Time = at.UTC()
	default:
		seconds, _, p := t.number("time")
		if p != nil {
			return p
		}
		if !(math.Abs(seconds) < 1e11) {
			return bad(ReasonInvalidValue, "time %.40s is not in seconds since 1970", t)
		}
		o.Time = time.UnixMicro(int64(seconds * 1e6)).UTC()
	}
	return nil
}

// runName fills in the policy where the name of a run asks for it.
func runName(run, policy string) string { return strings.ReplaceAll(run, "{policy}", policy) }

func (j *jsonl) group(o *history.Outcome) *problem {
	rewards := j.fields[fieldRewards]
	if rewards.missing() {
		return bad(dataset.ReasonMissingField, "no rewards")
	}
	if rewards[0] != '[' {
		return bad(dataset.ReasonWrongType, "rewards is not a list: %.40s", rewards)
	}
	n := 0
	for range rewards.items {
		n++
	}
	if n == 0 {
		return bad(ReasonEmptyGroup, "rewards is empty")
	}
	o.Rollouts = j.alloc(n)
	for i := range o.Rollouts {
		o.Rollouts[i] = history.Rollout{ResponseLength: history.UnknownLength}
	}
	return j.lists(o.Rollouts)
}

// lists reads the fields that have an element for each rollout.
func (j *jsonl) lists(rollouts []history.Rollout) *problem {
	reward := func(name string, to func(*history.Rollout) *history.Number) func(*history.Rollout, value) *problem {
		return func(r *history.Rollout, v value) (p *problem) {
			*to(r), p = j.o.Range.reward(v, name)
			return p
		}
	}
	for _, l := range [...]struct {
		field int
		name  string
		set   func(r *history.Rollout, v value) *problem
	}{
		{fieldRewards, "rewards", reward("reward", func(r *history.Rollout) *history.Number { return &r.Reward })},
		{fieldRuleRewards, "rule_rewards", reward("rule_reward", func(r *history.Rollout) *history.Number { return &r.RuleReward })},
		{fieldJudgeRewards, "judge_rewards", reward("judge_reward", func(r *history.Rollout) *history.Number { return &r.JudgeReward })},
		{fieldResponseLengths, "response_lengths", func(r *history.Rollout, v value) *problem {
			n, ok, p := v.integer("response_length", math.MaxInt32)
			if ok {
				r.ResponseLength = int32(n)
			}
			return p
		}},
		{fieldStopReasons, "stop_reasons", func(r *history.Rollout, v value) *problem {
			if v.missing() {
				return nil
			}
			if v[0] != '"' {
				return bad(dataset.ReasonWrongType, "stop_reason is not a string: %.40s", v)
			}
			r.StopReason = j.names.of(v)
			return nil
		}},
		{fieldResponses, "responses", func(r *history.Rollout, v value) (p *problem) {
			if j.o.KeepResponses {
				r.Response, p = v.text("response")
			}
			return p
		}},
	} {
		if p := eachOf(rollouts, j.fields[l.field], l.name, l.set); p != nil {
			return p
		}
	}
	return nil
}

func eachOf(rollouts []history.Rollout, list value, name string, set func(*history.Rollout, value) *problem) *problem {
	if list.missing() {
		return nil
	}
	if list[0] != '[' {
		return bad(dataset.ReasonWrongType, "%s is not a list: %.40s", name, list)
	}
	i := 0
	for v := range list.items {
		if i < len(rollouts) {
			if p := set(&rollouts[i], v); p != nil {
				p.detail = name + " " + itoa(i) + ": " + p.detail
				return p
			}
		}
		i++
	}
	if i != len(rollouts) {
		return bad(ReasonCounts, "%d rewards and %d %s", len(rollouts), i, name)
	}
	return nil
}
