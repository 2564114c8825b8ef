package source

import "github.com/longctx/pipeline/dataset"

// trainer reads files made for TRL and OpenRLHF: a prompt that is a chat, or text that becomes
// one turn of a user, with what a reward function compares with, or with a response to learn.
//
//	{"prompt": [{"role", "content"}, ..] | "..", "solution" | "ground_truth" | "answer" | "label" | ..}
//	{"prompt": .., "completion": [{"role": "assistant", "content"}] | ".."}
//	{"input": .., "label": ".."}
var trainer = Family{
	Name: "trainer",
	Recognize: func(r *Record) bool {
		prompt := trainerPrompt(r)
		isPrompt := prompt.Kind() == KindList || prompt.Kind() == KindString
		return isPrompt && r.Get("context").IsNone() && r.Get("question").IsNone() && r.Get("reward_model").IsNone() &&
			!r.first(append(trainerAnswers[:], "completion")...).IsNone()
	},
	Samples: trainerSamples,
}

var trainerAnswers = [...]string{"solution", "ground_truth", "answer", "answers", "label", "target"}

func trainerPrompt(r *Record) Value { return r.first("prompt", "input") }

func trainerSamples(r *Record, out *Out) {
	s := dataset.Sample{Meta: out.metaOf(r, "extra_info", "meta")}
	var bad *Problem
	if s.SourceID, bad = out.label("id", r.first("id", "index", "sample_id")); bad == nil {
		s.DataSource, bad = out.label("data_source", r.first("data_source", "datasource"))
	}
	if bad == nil {
		bad = toolsBeside(r)
	}
	answer := r.first(trainerAnswers[:]...)
	if bad == nil {
		s.Answers, bad = out.answers(nil, "answer", answer)
	}
	if bad == nil {
		s.Response, bad = out.completion(r.Get("completion"))
	}
	if bad == nil && answer.IsNone() && blank(s.Response) {
		bad = missing("answer")
	}
	if bad != nil {
		out.Reject(s.SourceID, bad)
		return
	}
	prompt := trainerPrompt(r)
	if prompt.Kind() == KindString {
		prompt = Value(out.build(len(prompt)+40, func(b []byte) []byte {
			return append(append(append(b, `[{"role":"user","content":`...), prompt...), "}]"...)
		}))
	}
	out.promptSample(prompt, &s)
}

// completion returns the response that a record shows: text, or the last turn of a chat.
func (o *Out) completion(v Value) (string, *Problem) {
	if v.Kind() != KindList {
		return o.str("completion", v)
	}
	c, bad := o.readChat("completion", v)
	if bad != nil {
		return "", bad
	}
	if len(c.turns) != 1 || c.turns[0].role != "assistant" {
		return "", problem(dataset.ReasonUnknownMessage, "the completion is not one turn of the assistant")
	}
	return c.turns[0].content, nil
}
