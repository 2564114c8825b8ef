package audit

import (
	"encoding/json"
	"math"
	"strconv"

	"github.com/longctx/pipeline/sample/history"
)

// A Value is a number that may be unknown: NaN.
type Value float64

// Unknown is not 0.
var Unknown = Value(math.NaN())

// Known reports whether there is a number.
func (v Value) Known() bool { return !math.IsNaN(float64(v)) }

// String returns the number with six digits at most, or "unknown".
func (v Value) String() string {
	if !v.Known() {
		return "unknown"
	}
	return strconv.FormatFloat(float64(v), 'g', 6, 64)
}

// MarshalJSON writes the number with six digits, or null.
func (v Value) MarshalJSON() ([]byte, error) {
	if !v.Known() || math.IsInf(float64(v), 0) {
		return []byte("null"), nil
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', 6, 64), 64)
	if err != nil {
		return nil, err
	}
	return json.Marshal(rounded)
}

// share returns n of total, unknown of nothing.
func share(n, total int64) Value {
	if total == 0 {
		return Unknown
	}
	return Value(float64(n) / float64(total))
}

// An Estimate is a mean reward with its 95% Wilson interval. N says what the interval is made
// of: rollouts where the estimate is one sample's, groups where it is one step's, samples where
// it is that of a set of samples. The last two are conservative: a mean of rewards varies less
// than one reward.
type Estimate struct {
	Mean  Value `json:"mean"`
	Lower Value `json:"lower"`
	Upper Value `json:"upper"`
	N     int64 `json:"n"`
}

// estimateOf returns the mean of n rewards, or of n means, from their sum.
func estimateOf(sum float64, n int64) Estimate {
	if n == 0 {
		return Estimate{Unknown, Unknown, Unknown, 0}
	}
	lower, upper := history.Wilson(sum, float64(n))
	return Estimate{Value(sum / float64(n)), Value(lower), Value(upper), n}
}

// A Change is the difference of two estimates with its 95% interval (Newcombe 1998, method 10,
// from the two Wilson intervals).
type Change struct {
	From  Estimate `json:"from"`
	To    Estimate `json:"to"`
	By    Value    `json:"by"`
	Lower Value    `json:"lower"`
	Upper Value    `json:"upper"`
}

func changeOf(from, to Estimate) Change {
	c := Change{from, to, Unknown, Unknown, Unknown}
	if from.N == 0 || to.N == 0 {
		return c
	}
	by := float64(to.Mean - from.Mean)
	down := math.Hypot(float64(to.Mean-to.Lower), float64(from.Upper-from.Mean))
	up := math.Hypot(float64(to.Upper-to.Mean), float64(from.Mean-from.Lower))
	c.By, c.Lower, c.Upper = Value(by), Value(max(by-down, -1)), Value(min(by+up, 1))
	return c
}

// clear returns how far the interval stays away from no change: over 0 where it rose, under 0
// where it fell, 0 where it holds 0 or nothing is known.
func (c Change) clear() float64 {
	switch {
	case c.Lower > 0:
		return float64(c.Lower)
	case c.Upper < 0:
		return float64(c.Upper)
	}
	return 0
}

// Rose and Fell report whether the whole interval lies on one side of no change.
func (c Change) Rose() bool { return c.clear() > 0 }

// Fell is the other side of Rose.
func (c Change) Fell() bool { return c.clear() < 0 }
