package metrics

import (
	"fmt"
	"math"
)

// An Action is what a guard does when it trips.
type Action string

const (
	Ignore Action = "ignore"
	Warn   Action = "warn"
	Stop   Action = "stop"
)

// Guards watch a run for the ways in which it goes wrong. Their memory is the records that they
// are shown: after a resume, show them the records of the log again.
type Guards struct {
	// NotFinite trips where loss or gradient norm is not a finite number.
	NotFinite Action

	// EntropyCollapse trips where the entropy is below EntropyFloor nats, or below EntropyShare of
	// the mean of the stage's first Window steps.
	EntropyCollapse Action
	EntropyFloor    float64
	EntropyShare    float64

	// KLSpike trips where the KL term is above KLLimit, or above KLFactor times the mean of the last
	// Window steps.
	KLSpike  Action
	KLLimit  float64 // 0: none
	KLFactor float64 // 0: none

	Window int // steps

	stage   string
	entropy []float64 // of the stage's first steps
	kl      []float64 // of the last steps
}

// DefaultGuards stop at what cannot be mended and warn of what may.
func DefaultGuards() Guards {
	return Guards{
		NotFinite:       Stop,
		EntropyCollapse: Warn, EntropyFloor: 0, EntropyShare: 0.1,
		KLSpike: Warn, KLLimit: 0, KLFactor: 10,
		Window: 10,
	}
}

// A Trip is a guard that has tripped.
type Trip struct {
	Guard  string // "not_finite", "entropy_collapse", "kl_spike"
	Action Action
	Step   int64
	Detail string // Example: "entropy 0.081 is under 10% of 2.412, the mean of the first 10 steps"
}

func (t Trip) Error() string { return fmt.Sprintf("step %d: %s: %s", t.Step, t.Guard, t.Detail) }

// Watch takes the record of the next step and returns the guards that trip.
func (g *Guards) Watch(r *Record) (trips []Trip) {
	if r.TrainStage != g.stage {
		g.stage, g.entropy, g.kl = r.TrainStage, nil, nil
	}
	trip := func(guard string, action Action, detail string) {
		if detail != "" && action != Ignore && action != "" {
			trips = append(trips, Trip{guard, action, r.Step, detail})
		}
	}
	trip("not_finite", g.NotFinite, notFinite(r))
	trip("entropy_collapse", g.EntropyCollapse, g.collapsed(r.Entropy))
	trip("kl_spike", g.KLSpike, g.spiked(r.KL))
	return trips
}

func notFinite(r *Record) string {
	for _, n := range []struct {
		name string
		Number
	}{{"loss", r.Loss}, {"gradient norm", r.GradientNorm}} {
		if n.Known && (math.IsNaN(n.Value) || math.IsInf(n.Value, 0)) {
			return fmt.Sprintf("%s is %v", n.name, n.Value)
		}
	}
	return ""
}

func (g *Guards) collapsed(entropy Number) string {
	switch {
	case !entropy.Known:
		return ""
	case entropy.Value < g.EntropyFloor:
		return fmt.Sprintf("entropy %.3g is under %.3g", entropy.Value, g.EntropyFloor)
	case len(g.entropy) < g.Window:
		g.entropy = append(g.entropy, entropy.Value)
	case entropy.Value < g.EntropyShare*mean(g.entropy):
		return fmt.Sprintf("entropy %.3g is under %.3g%% of %.3g, the mean of the first %d steps",
			entropy.Value, 100*g.EntropyShare, mean(g.entropy), g.Window)
	}
	return ""
}

func (g *Guards) spiked(kl Number) (detail string) {
	if !kl.Known {
		return ""
	}
	before := mean(g.kl)
	switch {
	case g.KLLimit > 0 && kl.Value > g.KLLimit:
		detail = fmt.Sprintf("KL %.3g is over %.3g", kl.Value, g.KLLimit)
	case g.KLFactor > 0 && len(g.kl) == g.Window && before > 0 && kl.Value > g.KLFactor*before:
		detail = fmt.Sprintf("KL %.3g is over %.3g times %.3g, the mean of the last %d steps", kl.Value, g.KLFactor, before, g.Window)
	}
	g.kl = append(g.kl, kl.Value)
	if len(g.kl) > g.Window {
		g.kl = g.kl[1:]
	}
	return detail
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(max(1, len(x)))
}
