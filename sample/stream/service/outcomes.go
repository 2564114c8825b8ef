package service

import (
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/longctx/pipeline/sample/history"
)

// outcomeColumns are the columns of outcomes, and whether each must be there. They have the
// names of the history's own. Integers of any width, 32 and 64 bit floats, and lists and texts
// of both offset widths are taken: clients make them without a thought.
var outcomeColumns = map[string]bool{
	"run": true, "step": true, "sample_id": true, "rewards": true,
	"train_stage": false, "position": false, "phase": false, "policy": false, "judge": false,
	"max_prompt": false, "max_response": false, "temperature": false, "time": false,
	"rule_rewards": false, "judge_rewards": false, "response_lengths": false, "stop_reasons": false, "responses": false,
}

// A table gives access to the columns of a batch by their names. Its first mistake stays.
type table struct {
	rec     arrow.Record
	columns map[string]arrow.Array
	err     error
}

// decodeOutcomes reads a batch of outcomes. An unknown column is refused, as it would be lost.
func decodeOutcomes(rec arrow.Record) ([]history.Outcome, error) {
	t := table{rec: rec, columns: map[string]arrow.Array{}}
	for i, f := range rec.Schema().Fields() {
		if _, known := outcomeColumns[f.Name]; !known {
			return nil, badRequest("outcomes have no column %q", f.Name)
		}
		if t.columns[f.Name] != nil {
			return nil, badRequest("column %q is there twice", f.Name)
		}
		t.columns[f.Name] = rec.Column(i)
	}
	for name, must := range outcomeColumns {
		if must && t.columns[name] == nil {
			return nil, badRequest("outcomes lack the column %q", name)
		}
	}
	out := make([]history.Outcome, rec.NumRows())
	for i := range out {
		t.outcome(&out[i], i)
		if t.err != nil {
			return nil, badRequest("row %d: %w", i, t.err)
		}
	}
	return out, nil
}

func (t *table) fail(format string, args ...any) {
	if t.err == nil {
		t.err = fmt.Errorf(format, args...)
	}
}

func (t *table) outcome(o *history.Outcome, i int) {
	o.Run, o.TrainStage, o.Policy, o.Judge = t.text("run", i), t.text("train_stage", i), t.text("policy", i), t.text("judge", i)
	o.Step, o.Position = t.integer("step", i, 0), t.integer("position", i, history.UnknownPosition)
	o.Phase = int32(t.integer("phase", i, 0))
	o.Limits = history.Limits{MaxPrompt: int32(t.integer("max_prompt", i, 0)), MaxResponse: int32(t.integer("max_response", i, 0)), Temperature: t.number("temperature", i)}
	id, err := history.ParseSampleID(t.text("sample_id", i))
	if err != nil {
		t.fail("%w", err)
	}
	o.SampleID = id
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

// rollouts fills in what else is said of each rollout.
func (t *table) rollouts(o *history.Outcome, i int) {
	for _, c := range []struct {
		name string
		set  func(r *history.Rollout, a arrow.Array, at int)
	}{
		{"rule_rewards", func(r *history.Rollout, a arrow.Array, at int) { r.RuleReward = t.numberOf("rule_rewards", a, at) }},
		{"judge_rewards", func(r *history.Rollout, a arrow.Array, at int) { r.JudgeReward = t.numberOf("judge_rewards", a, at) }},
		{"response_lengths", func(r *history.Rollout, a arrow.Array, at int) {
			r.ResponseLength = int32(t.integerOf("response_lengths", a, at, history.UnknownLength))
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

// list returns the values of a list column and which of them are row i's.
func (t *table) list(name string, i int) (values arrow.Array, from, n int, ok bool) {
	col := t.columns[name]
	if col == nil || col.IsNull(i) {
		return nil, 0, 0, false
	}
	l, ok := col.(array.ListLike)
	if !ok {
		t.fail("%s is %s, not a list", name, col.DataType())
		return nil, 0, 0, false
	}
	begin, end := l.ValueOffsets(i)
	if begin < 0 || end < begin || end > int64(l.ListValues().Len()) {
		t.fail("%s: offsets [%d, %d) of %d values", name, begin, end, l.ListValues().Len())
		return nil, 0, 0, false
	}
	return l.ListValues(), int(begin), int(end - begin), true
}

func (t *table) text(name string, i int) string {
	if col := t.columns[name]; col != nil {
		return t.textOf(name, col, i)
	}
	return ""
}

func (t *table) textOf(name string, a arrow.Array, i int) string {
	if a.IsNull(i) {
		return ""
	}
	switch a := a.(type) {
	case *array.String:
		return string([]byte(a.Value(i))) // it outlives the batch
	case *array.LargeString:
		return string([]byte(a.Value(i)))
	case *array.Null:
		return ""
	case *array.Dictionary:
		return t.textOf(name, a.Dictionary(), a.GetValueIndex(i))
	}
	t.fail("%s is %s, not text", name, a.DataType())
	return ""
}

func (t *table) integer(name string, i int, null int64) int64 {
	if col := t.columns[name]; col != nil {
		return t.integerOf(name, col, i, null)
	}
	return null
}

func (t *table) integerOf(name string, a arrow.Array, i int, null int64) int64 {
	if a.IsNull(i) {
		return null
	}
	const most = 1<<31 - 1
	var v int64
	switch a := a.(type) {
	case *array.Int32:
		v = int64(a.Value(i))
	case *array.Int64:
		v = a.Value(i)
	case *array.Int16:
		v = int64(a.Value(i))
	case *array.Uint32:
		v = int64(a.Value(i))
	default:
		t.fail("%s is %s, not an integer of 16 to 64 bits", name, a.DataType())
	}
	if narrow := []string{"phase", "max_prompt", "max_response", "response_lengths"}; (v > most || v < -most) && slices.Contains(narrow, name) {
		t.fail("%s %d does not fit 32 bits", name, v)
	}
	return v
}

func (t *table) number(name string, i int) history.Number {
	if col := t.columns[name]; col != nil {
		return t.numberOf(name, col, i)
	}
	return history.Number{}
}

func (t *table) numberOf(name string, a arrow.Array, i int) history.Number {
	if a.IsNull(i) {
		return history.Number{}
	}
	switch a := a.(type) {
	case *array.Float32:
		return history.Known(a.Value(i))
	case *array.Float64:
		return history.Known(float32(a.Value(i)))
	case *array.Int64:
		return history.Known(float32(a.Value(i)))
	case *array.Int32:
		return history.Known(float32(a.Value(i)))
	}
	t.fail("%s is %s, not a number", name, a.DataType())
	return history.Number{}
}

func (t *table) time(i int) time.Time {
	col := t.columns["time"]
	if col == nil || col.IsNull(i) {
		return time.Time{}
	}
	a, ok := col.(*array.Timestamp)
	if !ok {
		t.fail("time is %s, not a timestamp", col.DataType())
		return time.Time{}
	}
	return a.Value(i).ToTime(col.DataType().(*arrow.TimestampType).Unit).UTC().Truncate(time.Microsecond)
}
