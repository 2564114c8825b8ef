package audit

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/longctx/pipeline/sample/history"
)

// Judge says how the parts of the reward agree, and where they are missing. The counts are of
// rollouts.
type Judge struct {
	RuleKnown int64 `json:"rule_known"`
	// Of the rollouts that both rewarded; a reward of at least 0.5 is right.
	Compared     int64 `json:"compared"`
	BothRight    int64 `json:"both_right"`
	BothWrong    int64 `json:"both_wrong"`
	Rescued      int64 `json:"rescued"`      // rule 0, judge 1
	Contradicted int64 `json:"contradicted"` // rule 1, judge 0
	// Of the rollouts with a null reward: a judge was to answer, or nothing says why.
	Outages int64 `json:"judge_outages"`
	Missing int64 `json:"missing"`
	// NotMaximum counts rollouts whose reward is not the larger of the two.
	NotMaximum int64       `json:"not_maximum"`
	Tasks      []JudgeTask `json:"tasks"`
	Judges     []JudgeName `json:"judges"`
	Stops      []StopCount `json:"stops"`
}

// Disagreement returns the share of compared rollouts on which rule and judge differ.
func (j *Judge) Disagreement() Value { return share(j.Rescued+j.Contradicted, j.Compared) }

// A JudgeTask counts the rollouts of one task.
type JudgeTask struct {
	DataSource   string `json:"data_source"`
	Rollouts     int64  `json:"rollouts"`
	Compared     int64  `json:"compared"`
	Rescued      int64  `json:"rescued"`
	Contradicted int64  `json:"contradicted"`
	Outages      int64  `json:"judge_outages"`
	Missing      int64  `json:"missing"`
}

// A JudgeName counts the rollouts of one judge model.
type JudgeName struct {
	Judge    string `json:"judge"` // empty: none, or not said
	Answered int64  `json:"answered"`
	Outages  int64  `json:"judge_outages"`
}

// A StopCount counts the rollouts that stopped for one reason.
type StopCount struct {
	Reason   string `json:"stop_reason"` // empty: not said
	Rollouts int64  `json:"rollouts"`
}

// readRollouts reads every rollout of the chosen runs.
func (g *gatherer) readRollouts(ctx context.Context, snap *history.Snapshot) error {
	if len(g.visits) == 0 {
		return nil
	}
	r := rollouts{gatherer: g, tasks: make([]JudgeTask, len(g.tasks)), judges: map[string]*JudgeName{}, stops: map[string]int64{}, last: map[int32]history.Identity{}}
	for i := range r.tasks {
		r.tasks[i].DataSource = g.tasks[i]
	}
	for o, err := range snap.Outcomes(ctx, history.Filter{Runs: g.runs}) {
		if err != nil {
			return err
		}
		if sample, ok := g.index[o.SampleID]; ok {
			r.add(sample, o)
		}
	}
	r.finish()
	return nil
}

type rollouts struct {
	*gatherer
	tasks  []JudgeTask
	judges map[string]*JudgeName
	stops  map[string]int64
	last   map[int32]history.Identity // outcome whose responses a detail has
}

func (r *rollouts) add(sample int32, o *history.Outcome) {
	step := r.steps[stepKey{o.Phase, o.Step}]
	judge := r.judges[o.Judge]
	if judge == nil {
		judge = &JudgeName{Judge: o.Judge}
		r.judges[o.Judge] = judge
	}
	s := &r.facts.Samples[sample]
	t := &r.tasks[r.task[sample]]
	ruled := slices.ContainsFunc(o.Rollouts, func(x history.Rollout) bool { return x.RuleReward.Known })
	for i := range o.Rollouts {
		x := &o.Rollouts[i]
		t.Rollouts++
		r.stops[x.StopReason]++
		r.compare(x, s, t, step)
		outage := x.RuleReward.Known || o.Judge != "" && !ruled
		r.account(x, outage, s, t, step, judge)
		length(x, step)
	}
	if d := r.facts.Details[sample]; d != nil {
		r.keep(d, sample, o)
	}
}

// compare sets the rule's reward against the judge's.
func (r *rollouts) compare(x *history.Rollout, s *Sample, t *JudgeTask, step *Step) {
	j := &r.facts.Judge
	if x.RuleReward.Known {
		j.RuleKnown++
	}
	if !x.RuleReward.Known || !x.JudgeReward.Known {
		return
	}
	j.Compared++
	t.Compared++
	step.Compared++
	if x.Reward.Known && x.Reward.Value != max(x.RuleReward.Value, x.JudgeReward.Value) {
		j.NotMaximum++
	}
	rule, judge := x.RuleReward.Value >= history.SuccessReward, x.JudgeReward.Value >= history.SuccessReward
	switch {
	case rule && judge:
		j.BothRight++
	case judge:
		j.Rescued++
		t.Rescued++
		step.Rescued++
		s.Rescued++
	case rule:
		j.Contradicted++
		t.Contradicted++
		step.Contradicted++
		s.Contradicted++
	default:
		j.BothWrong++
	}
}

// account counts what is missing. A null reward is a judge's outage where the rule has spoken,
// or where a judge is named and no rule is recorded; else nothing says why.
func (r *rollouts) account(x *history.Rollout, outage bool, s *Sample, t *JudgeTask, step *Step, judge *JudgeName) {
	if x.JudgeReward.Known {
		judge.Answered++
	}
	switch {
	case x.Reward.Known:
	case outage:
		r.facts.Judge.Outages++
		judge.Outages++
		t.Outages++
		step.Outages++
		s.Outages++
	default:
		r.facts.Judge.Missing++
		t.Missing++
	}
}

// stopLength is how engines say that a response met its limit.
const stopLength = "length"

func length(x *history.Rollout, step *Step) {
	if x.ResponseLength != history.UnknownLength {
		step.Counted++
		step.Tokens += int64(x.ResponseLength)
	}
	if x.StopReason != "" {
		step.Stopped++
		if x.StopReason == stopLength {
			step.Cut++
		}
	}
}

// keep remembers the responses of the last group that has some.
func (r *rollouts) keep(d *Detail, sample int32, o *history.Outcome) {
	if !slices.ContainsFunc(o.Rollouts, func(x history.Rollout) bool { return x.Response != "" }) {
		return
	}
	if last, ok := r.last[sample]; ok && cmp.Or(cmp.Compare(last.Step, o.Step), cmp.Compare(last.Position, o.Position)) > 0 {
		return
	}
	r.last[sample] = o.Identity
	d.Responses = d.Responses[:0]
	var seen [3]bool
	for i := range o.Rollouts {
		x := &o.Rollouts[i]
		kind := 2
		if x.Reward.Known {
			kind = 0
			if x.Reward.Value >= history.SuccessReward {
				kind = 1
			}
		}
		if x.Response == "" || seen[kind] {
			continue
		}
		seen[kind] = true
		d.Responses = append(d.Responses, Response{o.Step, x.Reward, strings.Clone(x.StopReason), x.ResponseLength, tail(x.Response, tailRunes)})
	}
}

func (r *rollouts) finish() {
	j := &r.facts.Judge
	for _, t := range r.tasks {
		if t.Rollouts > 0 {
			j.Tasks = append(j.Tasks, t)
		}
	}
	slices.SortFunc(j.Tasks, func(a, b JudgeTask) int { return cmp.Compare(a.DataSource, b.DataSource) })
	for _, name := range sortedKeys(r.judges) {
		j.Judges = append(j.Judges, *r.judges[name])
	}
	for _, reason := range sortedKeys(r.stops) {
		j.Stops = append(j.Stops, StopCount{reason, r.stops[reason]})
	}
	for i := range r.facts.Steps {
		s := &r.facts.Steps[i]
		*s = *r.steps[stepKey{s.Phase, s.Step}]
	}
}
