package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/longctx/pipeline/sample/curriculum"
)

// A Level says whether a finding asks for a person.
type Level string

// Levels. Look makes the verb audit end with status 3.
const (
	Look Level = "look"
	Note Level = "note"
)

// Sections of the report, where a finding has its numbers.
const (
	SectionReward        = "reward"
	SectionSignal        = "signal"
	SectionDifficulty    = "difficulty"
	SectionJudge         = "judge"
	SectionRetrospective = "retrospective"
	SectionSamples       = "samples"
	SectionData          = "data"
)

// A Finding is one thing that the audit says in words.
type Finding struct {
	Code      string `json:"code"`
	Level     Level  `json:"level"`
	Text      string `json:"text"` // what is the case
	Hint      string `json:"hint"` // what to do about it
	Section   string `json:"section"`
	Count     int64  `json:"count"`
	Of        int64  `json:"of"`
	Threshold Value  `json:"threshold"` // of Count / Of, or of what the text says
}

// Asks reports whether any finding asks for a person.
func (f *Facts) Asks() bool {
	return slices.ContainsFunc(f.Findings, func(x Finding) bool { return x.Level == Look })
}

// find lists the findings: those that ask for a person first, in the order of what they spoil.
func (f *Facts) find() []Finding {
	var all []Finding
	for _, look := range []func() []Finding{
		f.findRecords, f.findNulls, f.findUnlearnable, f.findTasks, f.findDisagreement, f.findSignal, f.findExpected,
		f.findSolved, f.findNever, f.findReward, f.findAgain, f.findMixed, f.findCut, f.findPlans, f.findOthers,
	} {
		for _, x := range look() {
			if x.Code != "" {
				all = append(all, x)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Finding) int { return strings.Compare(string(a.Level), string(b.Level)) })
	return all
}

// over returns a finding about count of a total: Look over the threshold, else a note, or
// nothing where the count is 0.
func over(code, section string, count, of int64, threshold float64, text, hint string) []Finding {
	if count == 0 {
		return nil
	}
	x := Finding{code, Note, text, hint, section, count, of, Value(threshold)}
	if float64(count) > threshold*float64(of) {
		x.Level = Look
	}
	return []Finding{x}
}

func note(code, section string, count, of int64, text, hint string) []Finding {
	return []Finding{{code, Note, text, hint, section, count, of, Unknown}}
}

// findRecords: what is not recorded biases everything else.
func (f *Facts) findRecords() []Finding {
	t := &f.Totals
	if t.Groups == 0 {
		return note("no_history", SectionData, 0, t.Samples, "There is no reward history of these samples: difficulty is unknown, not zero.",
			"Import rewards with `pipeline rewards import`, or record them while training.")
	}
	var zero Zero
	for i := range f.Steps {
		zero.add(f.Steps[i].Zero)
	}
	var out []Finding
	if zero.Groups() >= 100 && zero.Mixed == zero.Groups() {
		out = append(out, Finding{
			"no_zero_variance", Look,
			fmt.Sprintf("None of %s has equal rewards. Groups that dynamic sampling throws away seem not to be recorded, and then every estimate here is biased towards the middle.", plural(zero.Groups(), "group", "groups")),
			"Record every group before it is filtered.", SectionSignal, 0, zero.Groups(), Unknown,
		})
	}
	var lost, reached int64
	for _, p := range f.History.Positions {
		lost += p.Reached - p.Recorded
		reached += p.Reached
	}
	if lost > 0 {
		x := note("lost_positions", SectionData, lost, reached,
			fmt.Sprintf("%s of the plans up to the last one recorded have no outcome (%s of %s).", plural(lost, "position", "positions"), share(lost, reached).Percent(), comma(reached)),
			"Groups that are in flight are normal; groups that were thrown away should be recorded too.")
		if 100*lost > reached {
			x[0].Level = Look
		}
		out = append(out, x...)
	}
	return out
}

func (f *Facts) findNulls() []Finding {
	t, j := &f.Totals, &f.Judge
	text := fmt.Sprintf("No reward: %s of %s (%s); %s, %s without a reason.", comma(t.RolloutsUnknown), plural(t.Rollouts, "rollout", "rollouts"),
		share(t.RolloutsUnknown, t.Rollouts).Percent(), plural(j.Outages, "judge outage", "judge outages"), comma(j.Missing))
	if from, to, worst := f.worstNulls(); worst > 0 {
		where := "step " + comma(from)
		if to > from {
			where = fmt.Sprintf("steps %s to %s", comma(from), comma(to))
		}
		text += fmt.Sprintf(" The worst stretch is %s, with %s missing.", where, worst.Percent())
	}
	if t.GroupsUnknown > 0 {
		text += fmt.Sprintf(" %s no reward at all.", plural(t.GroupsUnknown, "group has", "groups have"))
	}
	return over("null_rewards", SectionJudge, t.RolloutsUnknown, t.Rollouts, f.Thresholds.MaxNull, text,
		"They count as unknown and make no sample hard; look at the judge's log at these steps.")
}

// worstNulls returns the bin of steps with the largest share of null rewards.
func (f *Facts) worstNulls() (from, to int64, worst Value) {
	bins, _ := Bin(f.Steps, 20)
	for _, b := range bins {
		if s := share(b.Null, b.Rollouts); b.Rollouts > 0 && s > worst {
			from, to, worst = b.Step, b.Step+b.Last()-b.Order, s
		}
	}
	return from, to, worst
}

func (f *Facts) findUnlearnable() []Finding {
	n, of := f.Totals.States.Unlearnable, f.Totals.States.Known()
	text := fmt.Sprintf("Unlearnable so far: %s of %s with a known reward (%s) had no success in %d visits or more. Too hard, mislabelled and wrongly judged look the same from here.",
		comma(n), plural(of, "sample", "samples"), share(n, of).Percent(), f.Thresholds.QuarantineVisits)
	out := over("unlearnable", SectionSamples, n, of, f.Thresholds.MaxUnlearnable, text,
		"Read their reference answers and last responses; then draw with --gate quarantine_unlearnable.")
	zero := n + f.Totals.States.NoSuccess
	if n > 0 {
		out = append(out, note("hoard", SectionRetrospective, n, zero,
			fmt.Sprintf("Retrospective sampling by zero_mean would keep %s without a success; %s of them unlearnable so far.", plural(zero, "sample", "samples"), comma(n)),
			"Add --gate quarantine_unlearnable, or use inverse_mean or learnability, and compare with uniform: curricula do not always help.")...)
	}
	return out
}

// leastInTask is the number of unlearnable samples from which on a task stands out.
const leastInTask = 5

// findTasks: a task that is much harder than the others may be judged wrongly as a whole.
func (f *Facts) findTasks() []Finding {
	all := share(f.Totals.States.Unlearnable, f.Totals.States.Known())
	var out []Finding
	for _, s := range f.SetsBy(ByDataSource) {
		n, of := s.States.Unlearnable, s.States.Known()
		if n < leastInTask || of == f.Totals.States.Known() || share(n, of) < 2*all || float64(share(n, of)) < f.Thresholds.MaxUnlearnable {
			continue
		}
		out = append(out, Finding{
			"hard_task", Look,
			fmt.Sprintf("Task %s: %s of %s unlearnable so far (%s; all tasks: %s).", nameOf(s.Name), comma(n), plural(of, "sample", "samples"), share(n, of).Percent(), all.Percent()),
			"When a whole task fails, suspect its reference answers and its scorer first.", SectionDifficulty, n, of, Value(f.Thresholds.MaxUnlearnable),
		})
	}
	return out
}

func nameOf(name string) string {
	if name == "" {
		return "(not said)"
	}
	return fmt.Sprintf("%q", PrintableLine(name))
}

func (f *Facts) findDisagreement() []Finding {
	j := &f.Judge
	differ := j.Rescued + j.Contradicted
	text := fmt.Sprintf("Rule and judge differ on %s of %s that both rewarded (%s): the judge accepted %s that the rule rejected and rejected %s that it accepted.",
		comma(differ), plural(j.Compared, "rollout", "rollouts"), j.Disagreement().Percent(), comma(j.Rescued), comma(j.Contradicted))
	out := over("disagreement", SectionJudge, differ, j.Compared, f.Thresholds.MaxDisagreement, text,
		"Read some of them: either the rule is too strict or the judge too kind. The reward is the larger of the two.")
	if j.NotMaximum > 0 {
		out = append(out, note("not_maximum", SectionJudge, j.NotMaximum, j.Compared,
			fmt.Sprintf("%s a reward that is not the larger of its two parts.", plural(j.NotMaximum, "rollout has", "rollouts have")),
			"Check that the unshaped reward is recorded, before penalties.")...)
	}
	return out
}

func (f *Facts) findSignal() []Finding {
	z := f.Totals.RecentZero
	n := z.Groups() - z.Mixed
	text := fmt.Sprintf("Taught nothing, in the last quarter of the steps: %s of %s, because their rewards were equal (%s): %s all wrong, %s all right.",
		comma(n), plural(z.Groups(), "group", "groups"), z.Share().Percent(), comma(z.AllWrong), comma(z.AllRight))
	return over("zero_variance", SectionSignal, n, z.Groups(), f.Thresholds.MaxZeroVariance, text,
		"All right: draw with --gate drop_solved. All wrong: go back to shorter or easier samples, or raise the response limit.")
}

func (f *Facts) findExpected() []Finding {
	var out []Finding
	for _, e := range f.Expected {
		if float64(e.Oversampling) <= f.Thresholds.MaxOversampling {
			continue
		}
		text := fmt.Sprintf("Another pass over phase %d would draw %.1f groups for one that teaches (expected: %s all wrong, %s all right).",
			e.Phase, float64(e.Oversampling), e.AllWrong.Percent(), e.AllRight.Percent())
		if e.Starves {
			text += fmt.Sprintf(" A trainer that gives up after %d rounds of generation would stop.", curriculum.MaxGenerationBatches)
		}
		out = append(out, Finding{
			"oversampling", Look, text, "Draw by learnability, or raise the group size, before you pay for it.",
			SectionSignal, e.Samples, e.Samples, Value(f.Thresholds.MaxOversampling),
		})
	}
	return out
}

func (f *Facts) findSolved() []Finding {
	n, of := f.Totals.States.Solved, f.Totals.States.Known()
	return over("solved", SectionSamples, n, of, f.Thresholds.MaxSolved,
		fmt.Sprintf("Solved: %s of %s with a known reward (%s), with a mean over %s.", comma(n), plural(of, "sample", "samples"), share(n, of).Percent(), Value(f.Thresholds.SolvedAbove).Short()),
		"They cost rollouts and teach little: --gate drop_solved leaves them out.")
}

// findNever: of the phases that were trained; those to come are no finding.
func (f *Facts) findNever() []Finding {
	if f.Totals.Groups == 0 {
		return nil
	}
	trained := map[int32]bool{}
	for i := range f.Steps {
		trained[f.Steps[i].Phase] = true
	}
	var n, of int64
	for i := range f.Samples {
		if s := &f.Samples[i]; trained[s.Phase] {
			of++
			if s.State == NeverVisited {
				n++
			}
		}
	}
	return over("never_visited", SectionSamples, n, of, f.Thresholds.MaxNeverVisited,
		fmt.Sprintf("Never visited: %s of %s in the phases that were trained (%s).", comma(n), plural(of, "sample", "samples"), share(n, of).Percent()),
		"Normal within the first epoch; later it means that a gate, a share or an import left them out.")
}
