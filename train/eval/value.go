package eval

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
)

// A Value is a number that may be unknown: NaN, and null in JSON.
type Value float64

// Unknown is not 0.
var Unknown = Value(math.NaN())

// Known reports whether there is a number.
func (v Value) Known() bool { return !math.IsNaN(float64(v)) }

// MarshalJSON writes the number with six digits, or null.
func (v Value) MarshalJSON() ([]byte, error) {
	if !v.Known() || math.IsInf(float64(v), 0) {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, float64(v), 'g', 6, 64), nil
}

// UnmarshalJSON reads a number or null.
func (v *Value) UnmarshalJSON(data []byte) error {
	*v = Unknown
	if string(data) == "null" {
		return nil
	}
	var f float64
	err := json.Unmarshal(data, &f)
	if err == nil {
		*v = Value(f)
	}
	return err
}

// An Estimate is a mean over samples with its 95% interval.
type Estimate struct {
	Mean    Value `json:"mean"`
	Lower   Value `json:"lower"`
	Upper   Value `json:"upper"`
	Samples int64 `json:"samples"` // that the mean is of
}

var noEstimate = Estimate{Mean: Unknown, Lower: Unknown, Upper: Unknown}

// sortedKeys returns the keys of both maps.
func sortedKeys[V any](a, b map[string]V) []string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

func sortedSteps[V any](m map[int64]V) []int64 { return slices.Sorted(maps.Keys(m)) }
