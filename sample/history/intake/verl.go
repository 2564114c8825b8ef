package intake

import (
	"math"
	"path"
	"strconv"
	"strings"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
)

// verl reads the dumps of trainer.rollout_data_dir: files {step}.jsonl with a rollout on each
// line. A dump knows no sample: it is found by a sample_id that the data carried through
// (sample_id, extra_info.sample_id, gts.sample_id), else by the prompt, which verl decodes with
// special tokens skipped. The rollouts of one sample at one step are its group; verl may have
// reordered them, so a step is held until the next one begins.
type verl struct {
	o        *Options
	fileStep int64 // from the file's name; -1: it says none
	step     int64
	groups   map[history.SampleID]int
	order    []verlGroup
	emit     func(o history.Outcome, at place)
}

type verlGroup struct {
	outcome history.Outcome
	at      place // of its first rollout
}

func newVerl(o *Options, file string, emit func(history.Outcome, place)) *verl {
	v := &verl{o: o, fileStep: -1, step: -1, groups: map[history.SampleID]int{}, emit: emit}
	base, _, _ := strings.Cut(path.Base(file), ".")
	if n, err := strconv.ParseInt(base, 10, 64); err == nil && n >= 0 {
		v.fileStep = n
	}
	return v
}

func (v *verl) record(rec value, at place) *problem {
	var input, output, score, stepValue, id, extra, truth value
	for name, f := range rec.fields {
		switch string(name) {
		case "input":
			input = f
		case "output":
			output = f
		case "step":
			stepValue = f
		case "sample_id":
			id = f
		case "extra_info":
			extra = f
		case "gts":
			truth = f
		}
		if string(name) == v.o.RewardField {
			score = f
		}
	}
	step, p := v.stepOf(stepValue)
	if p != nil {
		return p
	}
	sample, p := v.sample(input, id, extra, truth)
	if p != nil {
		return p
	}
	r, p := v.rollout(output, score)
	if p != nil {
		return p
	}
	if step != v.step {
		v.end()
		v.step = step
	}
	i, ok := v.groups[sample]
	if !ok {
		i = len(v.order)
		v.groups[sample] = i
		v.order = append(v.order, verlGroup{v.outcome(sample, step), at})
	}
	g := &v.order[i].outcome
	g.Rollouts = append(g.Rollouts, r)
	return nil
}

func (v *verl) outcome(sample history.SampleID, step int64) history.Outcome {
	return history.Outcome{
		Identity: history.Identity{
			Run: runName(v.o.Run, v.o.Policy), TrainStage: v.o.TrainStage, Step: step, Position: history.UnknownPosition, SampleID: sample,
		},
		Phase: v.o.Phase, Policy: v.o.Policy, Judge: v.o.Judge, Limits: v.o.Limits,
	}
}

func (v *verl) stepOf(f value) (int64, *problem) {
	step, ok, p := f.integer("step", math.MaxInt64)
	switch {
	case p != nil:
		return 0, p
	case ok && step >= 0:
		return step, nil
	case v.fileStep >= 0:
		return v.fileStep, nil
	}
	return 0, bad(dataset.ReasonMissingField, "no step, in the record or in the name of the file")
}

func (v *verl) sample(input, id, extra, truth value) (history.SampleID, *problem) {
	for _, f := range []value{id, extra.field("sample_id"), truth.field("sample_id"), truth.inner().field("sample_id")} {
		if f.missing() || f[0] != '"' {
			continue
		}
		return v.o.Samples.byID(f[1 : len(f)-1])
	}
	prompt, p := input.text("input")
	if p != nil {
		return history.SampleID{}, p
	}
	if prompt == "" {
		return history.SampleID{}, bad(dataset.ReasonMissingField, "neither input nor sample_id")
	}
	return v.o.Samples.byPromptText(prompt)
}

// inner returns the JSON object that a string holds, nothing where it holds none.
func (v value) inner() value {
	if len(v) == 0 || v[0] != '"' {
		return nil
	}
	text := v.unquoted()
	if !strings.HasPrefix(text, "{") {
		return nil
	}
	inner, p := newChecker().object([]byte(text), false)
	if p != nil {
		return nil
	}
	return inner
}

func (v *verl) rollout(output, score value) (r history.Rollout, p *problem) {
	r.ResponseLength = history.UnknownLength
	if len(score) == 0 {
		return r, bad(dataset.ReasonMissingField, "no %s", v.o.RewardField)
	}
	if r.Reward, p = v.o.Range.reward(score, v.o.RewardField); p != nil {
		return r, p
	}
	text, p := output.text("output")
	if p != nil {
		return r, p
	}
	if v.o.CountTokens != nil && !output.missing() {
		r.ResponseLength = int32(v.o.CountTokens(text))
	}
	if v.o.KeepResponses {
		r.Response = text
	}
	return r, nil
}

// end hands out the groups of the step.
func (v *verl) end() {
	for _, g := range v.order {
		v.emit(g.outcome, g.at)
	}
	clear(v.groups)
	v.order = nil
}
