package eval

import (
	"cmp"
	"math"
	"slices"

	"github.com/longctx/pipeline/sample/history"
)

// PassAtK returns the unbiased estimate 1 - C(n-c, k)/C(n, k) of the chance that at least one of
// k responses is right, from c right ones of n (Codex, arXiv 2107.03374 eq. 1); NaN where k > n.
// It multiplies ratios near 1 instead of dividing binomials, which overflow.
func PassAtK(n, c, k int) float64 {
	switch {
	case k < 1 || k > n || c < 0 || c > n:
		return math.NaN()
	case n-c < k:
		return 1
	}
	wrong := 1.0
	for i := n - c + 1; i <= n; i++ {
		wrong *= 1 - float64(k)/float64(i)
	}
	return 1 - wrong
}

// Ks returns the k for which pass@k is reported: 1, 2, 4, ... and n itself.
func Ks(n int) []int {
	var ks []int
	for k := 1; k < n; k *= 2 {
		ks = append(ks, k)
	}
	return append(ks, n)
}

// A Group is what is known of the responses to one sample.
type Group struct {
	SampleID  string
	Benchmark string // data_source
	Step      int64  // of the checkpoint, where the responses say; else 0
	Responses int
	Known     int     // responses with a reward
	Right     int     // rewards of at least history.SuccessReward
	Sum       float64 // of the known rewards
	Overlong  int     // stopped by the limit
	JudgeOnly int     // right by the judge, wrong by the rule
	Truncated int     // asked with a context that was cut
	Missing   int     // responses that were to be asked and are not there
	Refused   string  // why the sample could not be asked; empty: it could
	Lengths   []int32 // of the responses whose length is known
}

// Mean returns the mean of the known rewards (avg@n); NaN without any.
func (g *Group) Mean() float64 {
	if g.Known == 0 {
		return math.NaN()
	}
	return g.Sum / float64(g.Known)
}

// add counts one response.
func (g *Group) add(r *Rollout) {
	g.Responses++
	if r.StopReason == stopLength {
		g.Overlong++
	}
	if r.Truncated {
		g.Truncated++
	}
	if r.ResponseLength != nil {
		g.Lengths = append(g.Lengths, *r.ResponseLength)
	}
	if r.Reward == nil {
		return
	}
	g.Known++
	g.Sum += float64(*r.Reward)
	if *r.Reward < history.SuccessReward {
		return
	}
	g.Right++
	if r.RuleReward != nil && *r.RuleReward < history.SuccessReward && r.JudgeReward != nil && *r.JudgeReward >= history.SuccessReward {
		g.JudgeOnly++
	}
}

// stopLength is the finish_reason of a response that met its limit.
const stopLength = "length"

// Lengths are the lengths of responses, in tokens.
type Lengths struct {
	Known  int64 `json:"known"` // responses whose length is known
	Mean   Value `json:"mean"`
	Median Value `json:"median"`
	P90    Value `json:"p90"`
	Max    Value `json:"max"`
}

func lengthsOf(groups []*Group) Lengths {
	var all []int32
	for _, g := range groups {
		all = append(all, g.Lengths...)
	}
	if len(all) == 0 {
		return Lengths{0, Unknown, Unknown, Unknown, Unknown}
	}
	slices.Sort(all)
	sum := 0.0
	for _, n := range all {
		sum += float64(n)
	}
	return Lengths{
		int64(len(all)), Value(sum / float64(len(all))),
		Value(quantile(all, 0.5)), Value(quantile(all, 0.9)), Value(all[len(all)-1]),
	}
}

// quantile returns a quantile of sorted values, interpolated between neighbours (type 7, the
// default of R and NumPy).
func quantile[T cmp.Ordered](sorted []T, q float64) float64 {
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return number(sorted[low]) + (at-float64(low))*(number(sorted[high])-number(sorted[low]))
}

func number[T cmp.Ordered](v T) float64 {
	switch v := any(v).(type) {
	case int32:
		return float64(v)
	case float64:
		return v
	}
	return math.NaN()
}
