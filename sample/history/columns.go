package history

import (
	"slices"
	"time"
	"unsafe"

	"github.com/parquet-go/parquet-go"
)

// Definition levels of a list of nullable elements, and of a nullable column.
const (
	levelEmptyList   = 0
	levelNullElement = 1
	levelElement     = 2
	levelValue       = 1
)

// A column writes and reads one column of a segment, one row at a time.
type column struct {
	put func(dst []parquet.Value, s *stored) []parquet.Value
	get func(s *stored, v []parquet.Value) // v may point into the page: text is cloned
}

// columns are in the order of row. Those that are only read as visits have no get.
var columns = []column{
	{one(func(s *stored) parquet.Value { return parquet.Int64Value(s.visit.Sequence) }), nil},
	{one(func(s *stored) parquet.Value { return bytesValue(s.id[:]) }), nil},
	{text(func(s *stored) string { return s.Run }), nil},
	{text(func(s *stored) string { return s.TrainStage }), nil},
	{one(func(s *stored) parquet.Value { return parquet.Int32Value(s.Phase) }), nil},
	{one(func(s *stored) parquet.Value { return parquet.Int64Value(s.Step) }), nil},
	{one(func(s *stored) parquet.Value { return parquet.Int64Value(s.Position) }), nil},
	{text(func(s *stored) string { return s.Policy }), nil},
	{one(func(s *stored) parquet.Value { return parquet.Int32Value(s.Limits.MaxPrompt) }), nil},
	{one(func(s *stored) parquet.Value { return parquet.Int32Value(s.Limits.MaxResponse) }), nil},
	{one(func(s *stored) parquet.Value { return optional(number(s.Limits.Temperature)) }), nil},
	{text(func(s *stored) string { return s.Judge }), nil},
	{one(func(s *stored) parquet.Value { return parquet.Int32Value(s.visit.Known) }), nil},
	{one(func(s *stored) parquet.Value { return parquet.Int32Value(s.visit.Unknown) }), nil},
	{one(func(s *stored) parquet.Value { return parquet.Int32Value(s.visit.Successes) }), nil},
	{one(func(s *stored) parquet.Value { return parquet.DoubleValue(s.visit.Sum) }), nil},
	{one(func(s *stored) parquet.Value { return parquet.DoubleValue(s.visit.Squares) }), nil},
	{one(func(s *stored) parquet.Value { return parquet.BooleanValue(s.visit.ZeroVariance) }), nil},
	{one(func(s *stored) parquet.Value { return parquet.Int64Value(s.content) }), nil},
	{
		one(func(s *stored) parquet.Value {
			if s.Time.IsZero() {
				return parquet.NullValue()
			}
			return optional(parquet.Int64Value(s.Time.UnixMicro()))
		}),
		func(s *stored, v []parquet.Value) {
			if !v[0].IsNull() {
				s.Time = time.UnixMicro(v[0].Int64()).UTC()
			}
		},
	},
	list(true, nil, func(r *Rollout) parquet.Value { return number(r.Reward) }, func(r *Rollout, v parquet.Value) { r.Reward = Known(v.Float()) }),
	list(false, func(r Rollout) bool { return r.RuleReward.Known }, func(r *Rollout) parquet.Value { return number(r.RuleReward) }, func(r *Rollout, v parquet.Value) { r.RuleReward = Known(v.Float()) }),
	list(false, func(r Rollout) bool { return r.JudgeReward.Known }, func(r *Rollout) parquet.Value { return number(r.JudgeReward) }, func(r *Rollout, v parquet.Value) { r.JudgeReward = Known(v.Float()) }),
	list(false, func(r Rollout) bool { return r.ResponseLength != UnknownLength }, func(r *Rollout) parquet.Value {
		if r.ResponseLength == UnknownLength {
			return parquet.NullValue()
		}
		return parquet.Int32Value(r.ResponseLength)
	}, func(r *Rollout, v parquet.Value) { r.ResponseLength = v.Int32() }),
	list(false, func(r Rollout) bool { return r.StopReason != "" }, func(r *Rollout) parquet.Value { return someText(r.StopReason) }, func(r *Rollout, v parquet.Value) { r.StopReason = string(v.ByteArray()) }),
	list(false, func(r Rollout) bool { return r.Response != "" }, func(r *Rollout) parquet.Value { return someText(r.Response) }, func(r *Rollout, v parquet.Value) { r.Response = string(v.ByteArray()) }),
}

func one(value func(*stored) parquet.Value) func([]parquet.Value, *stored) []parquet.Value {
	return func(dst []parquet.Value, s *stored) []parquet.Value { return append(dst, value(s)) }
}

func text(value func(*stored) string) func([]parquet.Value, *stored) []parquet.Value {
	return func(dst []parquet.Value, s *stored) []parquet.Value {
		return append(dst, bytesValue(unsafe.Slice(unsafe.StringData(value(s)), len(value(s)))))
	}
}

// list is a column with one element for each rollout. Where all are null the list is left
// empty (no rollout said anything), unless it always says how many rollouts there are.
func list(always bool, said func(Rollout) bool, value func(*Rollout) parquet.Value, set func(*Rollout, parquet.Value)) column {
	put := func(dst []parquet.Value, s *stored) []parquet.Value {
		if !always && !slices.ContainsFunc(s.Rollouts, said) {
			return append(dst, parquet.NullValue().Level(0, levelEmptyList, 0))
		}
		begin := len(dst)
		for i := range s.Rollouts {
			dst = append(dst, value(&s.Rollouts[i]))
		}
		for i := begin; i < len(dst); i++ {
			v := &dst[i]
			v.SetRepetitionLevel(1)
			v.SetDefinitionLevel(levelElement)
			if v.IsNull() {
				v.SetDefinitionLevel(levelNullElement)
			}
		}
		dst[begin].SetRepetitionLevel(0)
		return dst
	}
	get := func(s *stored, values []parquet.Value) {
		if always {
			s.Rollouts = make([]Rollout, len(values))
			for i := range s.Rollouts {
				s.Rollouts[i].ResponseLength = UnknownLength
			}
		}
		for i, v := range values[:min(len(values), len(s.Rollouts))] {
			if !v.IsNull() {
				set(&s.Rollouts[i], v)
			}
		}
	}
	return column{put, get}
}

func bytesValue(b []byte) parquet.Value { return parquet.ByteArrayValue(b) }

func number(n Number) parquet.Value {
	if !n.Known {
		return parquet.NullValue()
	}
	return parquet.FloatValue(n.Value)
}

func someText(s string) parquet.Value {
	if s == "" {
		return parquet.NullValue()
	}
	return bytesValue(unsafe.Slice(unsafe.StringData(s), len(s)))
}

// optional gives a value of a nullable column its definition level.
func optional(v parquet.Value) parquet.Value {
	if v.IsNull() {
		return v
	}
	return v.Level(0, levelValue, 0)
}
