package source

import "github.com/longctx/pipeline/dataset"

// verl reads the layout of verl's Parquet files: the chat is used as it is.
//
//	{"data_source", "prompt": [{"role", "content"}, ..], "reward_model": {"ground_truth"}, "extra_info": {"index", ..}}
//
// A ground truth that is an object is kept as JSON text: verl's reward functions read such ones.
var verl = Family{
	Name: "verl",
	Recognize: func(r *Record) bool {
		return r.Get("prompt").Kind() == KindList && r.Get("reward_model").Kind() == KindObject
	},
	Samples: verlSamples,
}

func verlSamples(r *Record, out *Out) {
	var s dataset.Sample
	var bad *Problem
	extra := r.Get("extra_info")
	if s.SourceID, bad = out.label("extra_info.index", extra.Get("index")); bad != nil {
		out.Reject("", bad)
		return
	}
	if s.DataSource, bad = out.label("data_source", r.Get("data_source")); bad != nil {
		out.Reject(s.SourceID, bad)
		return
	}
	if !extra.IsNone() {
		s.Meta = out.compact(extra)
	}
	const answerName = "reward_model.ground_truth"
	truth := r.Get("reward_model").Get("ground_truth")
	switch truth.Kind() {
	case KindNone, KindNull:
		bad = missing(answerName)
	case KindObject:
		s.Answers = []string{out.compact(truth)}
	default:
		s.Answers, bad = out.answers(nil, answerName, truth)
	}
	prompt := r.Get("prompt")
	if prompt.IsNone() {
		bad = missing("prompt")
	}
	if bad != nil {
		out.Reject(s.SourceID, bad)
		return
	}
	if bad = toolsBeside(r); bad != nil {
		out.Reject(s.SourceID, bad)
		return
	}
	out.promptSample(prompt, &s)
}
