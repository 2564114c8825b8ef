package curriculum

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/longctx/pipeline/dataset/faultfs"
	"github.com/longctx/pipeline/sample/history"
)

// testID is the id of the n-th sample of a test.
func testID(n int) (id history.SampleID) {
	rng := rand.New(rand.NewPCG(uint64(n), 7))
	for i := range id {
		id[i] = byte(rng.Uint32())
	}
	return id
}

// testTable has so many samples in each phase, three tasks in turn.
func testTable(perPhase ...int) *Table {
	t := &Table{DatasetID: "0123456789abcdef0123456789abcdef", Tasks: []string{"docmath", "musique", ""}}
	n := 0
	for phase, count := range perPhase {
		t.Shards = append(t.Shards, fmt.Sprintf("phases/phase-%d/shard-00000.parquet", phase+1))
		for row := range count {
			t.Samples = append(t.Samples, Sample{testID(n), int32(phase), int32(row), int32(phase + 1), int32(n % 3)})
			n++
		}
	}
	return t
}

// outcome is one group of a sample, so many of its rewards 1.
func outcome(id history.SampleID, phase int32, step int64, right, of int) history.Outcome {
	o := history.Outcome{Identity: history.Identity{Run: "r", TrainStage: "s", Step: step, Position: history.UnknownPosition, SampleID: id}, Phase: phase}
	for i := range of {
		r := history.Rollout{Reward: history.Known(0), ResponseLength: history.UnknownLength}
		if i < right {
			r.Reward = history.Known(1)
		}
		o.Rollouts = append(o.Rollouts, r)
	}
	return o
}

// snapshotOf records outcomes and returns what then is known.
func snapshotOf(t testing.TB, outcomes ...history.Outcome) *history.Snapshot {
	t.Helper()
	fsys := faultfs.New()
	store, err := history.Open(fsys, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(outcomes) > 0 {
		if _, err := store.Append(context.Background(), outcomes); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	snap, err := history.Read(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

// learn is Learn for tests.
func learn(t testing.TB, table *Table, c Config, outcomes ...history.Outcome) *Knowledge {
	t.Helper()
	k, err := Learn(context.Background(), snapshotOf(t, outcomes...), table, c)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// whole draws a plan at once.
func whole(t testing.TB, table *Table, c Config, k *Knowledge) *Segment {
	t.Helper()
	p, err := New(table, c)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.Next(context.Background(), k, 0)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func entries(s *Segment) []Entry {
	var out []Entry
	for i := range s.Len() {
		out = append(out, s.Entry(i))
	}
	return out
}

func refusals(s *Segment) []Refusal {
	var out []Refusal
	for i := range s.Refused() {
		out = append(out, s.Refusal(i))
	}
	return out
}

// randomHistory visits a part of the samples of all phases before the last, with rates of
// their own; a third is hopeless.
func randomHistory(table *Table, visits int, seed uint64) []history.Outcome {
	rng := rand.New(rand.NewPCG(seed, 1))
	var out []history.Outcome
	for i := range table.Samples {
		s := &table.Samples[i]
		rate := rng.Float64() * float64(min(rng.IntN(3), 1))
		for v := range rng.IntN(visits + 1) {
			right := 0
			for range 8 {
				if rng.Float64() < rate {
					right++
				}
			}
			out = append(out, outcome(s.ID, s.Phase, int64(v*100+i%100), right, 8))
		}
	}
	return out
}
