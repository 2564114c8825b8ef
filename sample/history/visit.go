package history

import (
	"cmp"
	"math"
)

// SuccessReward is the least reward of a rollout that counts as a success. Binary rewards are
// counted exactly; a fractional one is rounded. Evidence counts (Summary.Alpha, Beta) use the
// reward itself instead.
const SuccessReward = 0.5

// A Measurement is what an estimate of difficulty was measured under. The policy's family is
// its run: within one run the policy evolves and its versions are not told apart.
type Measurement struct {
	Run    string
	Limits Limits
	Judge  string
}

// A Setting is what the outcomes of a stretch of a run have in common.
type Setting struct {
	Measurement
	TrainStage string
	Policy     string
}

// A Visit is an outcome without its rollouts: the counts that estimates are made of.
type Visit struct {
	SampleID     SampleID
	Setting      *Setting // shared by many visits
	Phase        int32
	Step         int64
	Position     int64
	Sequence     int64   // number of the commit that recorded it
	Known        int32   // rollouts with a known reward
	Unknown      int32   // rollouts without
	Successes    int32   // rewards of at least SuccessReward
	Sum, Squares float64 // of the known rewards
	ZeroVariance bool    // two known rewards or more, all equal: no signal
}

// Mean returns the mean of the known rewards; NaN without any.
func (v *Visit) Mean() float64 {
	if v.Known == 0 {
		return math.NaN()
	}
	return v.Sum / float64(v.Known)
}

// compareOrder orders visits as training did: phase, step, plan position, commit.
func compareOrder(a, b Visit) int {
	return cmp.Or(
		cmp.Compare(a.Phase, b.Phase), cmp.Compare(a.Step, b.Step),
		cmp.Compare(a.Position, b.Position), cmp.Compare(a.Sequence, b.Sequence),
	)
}

// visitOf counts the rollouts of an outcome.
func visitOf(o *Outcome) Visit {
	v := Visit{SampleID: o.SampleID, Phase: o.Phase, Step: o.Step, Position: o.Position}
	low, high := float32(2), float32(-1)
	for i := range o.Rollouts {
		r := o.Rollouts[i].Reward
		if !r.Known {
			v.Unknown++
			continue
		}
		v.Known++
		v.Sum += float64(r.Value)
		v.Squares += float64(r.Value) * float64(r.Value)
		if r.Value >= SuccessReward {
			v.Successes++
		}
		low, high = min(low, r.Value), max(high, r.Value)
	}
	v.ZeroVariance = v.Known >= 2 && low == high
	return v
}
