package curriculum

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/longctx/pipeline/dataset/faultfs"
	"github.com/longctx/pipeline/sample/history"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

func TestWithoutHistoryAllIsUniformAndNothingHasMeanZero(t *testing.T) {
	table := testTable(30, 20)
	c := DefaultConfig(2)
	c.Retrospective = NameZeroMean
	s := whole(t, table, c, learn(t, table, c))
	want := []Count{{OriginPhase: 2, Reason: "uniform", Samples: 20}}
	if diff := cmp.Diff(want, s.Account.Drawn); diff != "" {
		t.Error(diff)
	}
	want = []Count{{OriginPhase: 1, Gate: "zero_mean", Reason: "unvisited: unknown is not zero", Samples: 30}}
	if diff := cmp.Diff(want, s.Account.Refused); diff != "" {
		t.Error(diff)
	}
	if s.Account.Outcomes != 0 || s.Account.Unvisited != 20 {
		t.Errorf("%d outcomes, %d unvisited", s.Account.Outcomes, s.Account.Unvisited)
	}
}

func TestZeroMeanTakesExactlyTheSamplesThatFailedInTheLastPhase(t *testing.T) {
	table := testTable(4, 2)
	ids := func(n ...int) (out []string) {
		for _, i := range n {
			out = append(out, testID(i).String())
		}
		slices.Sort(out)
		return out
	}
	c := DefaultConfig(2)
	c.Retrospective = NameZeroMean
	k := learn(t, table, c,
		outcome(testID(0), 1, 1, 0, 8), // failed
		outcome(testID(1), 1, 1, 1, 8), // did not
		outcome(testID(2), 0, 0, 3, 8), // failed in phase 1, not at the start
		outcome(testID(2), 1, 2, 0, 8),
		outcome(testID(4), 2, 9, 0, 8), // a visit of this phase is not of the last one
	)
	s := whole(t, table, c, k)
	var drawn []string
	for _, e := range entries(s) {
		if e.OriginPhase == 1 {
			drawn = append(drawn, e.SampleID)
			if e.Estimate == nil || *e.Estimate != 0 || *e.Lower != 0 || *e.Upper < 0.32 || *e.Upper > 0.33 || e.Rollouts != 8 {
				t.Errorf("evidence of %s: %v", e.SampleID, e)
			}
		} else if e.Estimate != nil {
			t.Errorf("sample %s of this phase has an estimate", e.SampleID)
		}
	}
	slices.Sort(drawn)
	if diff := cmp.Diff(ids(0, 2), drawn); diff != "" {
		t.Error(diff)
	}
	reasons := map[string]string{}
	for _, r := range refusals(s) {
		reasons[r.SampleID] = r.Gate + ": " + r.Reason
	}
	want := map[string]string{
		testID(1).String(): "zero_mean: its mean is not 0",
		testID(3).String(): "zero_mean: unvisited: unknown is not zero",
	}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Error(diff)
	}
}

func TestTheSourceDecidesWhichVisitsCount(t *testing.T) {
	table := testTable(1, 1)
	outcomes := []history.Outcome{
		outcome(testID(0), 0, 0, 0, 8), outcome(testID(0), 1, 1, 4, 8), outcome(testID(0), 1, 2, 8, 8), outcome(testID(0), 2, 3, 0, 8),
	}
	for source, want := range map[string]float64{SourceStart: 0, SourceLastPhase: 0.75} {
		c := DefaultConfig(2)
		c.Source = source
		k := learn(t, table, c, outcomes...)
		candidate := k.candidate(&table.Samples[0], k.find(table.Samples[0].ID))
		if mean, known := candidate.Mean(); !known || mean != want {
			t.Errorf("%s: mean %v, want %v", source, mean, want)
		}
	}
	c := DefaultConfig(2)
	c.Source = SourceRunning
	k := learn(t, table, c, outcomes...)
	candidate := k.candidate(&table.Samples[0], k.find(table.Samples[0].ID))
	if mean, _ := candidate.Mean(); mean != 12.0/32 {
		t.Errorf("running: mean of all rewards %v", mean)
	}
	if e, lower, upper, _ := k.estimate(&candidate); !(lower < e && e < upper && e < 12.0/32) {
		t.Errorf("running: estimate %v in [%v, %v] does not follow the last failure", e, lower, upper)
	}
}

func TestMeasurementsAreNotMixedUnlessAsked(t *testing.T) {
	table := testTable(2, 1)
	other := outcome(testID(1), 1, 1, 0, 8)
	other.Limits.MaxResponse = 500
	snap := snapshotOf(t, outcome(testID(0), 1, 1, 0, 8), other)
	c := DefaultConfig(2)
	if _, err := Learn(context.Background(), snap, table, c); !errors.Is(err, history.ErrMixed) {
		t.Errorf("%v; want ErrMixed", err)
	}
	c.Mix = MixSamples
	if _, err := Learn(context.Background(), snap, table, c); err != nil {
		t.Error(err)
	}
}

func TestTheRetrospectiveShareIsWhatWasAskedAndSpreadEvenly(t *testing.T) {
	table := testTable(200, 100)
	for want, change := range map[int]func(*Config){
		30:  func(c *Config) { c.Count = 30 },
		25:  func(c *Config) { c.Ratio = 0.25 },
		200: func(c *Config) {},
	} {
		c := DefaultConfig(2)
		c.Retrospective = NameUniform
		change(&c)
		s := whole(t, table, c, learn(t, table, c))
		total, seen := s.Len(), 0
		for i, e := range entries(s) {
			if e.OriginPhase == 1 {
				seen++
			}
			if even := float64(i+1) * float64(want) / float64(total); float64(seen) < even-1 || float64(seen) > even+1 {
				t.Fatalf("%d retrospective samples among the first %d, %v would be even", seen, i+1, even)
			}
		}
		if seen != want || total != want+100 {
			t.Errorf("%d retrospective samples of %d, want %d", seen, total, want)
		}
	}
}

func TestBalancedBatchesHoldTheTasksAlike(t *testing.T) {
	table := testTable(0, 90)
	for i := range table.Samples { // 60, 20 and 10
		table.Samples[i].Task = int32(max(0, i/10-6+1)+1) / 2
		table.Samples[i].Task = []int32{0, 0, 0, 0, 0, 0, 1, 1, 2}[i/10]
	}
	c := DefaultConfig(2)
	c.BalanceTasks, c.Batch, c.Epochs = true, 6, 2
	s := whole(t, table, c, learn(t, table, c))
	row := map[int32]int32{}
	for i := range table.Samples {
		row[table.Samples[i].Row] = table.Samples[i].Task
	}
	for batch := range 5 {
		var tasks [3]int
		for i := range 6 {
			tasks[row[s.Entry(6*batch+i).Row]]++
		}
		if tasks != [3]int{2, 2, 2} {
			t.Errorf("batch %d has %v of each task", batch, tasks)
		}
	}
	if s.Len() != 180 {
		t.Errorf("%d positions", s.Len())
	}
}

// randomConfig draws a config, and whether it reacts.
func randomConfig(t *rapid.T) Config {
	c := DefaultConfig(rapid.Int32Range(1, 3).Draw(t, "phase"))
	c.Strategy = rapid.SampledFrom(Strategies()).Draw(t, "strategy")
	if c.Phase > 1 && rapid.Bool().Draw(t, "retrospective") {
		c.Retrospective = rapid.SampledFrom(Strategies()).Draw(t, "retrospective strategy")
		if rapid.Bool().Draw(t, "by ratio") {
			c.Ratio = rapid.Float64Range(0, 1).Draw(t, "ratio")
		} else {
			c.Count = rapid.Int64Range(0, 20).Draw(t, "count")
		}
	}
	for _, g := range Gates() {
		if rapid.Bool().Draw(t, g) {
			c.Gates = append(c.Gates, g)
		}
	}
	c.Draw = rapid.Int64Range(0, 30).Draw(t, "draw")
	c.Source = rapid.SampledFrom([]string{SourceLastPhase, SourceStart, SourceRunning}).Draw(t, "source")
	c.Epochs = rapid.Int32Range(1, 3).Draw(t, "epochs")
	c.Seed = rapid.Uint64().Draw(t, "seed")
	c.BalanceTasks, c.Batch = rapid.Bool().Draw(t, "balance"), 4
	return c
}

func TestEverySampleInReachIsDrawnOnceOrRefusedOnceInEachEpoch(t *testing.T) {
	table := testTable(40, 30, 20)
	snap := snapshotOf(t, randomHistory(table, 4, 1)...)
	rapid.Check(t, func(rt *rapid.T) {
		c := randomConfig(rt)
		k, err := Learn(context.Background(), snap, table, c)
		if err != nil {
			rt.Fatal(err)
		}
		s := whole(t, table, c, k)
		seen := map[string]int{}
		for i, e := range entries(s) {
			seen[fmt.Sprint(e.Epoch, e.SampleID)]++
			if e.Position != int64(i) || !(e.Weight > 0) || e.Reason == "" {
				rt.Fatalf("position %d: %+v", i, e)
			}
			if e.OriginPhase > c.Phase || e.OriginPhase < c.Phase && c.Retrospective == "" {
				rt.Fatalf("a sample of phase %d is in the plan of phase %d", e.OriginPhase, c.Phase)
			}
		}
		for _, r := range refusals(s) {
			seen[fmt.Sprint(r.Epoch, r.SampleID)]++
			if r.Gate == "" || r.Reason == "" {
				rt.Fatalf("refused without a reason: %+v", r)
			}
		}
		reach := 0
		for i := range table.Samples {
			p := table.Samples[i].Phase
			if p == c.Phase || p < c.Phase && c.Retrospective != "" {
				reach++
			}
		}
		if len(seen) != reach*int(c.Epochs) {
			rt.Fatalf("%d samples are drawn or refused, %d are in reach of %d epochs", len(seen), reach, c.Epochs)
		}
		for key, n := range seen {
			if n != 1 {
				rt.Fatalf("%s is drawn or refused %d times", key, n)
			}
		}
	})
}

func TestGatesNeverPassWhatTheyName(t *testing.T) {
	table := testTable(60, 60)
	snap := snapshotOf(t, randomHistory(table, 5, 2)...)
	rapid.Check(t, func(rt *rapid.T) {
		c := randomConfig(rt)
		above := rapid.Float64Range(0, 1).Draw(rt, "above")
		visits := rapid.IntRange(1, 5).Draw(rt, "visits")
		c.Phase = 2
		gate := rapid.IntRange(0, 2).Draw(rt, "gate")
		c.Gates = []string{[]string{fmt.Sprintf("drop_solved=%v", above), fmt.Sprintf("quarantine_unlearnable=%d", visits), "skip_zero_variance=1"}[gate]}
		k, err := Learn(context.Background(), snap, table, c)
		if err != nil {
			rt.Fatal(err)
		}
		for _, e := range entries(whole(t, table, c, k)) {
			id, _ := history.ParseSampleID(e.SampleID)
			if s := k.Known(id); gate == 0 && s != nil && s.Known > 0 && s.Mean() > above {
				rt.Fatalf("%s has mean %v, over %v", id, s.Mean(), above)
			}
			of := k.Lifetime
			if of == nil {
				of = k.Known
			}
			if s := of(id); s != nil && (gate == 1 && int(s.KnownVisits) >= visits && s.Successes == 0 || gate == 2 && s.ZeroStreak > 0) {
				rt.Fatalf("%s: %d visits, %d successes, %d groups without signal", id, s.KnownVisits, s.Successes, s.ZeroStreak)
			}
		}
	})
}

func TestTheOrderDoesNotDependOnTheOrderOfReading(t *testing.T) {
	table := testTable(50, 40)
	snap := snapshotOf(t, randomHistory(table, 4, 3)...)
	rapid.Check(t, func(rt *rapid.T) {
		c := randomConfig(rt)
		c.Phase = min(c.Phase, 2)
		shuffled := *table
		shuffled.Samples = slices.Clone(table.Samples)
		rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "shuffle"), 0)).Shuffle(len(shuffled.Samples), func(i, j int) {
			shuffled.Samples[i], shuffled.Samples[j] = shuffled.Samples[j], shuffled.Samples[i]
		})
		var got [2][]Entry
		for i, tb := range []*Table{table, &shuffled} {
			k, err := Learn(context.Background(), snap, tb, c)
			if err != nil {
				rt.Fatal(err)
			}
			got[i] = entries(whole(t, tb, c, k))
		}
		if diff := cmp.Diff(got[0], got[1]); diff != "" {
			rt.Fatal(diff)
		}
	})
}

func TestSegmentsOfOneSnapshotAreTheWholePlan(t *testing.T) {
	table := testTable(40, 30)
	snap := snapshotOf(t, randomHistory(table, 4, 4)...)
	rapid.Check(t, func(rt *rapid.T) {
		c := randomConfig(rt)
		c.Phase, c.BalanceTasks = min(c.Phase, 2), false
		k, err := Learn(context.Background(), snap, table, c)
		if err != nil {
			rt.Fatal(err)
		}
		want := entries(whole(t, table, c, k))
		p, err := New(table, c)
		if err != nil {
			rt.Fatal(err)
		}
		var got []Entry
		for !p.Done() {
			s, err := p.Next(context.Background(), k, rapid.Int64Range(1, 25).Draw(rt, "positions"))
			if err != nil {
				rt.Fatal(err)
			}
			got = append(got, entries(s)...)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatal(diff)
		}
	})
}

// grow runs a phase by segments: after each, its samples are visited and the history grows. It
// stops and resumes before the segments that stop names.
func grow(t *testing.T, table *Table, c Config, n int64, stop map[int]bool) []Entry {
	t.Helper()
	ctx := context.Background()
	fsys := faultfs.New()
	store, err := history.Open(fsys, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Append(ctx, randomHistory(table, 3, 5)); err != nil {
		t.Fatal(err)
	}
	p, err := New(table, c)
	if err != nil {
		t.Fatal(err)
	}
	for segment := 0; !p.Done(); segment++ {
		if stop[segment] && segment > 0 {
			plan, err := Open(fsys, "plan.parquet")
			if err != nil {
				t.Fatal(err)
			}
			if p, err = Resume(table, plan); err != nil {
				t.Fatal(err)
			}
		}
		snap, err := history.Read(fsys)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Follow(ctx, snap); err != nil {
			t.Fatal(err)
		}
		k, err := Learn(ctx, snap, table, c)
		if err != nil {
			t.Fatal(err)
		}
		s, err := p.Next(ctx, k, n)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Write(fsys, "plan.parquet"); err != nil {
			t.Fatal(err)
		}
		var outcomes []history.Outcome
		for _, e := range entries(s) {
			id, _ := history.ParseSampleID(e.SampleID)
			right := int(newRandom(9, e.Epoch).bits(id, 99) % 9)
			o := outcome(id, c.Phase, 1000+int64(segment), right, 8)
			o.Position = e.Position
			outcomes = append(outcomes, o)
		}
		if _, err := store.Append(ctx, outcomes); err != nil {
			t.Fatal(err)
		}
	}
	plan, err := Open(fsys, "plan.parquet")
	if err != nil {
		t.Fatal(err)
	}
	var all []Entry
	for rows, err := range plan.Entries(0) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, slices.Clone(rows)...)
	}
	return all
}

func TestAResumedPlanIsOneThatNeverStopped(t *testing.T) {
	// A run of a phase writes many files: few configs, chosen as rapid does.
	table := testTable(20, 16)
	for seed := range 24 {
		c := rapid.Custom(randomConfig).Example(seed)
		c.Phase, c.Source = min(c.Phase, 2), SourceRunning
		if seed%3 == 0 {
			c.Strategy = NameTarget
		}
		n, stop := int64(4+4*(seed%4)), map[int]bool{}
		for i := range 24 {
			stop[i] = (seed+i)%2 == 0
		}
		want, got := grow(t, table, c, n, nil), grow(t, table, c, n, stop)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%+v: %s", c, diff)
		}
	}
}
