package audit

import (
	"fmt"
	"strings"
)

// findReward says where the mean reward of each phase went. Only a clear fall asks for a person.
func (f *Facts) findReward() []Finding {
	var parts []string
	level, groups := Note, int64(0)
	for _, t := range f.Trends {
		c := t.Change
		if !c.By.Known() {
			continue
		}
		word := "did not clearly move"
		switch {
		case c.Rose():
			word = "rose"
		case c.Fell():
			word, level = "fell", Look
		}
		groups += c.From.N + c.To.N
		parts = append(parts, fmt.Sprintf("in phase %d it %s, %s → %s", t.Phase, word, c.From.Mean.Short(), c.To.Mean.Short()))
	}
	if len(parts) == 0 {
		return nil
	}
	x := note("reward", SectionReward, groups, f.Totals.Groups,
		"Mean reward of a phase's own samples, first to last quarter of its steps: "+strings.Join(parts, "; ")+".",
		"Other samples are drawn at every step; compare the samples that moved most.")
	if x[0].Level = level; level == Look {
		x[0].Hint = "A fall within a phase means forgetting, a judge that broke, or a learning rate that is too high."
	}
	return x
}

func (f *Facts) findAgain() []Finding {
	r := &f.Retrospective
	if r.Samples == 0 {
		return nil
	}
	return note("retrospective", SectionRetrospective, r.Samples, f.Totals.Samples,
		fmt.Sprintf("Of %s, %s became solved, %s improved, %s still have no success, %s got worse; the rest did not clearly change or is unknown.",
			plural(r.Samples, "retrospective sample", "retrospective samples"), comma(r.Became[BecameSolved]), comma(r.Became[BecameBetter]),
			comma(r.Became[BecameNothing]), comma(r.Became[BecameWorse])),
		"Samples that were drawn because they did badly do better next time in part by chance.")
}

func (f *Facts) findMixed() []Finding {
	if f.Totals.Mixed == 0 {
		return nil
	}
	return note("mixed", SectionData, f.Totals.Mixed, f.Totals.Known,
		fmt.Sprintf("The estimates of %s were measured under several limits or judges within one phase.", plural(f.Totals.Mixed, "sample", "samples")),
		"An estimate belongs to its limits and its judge: audit one run at a time with --run.")
}

// leastCut is the share of responses that met their limit from which on it is worth a note.
const leastCut = 0.05

func (f *Facts) findCut() []Finding {
	var cut, stopped int64
	for i := range f.Steps {
		cut += f.Steps[i].Cut
		stopped += f.Steps[i].Stopped
	}
	if stopped == 0 || float64(cut) < leastCut*float64(stopped) {
		return nil
	}
	return note("cut_responses", SectionSignal, cut, stopped,
		fmt.Sprintf("%s of %s met the response limit (%s): some samples look hard because their answer was cut off.",
			plural(cut, "response", "responses"), comma(stopped), share(cut, stopped).Percent()),
		"Compare the stop reasons of the hardest samples before you call them hard.")
}

func (f *Facts) findPlans() []Finding {
	var out []Finding
	for _, p := range f.Plans {
		if !p.SameDataset {
			out = append(out, Finding{
				"foreign_plan", Look, fmt.Sprintf("Plan %.12s of phase %d was made for another dataset.", p.ID, p.Phase),
				"Its reasons are joined by sample_id where samples are the same; make the plan again after a rebuild.", SectionRetrospective, 1, 1, Unknown,
			})
		}
	}
	return out
}

// findOthers: what was left out.
func (f *Facts) findOthers() []Finding {
	var out []Finding
	h := &f.History
	var others, left int64
	for _, r := range h.Runs {
		if !r.Chosen {
			others++
			left += r.Outcomes
		}
	}
	if others > 0 {
		out = append(out, note("other_runs", SectionData, left, left+f.Totals.Groups,
			fmt.Sprintf("%s of %s left out: estimates of several policies are not mixed.", plural(left, "outcome", "outcomes"), plural(others, "other run is", "other runs are")),
			"Choose with --run NAME; more than one only if you mean to mix them.")...)
	}
	if h.Unknown > 0 {
		out = append(out, note("unknown_samples", SectionData, h.Unknown, h.Unknown+f.Totals.Groups,
			fmt.Sprintf("%s of %s are not in this dataset and left out.", plural(h.Unknown, "outcome", "outcomes"), plural(h.UnknownIDs, "sample", "samples")),
			"Normal after a rebuild with other inputs or phases.")...)
	}
	var refused int64
	for _, n := range h.Refused {
		refused += n
	}
	if refused > 0 {
		out = append(out, note("refused_records", SectionData, refused, 0,
			fmt.Sprintf("%s could not be imported and stand in history/quarantine.", plural(refused, "reward record", "reward records")), "Each line there has its place and reason.")...)
	}
	if f.Totals.Ahead > 0 {
		out = append(out, note("ahead", SectionData, f.Totals.Ahead, f.Totals.Groups,
			fmt.Sprintf("%s came in a phase before the sample's own: the history's phases are not those of this dataset.", plural(f.Totals.Ahead, "visit", "visits")),
			"Build with the phases that were trained, or read the curves by step only.")...)
	}
	if n := f.Totals.GroupsTooFew; n > 0 {
		out = append(out, note("lone_rewards", SectionJudge, n, f.Totals.Groups,
			fmt.Sprintf("%s one known reward only, of which no advantage can be made.", plural(n, "group has", "groups have")), "They count in the means and in no zero-variance share.")...)
	}
	return out
}
