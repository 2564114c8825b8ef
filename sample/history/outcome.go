package history

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// A SampleID is the content hash of a sample, as bytes. Example: 9f86d081884c7d659a2feaa0c55ad015
type SampleID [16]byte

// ParseSampleID reads the 32 lower-case hex digits of a sample_id.
func ParseSampleID[T string | []byte](text T) (id SampleID, err error) {
	if len(text) != 2*len(id) {
		return id, fmt.Errorf("sample_id %.40q: not 32 hex digits", string(text))
	}
	for i := range id {
		high, low := hexDigit[text[2*i]], hexDigit[text[2*i+1]]
		if high|low > 15 {
			return id, fmt.Errorf("sample_id %q: not 32 lower-case hex digits", string(text))
		}
		id[i] = high<<4 | low
	}
	return id, nil
}

// hexDigit holds the value of a lower-case hex digit, 255 for any other byte.
var hexDigit = func() (t [256]byte) {
	for i := range t {
		t[i] = 255
	}
	for i, c := range []byte("0123456789abcdef") {
		t[c] = byte(i)
	}
	return t
}()

// String returns the id as datasets write it.
func (id SampleID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText writes the id as datasets do.
func (id SampleID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, id[:]), nil }

// A Number is a number that may be unknown. Its zero value is unknown, which is not 0.
type Number struct {
	Value float32
	Known bool
}

// Known returns a known number.
func Known(v float32) Number { return Number{v, true} }

// String returns the number, or null.
func (n Number) String() string {
	if !n.Known {
		return "null"
	}
	return strconv.FormatFloat(float64(n.Value), 'g', -1, 32)
}

// MarshalJSON writes the number, or null.
func (n Number) MarshalJSON() ([]byte, error) { return []byte(n.String()), nil }

// UnknownPosition is the plan position of an outcome that was not drawn by a plan.
const UnknownPosition = -1

// UnknownLength is the length of a response that nobody has counted.
const UnknownLength = -1

// An Identity says which outcome this is: the same identity twice is one outcome.
type Identity struct {
	Run        string // Example: "l1-14b-seed7"
	TrainStage string // entry of the training schedule. Example: "phase-1"; empty: not said
	Step       int64  // optimizer step at which the group was drawn, from 0
	Position   int64  // in the phase's plan; UnknownPosition without one
	SampleID   SampleID
}

func (i Identity) String() string {
	s := fmt.Sprintf("run %q, train_stage %q, step %d", i.Run, i.TrainStage, i.Step)
	if i.Position != UnknownPosition {
		s += fmt.Sprintf(", position %d", i.Position)
	}
	return s + ", sample " + i.SampleID.String()
}

// Limits are what bounded a rollout; an estimate of difficulty belongs to them.
type Limits struct {
	MaxPrompt   int32  // tokens; 0: not said
	MaxResponse int32  // tokens; 0: not said
	Temperature Number // unknown: not said
}

func (l Limits) String() string {
	return fmt.Sprintf("max_prompt %d, max_response %d, temperature %v", l.MaxPrompt, l.MaxResponse, l.Temperature)
}

// An Outcome is one group of rollouts of one sample, with their unshaped rewards. Groups that
// the optimizer throws away (zero variance) belong in the history too, or every estimate of
// it is biased.
type Outcome struct {
	Identity
	Phase    int32  // the phase that was trained, from 1; 0: none, such as a measurement before training
	Policy   string // version of the weights. Example: "qwen3-4b@step-120"; empty: not said
	Limits   Limits
	Judge    string // id of the judge model; empty: the rule alone, or not said
	Rollouts []Rollout
	Time     time.Time // when it was scored; zero: not said. Not part of the content
}

// A Rollout is one response of the policy and its reward.
type Rollout struct {
	Reward         Number // unshaped, in [0, 1]; unknown where the judge failed
	RuleReward     Number // the part of the rule; unknown where not said
	JudgeReward    Number // the part of the judge; unknown where it was not asked or failed
	ResponseLength int32  // tokens; UnknownLength
	StopReason     string // as the engine says it. Example: "stop", "length"; empty: not said
	Response       string // empty: not kept
}

// Validate returns why an outcome cannot be in a history, nil if it can.
func (o *Outcome) Validate() error {
	switch {
	case o.Run == "":
		return errors.New("the run has no name")
	case o.Step < 0:
		return fmt.Errorf("step %d is negative", o.Step)
	case o.Position < UnknownPosition:
		return fmt.Errorf("position %d is negative", o.Position)
	case o.Phase < 0:
		return fmt.Errorf("phase %d is negative", o.Phase)
	case o.Limits.MaxPrompt < 0 || o.Limits.MaxResponse < 0:
		return fmt.Errorf("limits are negative: %v", o.Limits)
	case len(o.Rollouts) == 0:
		return errors.New("the group is empty")
	}
	for _, text := range [...]string{o.Run, o.TrainStage, o.Policy, o.Judge} {
		if !utf8.ValidString(text) {
			return fmt.Errorf("%q is not UTF-8", text)
		}
	}
	if t := o.Limits.Temperature; t.Known && !(t.Value >= 0 && t.Value < 1e6) {
		return fmt.Errorf("temperature %v is not one", t)
	}
	for i := range o.Rollouts {
		if err := o.Rollouts[i].validate(); err != nil {
			return fmt.Errorf("rollout %d: %w", i, err)
		}
	}
	return nil
}

func (r *Rollout) validate() error {
	for _, n := range [...]struct {
		name string
		Number
	}{{"reward", r.Reward}, {"rule_reward", r.RuleReward}, {"judge_reward", r.JudgeReward}} {
		if n.Known && !(n.Value >= 0 && n.Value <= 1) {
			return fmt.Errorf("%s %v is outside [0, 1]", n.name, n.Number)
		}
	}
	if r.ResponseLength < UnknownLength {
		return fmt.Errorf("response_length %d is negative", r.ResponseLength)
	}
	if !utf8.ValidString(r.StopReason) || !utf8.ValidString(r.Response) {
		return errors.New("stop reason or response is not UTF-8")
	}
	return nil
}
