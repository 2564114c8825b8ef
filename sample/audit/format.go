package audit

import (
	"fmt"

	"github.com/dustin/go-humanize"
)

// comma writes a count with thousands separators.
func comma(n int64) string { return humanize.Comma(n) }

// Percent writes a share as a person reads it: 0.4 %, 12 %, unknown.
func (v Value) Percent() string {
	p := 100 * float64(v)
	switch {
	case !v.Known():
		return "unknown"
	case p == 0 || p == 100:
		return fmt.Sprintf("%.0f %%", p)
	case p < 0.1:
		return "< 0.1 %"
	case p > 99.9:
		return "> 99.9 %"
	case p < 10 || p > 99:
		return fmt.Sprintf("%.1f %%", p)
	}
	return fmt.Sprintf("%.0f %%", p)
}

// Short writes a reward with two digits, or "unknown".
func (v Value) Short() string {
	if !v.Known() {
		return "unknown"
	}
	return fmt.Sprintf("%.2f", float64(v))
}

// Signed writes a change with two digits and its sign, if it has one, or "unknown".
func (v Value) Signed() string {
	if !v.Known() {
		return "unknown"
	}
	if v > -0.005 && v < 0.005 {
		return "0.00"
	}
	return fmt.Sprintf("%+.2f", float64(v))
}

// String writes an estimate with its interval: "0.31 [0.28, 0.34]".
func (e Estimate) String() string {
	if e.N == 0 {
		return "unknown"
	}
	return fmt.Sprintf("%.2f [%.2f, %.2f]", float64(e.Mean), float64(e.Lower), float64(e.Upper))
}

// plural writes a count with its noun.
func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return comma(n) + " " + many
}
