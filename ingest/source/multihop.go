package source

// multihop reads the multi-hop sets in the layout of IRCoT (2WikiMultihopQA, MuSiQue, IIRC,
// HotpotQA) and MuSiQue's own: a question on a list of titled paragraphs.
//
//	{"id", "question", "answer": [..], "paragraphs": [{"title", "text" | "paragraph_text"}, ..]}
var multihop = Family{
	Name:       "multihop",
	DataSource: "multihop",
	Recognize: func(r *Record) bool {
		paragraphs := r.Get("paragraphs")
		titled := false
		for p := range paragraphs.Items() {
			titled = !p.Get("title").IsNone() && !textOf(p).IsNone()
			break
		}
		return titled && r.Get("question").Kind() == KindString && !r.Get("answer").IsNone()
	},
	Samples: func(r *Record, out *Out) {
		id, bad := out.label("id", r.Get("id"))
		if bad != nil {
			out.Reject("", bad)
			return
		}
		if out.Document(id, "paragraphs", r.Get("paragraphs")) {
			out.oneSample(r, id, []string{"answer", "answer_aliases"}, "")
		}
	},
}
