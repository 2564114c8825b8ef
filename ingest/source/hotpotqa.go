package source

// hotpotqa reads HotpotQA as Hugging Face has it, paragraphs in two parallel lists, and as
// it was published, with "_id" and a list of [title, [sentences]].
//
//	{"id", "question", "answer", "type", "level", "supporting_facts", "context": {"title": [..], "sentences": [[..], ..]}}
var hotpotqa = Family{
	Name:       "hotpotqa",
	DataSource: "hotpotqa",
	Recognize: func(r *Record) bool {
		c := r.Get("context")
		lists := c.Get("title").Kind() == KindList && c.Get("sentences").Kind() == KindList
		return r.Get("question").Kind() == KindString && (lists || c.Kind() == KindList && !r.Get("supporting_facts").IsNone())
	},
	Samples: func(r *Record, out *Out) {
		id, bad := out.label("id", r.first("id", "_id"))
		if bad != nil {
			out.Reject("", bad)
			return
		}
		if out.Document(id, "context", r.Get("context")) {
			out.oneSample(r, id, []string{"answer"}, out.metaOf(r, "type", "level", "supporting_facts"))
		}
	},
}
