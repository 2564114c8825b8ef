package advantage

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func known(rewards ...float64) (g Group) {
	for _, r := range rewards {
		g.Rollouts = append(g.Rollouts, Rollout{Reward: r, Known: true})
	}
	return g
}

func near(t *testing.T, what string, got []float32, want ...float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d advantages, want %d", what, len(got), len(want))
	}
	for i := range want {
		if math.Abs(float64(got[i])-want[i]) > 2e-6 {
			t.Errorf("%s: advantage %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

// The numbers of this test are worked by hand.
func TestAdvantagesAreThoseWorkedByHand(t *testing.T) {
	// One of four right: mean 1/4, squared deviations 9/16 + 3/16 = 3/4, over N-1 = 1/4, std 1/2.
	one, _ := Compute([]Group{known(1, 0, 0, 0)}, StdGroup)
	near(t, "one of four", one[0].Advantages, 0.75/0.500001, -0.25/0.500001, -0.25/0.500001, -0.25/0.500001)

	// Half of two right: mean 1/2, std sqrt(1/4 + 1/4) = sqrt(1/2).
	half, _ := Compute([]Group{known(0, 1)}, StdGroup)
	near(t, "one of two", half[0].Advantages, -0.5/(math.Sqrt2/2+1e-6), 0.5/(math.Sqrt2/2+1e-6))

	// Without the division the centred rewards stay.
	none, _ := Compute([]Group{known(1, 0, 0, 0)}, StdNone)
	near(t, "Dr. GRPO", none[0].Advantages, 0.75, -0.25, -0.25, -0.25)

	// The task's rewards 1 0 | 1 1 0 0: mean 1/2, squared deviations 6/4, over 5 = 0.3.
	a, b, c := known(1, 0), known(1, 1, 0, 0), known(1, 0, 0, 0)
	a.Task, b.Task, c.Task = "docqa", "docqa", "docmath"
	task, _ := Compute([]Group{a, b, c}, StdTask)
	s := math.Sqrt(0.3) + 1e-6
	near(t, "first of the task", task[0].Advantages, 0.5/s, -0.5/s)
	near(t, "second of the task", task[1].Advantages, 0.5/s, 0.5/s, -0.5/s, -0.5/s)
	near(t, "another task", task[2].Advantages, 0.75/0.500001, -0.25/0.500001, -0.25/0.500001, -0.25/0.500001)
}

func TestAnUnknownRewardIsLeftOutAndNotZero(t *testing.T) {
	g := known(1, 0, 0, 0)
	g.Rollouts = append(g.Rollouts, Rollout{Reward: 1, Shaping: -7})
	got, counts := Compute([]Group{g}, StdGroup)
	near(t, "five with one unknown", got[0].Advantages, 0.75/0.500001, -0.25/0.500001, -0.25/0.500001, -0.25/0.500001, 0)
	if want := (Counts{Groups: 1, Rollouts: 5, Unknown: 1}); counts != want {
		t.Errorf("counts %+v, want %+v", counts, want)
	}
}

func TestAGroupWithFewerThanTwoKnownRewardsIsDroppedAndCounted(t *testing.T) {
	g := Group{Rollouts: []Rollout{{Reward: 1, Known: true}, {}, {}}}
	got, counts := Compute([]Group{g, known(1, 1), known(1, 0), {}}, StdGroup)
	near(t, "dropped", got[0].Advantages, 0, 0, 0)
	if got[0].State != Dropped || got[1].State != ZeroVariance || got[2].State != Signal || got[3].State != Dropped {
		t.Errorf("states %v %v %v %v", got[0].State, got[1].State, got[2].State, got[3].State)
	}
	if want := (Counts{Groups: 4, ZeroVariance: 1, Dropped: 2, Rollouts: 7, Unknown: 2}); counts != want {
		t.Errorf("counts %+v, want %+v", counts, want)
	}
}

func TestShapingMovesAdvantagesButNotTheVarianceOfTheTask(t *testing.T) {
	g := known(1, 1)
	g.Rollouts[1].Shaping = -1
	got, _ := Compute([]Group{g}, StdGroup)
	if got[0].State != ZeroVariance {
		t.Errorf("state %v: both answers are right", got[0].State)
	}
	near(t, "one is overlong", got[0].Advantages, 0.5/(math.Sqrt2/2+1e-6), -0.5/(math.Sqrt2/2+1e-6))
}

func TestAdvantagesOfAGroupSumToZeroAndKeepTheOrderOfRewards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		std := rapid.SampledFrom([]Std{StdGroup, StdTask, StdNone}).Draw(t, "std")
		groups := rapid.SliceOfN(rapid.Custom(drawGroup), 1, 6).Draw(t, "groups")
		results, _ := Compute(groups, std)
		for i, r := range results {
			sum, size := 0.0, 0.0
			for j, a := range r.Advantages {
				sum += float64(a)
				size += math.Abs(float64(a))
				for k, b := range r.Advantages {
					x, y := groups[i].Rollouts[j], groups[i].Rollouts[k]
					if r.State != Dropped && x.Known && y.Known && x.shaped() < y.shaped() && a > b {
						t.Fatalf("group %d: reward %v < %v, advantage %v > %v", i, x.shaped(), y.shaped(), a, b)
					}
				}
			}
			if math.Abs(sum) > 1e-6*(1+size) {
				t.Fatalf("group %d: advantages %v sum to %v", i, r.Advantages, sum)
			}
		}
	})
}

func drawGroup(t *rapid.T) Group {
	return Group{
		Task: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "task"),
		Rollouts: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Rollout {
			return Rollout{
				Reward:  rapid.Float64Range(0, 1).Draw(t, "reward"),
				Shaping: rapid.SampledFrom([]float64{0, -0.25, -1}).Draw(t, "shaping"),
				Known:   rapid.IntRange(0, 4).Draw(t, "known") > 0,
			}
		}), 0, 16).Draw(t, "rollouts"),
	}
}
