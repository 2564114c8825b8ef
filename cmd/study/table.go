package main

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
)

// student holds the 97.5% quantile of Student's t with 1, 2, .. degrees of freedom; the last is for
// all beyond, a little too wide.
var student = []float64{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093}

// An interval is a mean over seeds with its 95% interval by Student's t.
type interval struct {
	Mean, Half float64
	N          int
}

// MarshalJSON writes mean, lower and upper.
func (i interval) MarshalJSON() ([]byte, error) {
	if i.N == 0 {
		return []byte("null"), nil
	}
	return json.Marshal(map[string]any{"mean": i.Mean, "lower": i.Mean - i.Half, "upper": i.Mean + i.Half, "n": i.N})
}

func (i interval) String() string {
	switch {
	case i.N == 0:
		return "-"
	case i.N == 1:
		return fmt.Sprintf("%.3f", i.Mean)
	}
	return fmt.Sprintf("%.3f ± %.3f", i.Mean, i.Half)
}

// signed writes a difference.
func (i interval) signed() string {
	if i.N < 2 {
		return "-"
	}
	mark := ""
	if math.Abs(i.Mean) > i.Half {
		mark = " *"
	}
	return fmt.Sprintf("%+.3f ± %.3f%s", i.Mean, i.Half, mark)
}

// intervalOf leaves out what is not known.
func intervalOf(values []float64) interval {
	var known []float64
	for _, v := range values {
		if !math.IsNaN(v) {
			known = append(known, v)
		}
	}
	n := float64(len(known))
	i := interval{N: len(known)}
	for _, v := range known {
		i.Mean += v / n
	}
	if len(known) < 2 {
		return i
	}
	squares := 0.0
	for _, v := range known {
		squares += (v - i.Mean) * (v - i.Mean)
	}
	i.Half = student[min(len(known)-2, len(student)-1)] * math.Sqrt(squares/(n-1)/n)
	return i
}

// A summary is one line of the table.
type summary struct {
	Arm        string           `json:"arm"`
	About      string           `json:"about"`
	Final      [phases]interval `json:"pass_at_1"`
	Difference interval         `json:"difference"` // to the first arm, on the last phase, seed by seed
	ToGoal     interval         `json:"steps_to_goal"`
	Reached    int              `json:"runs_that_reached_the_goal"`
	Entropy    interval         `json:"last_entropy"`
	Waste      interval         `json:"zero_variance_share"`
	Rollouts   interval         `json:"rollouts"`
}

func summarize(chosen []arm, all map[string][]*result) (out []summary) {
	base := all[chosen[0].Name]
	for _, a := range chosen {
		runs := all[a.Name]
		of := func(f func(*result) float64) interval {
			values := make([]float64, len(runs))
			for i, r := range runs {
				values[i] = f(r)
			}
			return intervalOf(values)
		}
		s := summary{Arm: a.Name, About: a.About}
		for p := range phases {
			s.Final[p] = of(func(r *result) float64 { return r.Final[p] })
		}
		if a.Name != chosen[0].Name {
			s.Difference = of(func(r *result) float64 { return r.Final[phases-1] - base[r.Seed-1].Final[phases-1] })
		}
		s.ToGoal = of(func(r *result) float64 {
			if r.ToGoal == nil {
				return math.NaN()
			}
			return float64(*r.ToGoal)
		})
		s.Reached = s.ToGoal.N
		s.Entropy = of(func(r *result) float64 { return r.Entropy })
		s.Waste = of(func(r *result) float64 { return r.Waste })
		s.Rollouts = of(func(r *result) float64 { return float64(r.Rollouts) })
		out = append(out, s)
	}
	return out
}

// table writes the results for a README.
func table(chosen []arm, all map[string][]*result, seeds int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Pass@1 on held-out documents, %d seeds, mean ± half of the 95%% interval (Student's t). The difference is to `%s`, on phase 2, seed by seed; * where its interval leaves out 0.\n\n", seeds, chosen[0].Name)
	fmt.Fprintf(&b, "| arm | what | phase 1 | phase 2 | difference | steps to %.1f | last entropy | no signal |\n|---|---|---|---|---|---|---|---|\n", goal)
	for _, s := range summarize(chosen, all) {
		to := fmt.Sprintf("%.0f (%d of %d)", s.ToGoal.Mean, s.Reached, seeds)
		if s.Reached == 0 {
			to = "never"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s | %.0f%% |\n", s.Arm, s.About, s.Final[0], s.Final[1], s.Difference.signed(), to, s.Entropy, 100*s.Waste.Mean)
	}
	return b.String()
}
