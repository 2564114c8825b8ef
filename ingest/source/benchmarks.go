package source

import "github.com/longctx/pipeline/dataset"

// twoWiki reads 2WikiMultihopQA as published: HotpotQA's shape, with the triples that prove the answer.
var twoWiki = Family{
	Name:       "2wikimultihopqa",
	DataSource: "2wikimultihopqa",
	Recognize:  func(r *Record) bool { return !r.Get("evidences").IsNone() && hotpotqa.Recognize(r) },
	Samples:    hotpotqa.Samples,
}

// musique reads MuSiQue as published. A question that is marked unanswerable has an answer that
// its paragraphs do not give: it is rejected.
//
//	{"id", "paragraphs": [{"title", "paragraph_text"}, ..], "question", "question_decomposition", "answer", "answer_aliases", "answerable"}
var musique = Family{
	Name:       "musique",
	DataSource: "musique",
	Recognize:  func(r *Record) bool { return !r.Get("question_decomposition").IsNone() && multihop.Recognize(r) },
	Samples: func(r *Record, out *Out) {
		if string(r.Get("answerable")) == "false" {
			id, _ := out.label("id", r.Get("id"))
			out.Reject(id, problem(dataset.ReasonEmptyAnswer, "the question is marked as one that the paragraphs do not answer"))
			return
		}
		multihop.Samples(r, out)
	},
}

// narrativeqa reads NarrativeQA as Hugging Face has it, a whole book or script with each question.
//
//	{"document": {"id", "text"}, "question": {"text"}, "answers": [{"text"}, ..]}
var narrativeqa = Family{
	Name:       "narrativeqa",
	DataSource: "narrativeqa",
	Recognize: func(r *Record) bool {
		return r.Get("document").Get("text").Kind() == KindString && r.Get("question").Get("text").Kind() == KindString
	},
	Samples: func(r *Record, out *Out) {
		d := r.Get("document")
		id, bad := out.label("document.id", d.Get("id"))
		s := dataset.Sample{SourceID: id}
		if bad == nil {
			s.Question, bad = out.question("question.text", r.Get("question").Get("text"))
		}
		for _, a := range rowsOf(r.Get("answers")) {
			if bad == nil {
				s.Answers, bad = out.answers(s.Answers, "answers[].text", a.Get("text"))
			}
		}
		if bad != nil {
			out.Reject(id, bad)
			return
		}
		if out.Document(id, "document.text", d.Get("text")) {
			out.Sample(&s)
		}
	},
}

// docmath reads DocMath-Eval: the paragraphs of a financial report, tables among them as text,
// with a question whose answer is a number.
//
//	{"question_id", "question", "paragraphs": ["..", ..], "ground_truth", "python_solution", "topic"}
var docmath = Family{
	Name:       "docmath",
	DataSource: "docmath",
	Recognize: func(r *Record) bool {
		return r.Get("paragraphs").Kind() == KindList && !r.Get("ground_truth").IsNone() && !r.Get("python_solution").IsNone()
	},
	Samples: func(r *Record, out *Out) {
		id, bad := out.label("question_id", r.Get("question_id"))
		if bad != nil {
			out.Reject("", bad)
			return
		}
		if out.Document(id, "paragraphs", r.Get("paragraphs")) {
			out.oneSample(r, id, []string{"ground_truth"}, out.metaOf(r, "source", "topic"))
		}
	},
}

// frames reads FRAMES, from its table or with the articles beside each question. The set itself
// only links to them: without, a question is a sample only where samples need no document.
//
//	{"Prompt", "Answer", "wiki_links", "reasoning_types", "context" | "documents"}
var frames = Family{
	Name:       "frames",
	DataSource: "frames",
	Recognize: func(r *Record) bool {
		return r.Get("Prompt").Kind() == KindString && !r.Get("Answer").IsNone() && !r.Get("reasoning_types").IsNone()
	},
	Samples: func(r *Record, out *Out) {
		id, bad := out.label("id", r.first("id", "column_1"))
		s := dataset.Sample{SourceID: id, Meta: out.metaOf(r, "reasoning_types", "wiki_links")}
		if bad == nil {
			s.Question, bad = out.question("Prompt", r.Get("Prompt"))
		}
		if bad == nil {
			s.Answers, bad = out.answers(nil, "Answer", r.Get("Answer"))
		}
		if bad != nil {
			out.Reject(id, bad)
			return
		}
		if out.Document(id, "context", r.first("context", "documents")) {
			out.Sample(&s)
		}
	},
}

// longbench reads LongBench, where a record names its task. Tasks without a question of their
// own (summaries, few-shot series) need a prompt that the set keeps elsewhere: they are rejected.
//
//	{"_id", "input", "context", "answers": [..], "dataset", "language", "all_classes"}
var longbench = Family{
	Name:       "longbench",
	DataSource: "longbench",
	Recognize: func(r *Record) bool {
		return r.Get("input").Kind() == KindString && r.Get("context").Kind() == KindString &&
			r.Get("answers").Kind() == KindList && r.Get("dataset").Kind() == KindString
	},
	Samples: func(r *Record, out *Out) {
		id, bad := out.label("_id", r.Get("_id"))
		s := dataset.Sample{SourceID: id, Meta: out.metaOf(r, "language", "all_classes")}
		if bad == nil {
			s.DataSource, bad = out.label("dataset", r.Get("dataset"))
		}
		if bad == nil {
			s.Question, bad = out.question("input", r.Get("input"))
		}
		if bad == nil {
			s.Answers, bad = out.answers(nil, "answers", r.Get("answers"))
		}
		if bad != nil {
			out.Reject(id, bad)
			return
		}
		if out.Document(id, "context", r.Get("context")) {
			out.Sample(&s)
		}
	},
}

// longbench2 reads LongBench v2: a document, a question and four choices, of which one is named.
//
//	{"_id", "question", "choice_A", .., "choice_D", "answer": "B", "context", "domain", "difficulty"}
var longbench2 = Family{
	Name:       "longbench-v2",
	DataSource: "longbench-v2",
	Recognize: func(r *Record) bool {
		return r.Get("choice_A").Kind() == KindString && r.Get("choice_D").Kind() == KindString && r.Get("question").Kind() == KindString
	},
	Samples: func(r *Record, out *Out) {
		id, bad := out.label("_id", r.Get("_id"))
		s := dataset.Sample{SourceID: id, Meta: out.metaOf(r, "domain", "sub_domain", "difficulty", "length")}
		if bad == nil {
			s.Question, bad = out.choices(r)
		}
		if bad == nil {
			s.Answers, bad = out.answers(nil, "answer", r.Get("answer"))
		}
		if bad != nil {
			out.Reject(id, bad)
			return
		}
		if out.Document(id, "context", r.Get("context")) {
			out.Sample(&s)
		}
	},
}

// choices returns the question with its choices below, "(A) ..".
func (o *Out) choices(r *Record) (string, *Problem) {
	var bad *Problem
	s := o.build(512, func(b []byte) []byte {
		b = appendUnquoted(b, r.Get("question"))
		for _, letter := range [...]string{"A", "B", "C", "D"} {
			v := r.Get("choice_" + letter)
			if v.Kind() != KindString {
				bad = wrongType("choice_"+letter, v, "text")
				return b
			}
			b = append(append(append(b, "\n("...), letter...), ") "...)
			b = appendUnquoted(b, v)
		}
		return b
	})
	return s, bad
}
