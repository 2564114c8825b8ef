// Package metrics keeps what a training run measured at every step: as JSON lines, and as event
// files that TensorBoard opens. It also watches them: not-a-number, an entropy that collapses, a
// KL term that leaps.
//
// Its rule: the series of a run that was stopped and resumed is the series of a run that never
// stopped. Records are appended as they come; Open cuts what lies behind the checkpoint's step,
// a torn last line among it, so that the steps done again are written once.
//
//	DIR/steps.jsonl                  one Record a line
//	DIR/events.out.tfevents.*        the same numbers for TensorBoard, made anew from the lines at Open
//
// What it costs: two appends a step; at Open, one pass over the lines.
package metrics

import (
	"encoding/json"
	"math"
	"time"
)

// A Number is a measurement that may be unknown; its zero value is. Unknown is null, never 0,
// and so is what is not finite: JSON has no word for it.
type Number struct {
	Value float64
	Known bool
}

// Known returns a measurement.
func Known(v float64) Number { return Number{v, true} }

// MarshalJSON writes the number, or null.
func (n Number) MarshalJSON() ([]byte, error) {
	if !n.Known || math.IsNaN(n.Value) || math.IsInf(n.Value, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(n.Value)
}

// UnmarshalJSON reads a number, or null.
func (n *Number) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*n = Number{}
		return nil
	}
	n.Known = true
	return json.Unmarshal(text, &n.Value)
}

// A Record is what one optimizer step measured. A mean over nothing is unknown.
type Record struct {
	Step       int64     `json:"step"` // of the run, from 0
	TrainStage string    `json:"train_stage"`
	Phase      int32     `json:"phase"`
	Time       time.Time `json:"time"` // when the step ended

	Loss         Number `json:"loss"`
	LearningRate Number `json:"learning_rate"`
	GradientNorm Number `json:"gradient_norm"` // before clipping

	Reward              Number `json:"reward"`               // mean of the known task rewards, unshaped
	RetrospectiveReward Number `json:"retrospective_reward"` // the same of samples from earlier phases
	Entropy             Number `json:"entropy"`              // nats per response token
	KL                  Number `json:"kl"`                   // to the reference, k3, per response token
	ClipShare           Number `json:"clip_share"`           // of response tokens whose ratio is clipped
	ZeroVarianceShare   Number `json:"zero_variance_share"`  // of groups
	UnknownShare        Number `json:"unknown_share"`        // of rewards
	ResponseLength      Number `json:"response_length"`      // mean, tokens
	OverlongShare       Number `json:"overlong_share"`       // of responses
	Accuracy            Number `json:"accuracy"`             // of response tokens; SFT

	Tokens          int64  `json:"tokens"` // trained on, padding left out
	TokensPerSecond Number `json:"tokens_per_second"`
	PaddingShare    Number `json:"padding_share"`
}

// series are the numbers of a record that have a curve, by the name of the curve.
var series = []struct {
	name string
	of   func(*Record) Number
}{
	{"train/loss", func(r *Record) Number { return r.Loss }},
	{"train/learning_rate", func(r *Record) Number { return r.LearningRate }},
	{"train/gradient_norm", func(r *Record) Number { return r.GradientNorm }},
	{"train/accuracy", func(r *Record) Number { return r.Accuracy }},
	{"reward/mean", func(r *Record) Number { return r.Reward }},
	{"reward/retrospective", func(r *Record) Number { return r.RetrospectiveReward }},
	{"reward/unknown_share", func(r *Record) Number { return r.UnknownShare }},
	{"reward/zero_variance_share", func(r *Record) Number { return r.ZeroVarianceShare }},
	{"policy/entropy", func(r *Record) Number { return r.Entropy }},
	{"policy/kl", func(r *Record) Number { return r.KL }},
	{"policy/clip_share", func(r *Record) Number { return r.ClipShare }},
	{"response/length", func(r *Record) Number { return r.ResponseLength }},
	{"response/overlong_share", func(r *Record) Number { return r.OverlongShare }},
	{"speed/tokens_per_second", func(r *Record) Number { return r.TokensPerSecond }},
	{"speed/padding_share", func(r *Record) Number { return r.PaddingShare }},
	{"curriculum/phase", func(r *Record) Number { return Number{float64(r.Phase), r.Phase > 0} }},
}

// Each calls yield with the name and value of every known number of the record.
func (r *Record) Each(yield func(name string, value float64)) {
	for _, s := range series {
		if n := s.of(r); n.Known {
			yield(s.name, n.Value)
		}
	}
}
