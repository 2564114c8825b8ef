package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A Size is a number of bytes. Example: "64MiB"
type Size int64

var sizeUnits = []struct {
	name string
	n    Size
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"B", 1}, {"", 1}}

// UnmarshalText reads a number with a unit of sizeUnits.
func (s *Size) UnmarshalText(text []byte) error {
	for _, u := range sizeUnits {
		number, ok := strings.CutSuffix(strings.TrimSpace(string(text)), u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(n > 0) || n*float64(u.n) > 1<<62 {
			break
		}
		*s = Size(n * float64(u.n))
		return nil
	}
	return fmt.Errorf("%q is not a size such as 64MiB", text)
}

// MarshalText writes the largest unit that divides the size.
func (s Size) MarshalText() ([]byte, error) {
	for _, u := range []int{3, 2, 1, 0} {
		if unit := sizeUnits[u]; s >= unit.n && s%unit.n == 0 {
			return fmt.Appendf(nil, "%d%s", s/unit.n, unit.name), nil
		}
	}
	return fmt.Appendf(nil, "%dB", int64(s)), nil
}

// A Share is a part of a whole, in [0, 1]. Example: "1%"
type Share float64

// UnmarshalText reads "1%" or "0.01".
func (s *Share) UnmarshalText(text []byte) error {
	number, percent := strings.CutSuffix(strings.TrimSpace(string(text)), "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		f /= 100
	}
	if err != nil || !(f >= 0 && f <= 1) {
		return fmt.Errorf("%q is not a share such as 1%%", text)
	}
	*s = Share(f)
	return nil
}

// MarshalText writes a percentage.
func (s Share) MarshalText() ([]byte, error) {
	return append(strconv.AppendFloat(nil, float64(s)*100, 'g', 12, 64), '%'), nil
}

// Names is a list of words or file names. As a flag: "question,answer"
type Names []string

// UnmarshalText reads names with commas between them.
func (n *Names) UnmarshalText(text []byte) error {
	*n = nil
	for part := range strings.SplitSeq(string(text), ",") {
		if part = strings.TrimSpace(part); part != "" {
			*n = append(*n, part)
		}
	}
	return nil
}

func (n Names) String() string { return strings.Join(n, ",") }

// Lengths is a list of lengths in tokens. As a flag: "20000,60000"
type Lengths []int32

// UnmarshalText reads numbers with commas between them; K means a thousand.
func (l *Lengths) UnmarshalText(text []byte) error {
	var out Lengths
	for part := range strings.SplitSeq(string(text), ",") {
		part = strings.ReplaceAll(strings.TrimSpace(part), "_", "")
		number, thousands := strings.CutSuffix(strings.ToUpper(part), "K")
		n, err := strconv.ParseInt(number, 10, 32)
		if thousands {
			n *= 1000
		}
		if err != nil || n > 1<<31-1 {
			return fmt.Errorf("%q is not a length in tokens, such as 20000", part)
		}
		out = append(out, int32(n))
	}
	*l = out
	return nil
}

func (l Lengths) String() string {
	parts := make([]string, len(l))
	for i, n := range l {
		parts[i] = strconv.Itoa(int(n))
	}
	return strings.Join(parts, ",")
}

// A Decimal is any number that is not negative. Example: "0.7"
type Decimal float64

// UnmarshalText reads a number.
func (d *Decimal) UnmarshalText(text []byte) error {
	f, err := strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
	if err != nil || !(f >= 0) || math.IsInf(f, 0) {
		return fmt.Errorf("%q is not a number such as 0.7", text)
	}
	*d = Decimal(f)
	return nil
}

// MarshalText writes the number.
func (d Decimal) MarshalText() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(d), 'g', -1, 64), nil
}

// A Duration is a length of time. Example: "10m"
type Duration time.Duration

// UnmarshalText reads a number with a unit.
func (d *Duration) UnmarshalText(text []byte) error {
	t, err := time.ParseDuration(strings.TrimSpace(string(text)))
	if err != nil || t <= 0 {
		return fmt.Errorf("%q is not a duration such as 10m", text)
	}
	*d = Duration(t)
	return nil
}

// MarshalText writes the duration with units.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }
