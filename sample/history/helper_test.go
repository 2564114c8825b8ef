package history

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/longctx/pipeline/dataset"
)

func sampleID(n int) (id SampleID) {
	r := rand.New(rand.NewPCG(uint64(n), 99))
	for i := range id {
		id[i] = byte(r.Uint32())
	}
	return id
}

// group returns an outcome of sample n at a step, with these rewards; -1 is unknown.
func group(n int, step int64, rewards ...float32) Outcome {
	o := Outcome{
		Identity: Identity{Run: "run", TrainStage: "phase-1", Step: step, Position: UnknownPosition, SampleID: sampleID(n)},
		Phase:    1,
		Policy:   fmt.Sprintf("tiny@step-%d", step),
		Limits:   Limits{20000, 1000, Known(0.7)},
	}
	for _, r := range rewards {
		rollout := Rollout{ResponseLength: UnknownLength}
		if r >= 0 {
			rollout.Reward = Known(r)
		}
		o.Rollouts = append(o.Rollouts, rollout)
	}
	return o
}

func mustOpen(t testing.TB, fsys dataset.FS) *Store {
	t.Helper()
	s, err := Open(fsys, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustAppend(t testing.TB, s *Store, outcomes ...Outcome) Appended {
	t.Helper()
	a, err := s.Append(context.Background(), outcomes)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func outcomesOf(t testing.TB, s *Snapshot, f Filter) []Outcome {
	t.Helper()
	out := []Outcome{}
	for o, err := range s.Outcomes(context.Background(), f) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, *o)
	}
	return out
}

func readAll(t testing.TB, fsys dataset.FS) []Outcome {
	t.Helper()
	s, err := Read(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return outcomesOf(t, s, Filter{})
}

func identities(outcomes []Outcome) []string {
	out := []string{}
	for _, o := range outcomes {
		out = append(out, o.Identity.String())
	}
	slices.Sort(out)
	return out
}

func wantOutcomes(t testing.TB, got, want []Outcome) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(time.Microsecond)); diff != "" {
		t.Fatalf("outcomes differ (-want +got):\n%s", diff)
	}
}
