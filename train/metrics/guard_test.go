package metrics

import (
	"math"
	"testing"
)

func watch(g Guards, records ...Record) (trips []Trip) {
	for i := range records {
		records[i].Step = int64(i)
		trips = append(trips, g.Watch(&records[i])...)
	}
	return trips
}

func entropies(values ...float64) (records []Record) {
	for _, v := range values {
		records = append(records, Record{Entropy: Known(v)})
	}
	return records
}

func TestGuardsTrip(t *testing.T) {
	g := DefaultGuards()
	g.Window = 3
	kl := func(values ...float64) (records []Record) {
		for _, v := range values {
			records = append(records, Record{KL: Known(v)})
		}
		return records
	}
	for _, c := range []struct {
		name    string
		records []Record
		guard   string
		step    int64
		action  Action
	}{
		{"a loss that is no number", []Record{{Loss: Known(1)}, {Loss: Known(math.NaN())}}, "not_finite", 1, Stop},
		{"an infinite gradient", []Record{{GradientNorm: Known(math.Inf(1))}}, "not_finite", 0, Stop},
		{"entropy falls to a twentieth", entropies(2, 2.2, 1.8, 1, 0.1), "entropy_collapse", 4, Warn},
		{"KL leaps", kl(0.01, 0.02, 0.03, 0.5), "kl_spike", 3, Warn},
	} {
		trips := watch(g, c.records...)
		if len(trips) != 1 || trips[0].Guard != c.guard || trips[0].Step != c.step || trips[0].Action != c.action {
			t.Errorf("%s: %+v", c.name, trips)
		}
	}
}

func TestGuardsStayQuiet(t *testing.T) {
	g := DefaultGuards()
	g.Window = 3
	unknown := Record{}
	other := entropies(0.05)[0]
	other.TrainStage = "phase-2" // another stage, another entropy
	quiet := append(entropies(2, 2, 2, 1, 0.5, 0.3), unknown, other)
	if trips := watch(g, quiet...); len(trips) > 0 {
		t.Errorf("tripped: %+v", trips)
	}
	g.EntropyCollapse = Ignore
	if trips := watch(g, entropies(2, 2, 2, 0)...); len(trips) > 0 {
		t.Errorf("an ignored guard tripped: %+v", trips)
	}
}
