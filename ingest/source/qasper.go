package source

import "github.com/longctx/pipeline/dataset"

// qasper reads Qasper as published, one object of papers by their number, and as Hugging Face
// has it, with lists of fields side by side instead of lists of objects.
//
//	{"title", "abstract", "full_text": [{"section_name", "paragraphs": [..]}, ..],
//	 "qas": [{"question", "question_id", "answers": [{"answer": {"unanswerable", "extractive_spans", "yes_no", "free_form_answer"}}, ..]}, ..]}
//
// Each annotator's answer is one reference, as in the official evaluation: spans joined by ", ",
// the free text, "Yes" or "No", or "Unanswerable".
var qasper = Family{
	Name:       "qasper",
	DataSource: "qasper",
	Recognize: func(r *Record) bool {
		text := r.Get("full_text")
		return (text.Kind() == KindList || text.Kind() == KindObject) && !r.Get("qas").IsNone() && !r.Get("abstract").IsNone()
	},
	Samples: qasperSamples,
}

func qasperSamples(r *Record, out *Out) {
	id, bad := out.label("id", r.Get("id"))
	if bad != nil {
		out.Reject("", bad)
		return
	}
	context, ok := out.paper(r)
	if !ok {
		out.Reject(id, wrongType("full_text", r.Get("full_text"), "a list of sections with their paragraphs"))
		return
	}
	questions := rowsOf(r.Get("qas"))
	if len(questions) == 0 {
		out.Reject(id, problem(dataset.ReasonMissingField, "the list %q is empty", "qas"))
		return
	}
	if !out.Text(id, context) {
		return
	}
	for _, q := range questions {
		out.qasperQuestion(id, q)
	}
}

func (o *Out) qasperQuestion(paper string, q Value) {
	s := dataset.Sample{SourceID: paper}
	var bad *Problem
	if s.Question, bad = o.question("qas[].question", q.Get("question")); bad != nil {
		o.Reject(paper, bad)
		return
	}
	if own := q.Get("question_id"); !own.IsNone() {
		if s.SourceID, bad = o.label("qas[].question_id", own); bad != nil {
			o.Reject(paper, bad)
			return
		}
	}
	for _, annotated := range rowsOf(q.Get("answers")) {
		if text := o.qasperAnswer(annotated.Get("answer")); text != "" {
			s.Answers = addAnswer(s.Answers, text)
		}
	}
	o.Sample(&s)
}

// qasperAnswer returns what one annotator wrote; empty if nothing.
func (o *Out) qasperAnswer(a Value) string {
	switch spans, free := a.Get("extractive_spans"), a.Get("free_form_answer"); {
	case string(a.Get("unanswerable")) == "true":
		return "Unanswerable"
	case spans.Len() > 0:
		return o.build(len(spans), func(b []byte) []byte {
			for i, next := 0, stepThrough(spans); i < spans.Len(); i++ {
				if i > 0 {
					b = append(b, ", "...)
				}
				b = appendUnquoted(b, next())
			}
			return b
		})
	case free.Kind() == KindString && len(free) > 2:
		return o.unquote(free)
	}
	switch string(a.Get("yes_no")) {
	case "true":
		return "Yes"
	case "false":
		return "No"
	}
	return ""
}

// paper puts title, abstract and sections together, each heading on a line of its own.
func (o *Out) paper(r *Record) (string, bool) {
	ok := true
	s := o.build(len(r.Value), func(b []byte) []byte {
		d := joiner{b: b, from: len(b)}
		ok = d.paragraph(r.Get("title"), orEmpty(r.Get("abstract")))
		for _, section := range rowsOf(r.Get("full_text")) {
			paragraphs := section.Get("paragraphs")
			ok = ok && paragraphs.Kind() == KindList
			heading := section.Get("section_name")
			for p := range paragraphs.Items() {
				if ok = ok && p.Kind() == KindString; ok && len(p) > 2 {
					d.paragraph(heading, p)
					heading = nil
				}
			}
		}
		return d.b
	})
	return s, ok
}

func orEmpty(v Value) Value {
	if v.IsNone() {
		return Value(`""`)
	}
	return v
}

// rowsOf returns the objects of a list, or those that lists side by side make:
//
//	{"a": [1, 2], "b": [3, 4]}  ->  {"a":1,"b":3}, {"a":2,"b":4}
func rowsOf(v Value) []Value {
	var rows []Value
	if v.Kind() != KindObject {
		for item := range v.Items() {
			rows = append(rows, item)
		}
		return rows
	}
	for name, column := range v.Fields() {
		i := 0
		for cell := range column.Items() {
			if i == len(rows) {
				rows = append(rows, Value{'{'})
			}
			if len(rows[i]) > 1 {
				rows[i] = append(rows[i], ',')
			}
			rows[i] = append(append(appendQuoted(rows[i], name), ':'), cell...)
			i++
		}
	}
	for i := range rows {
		rows[i] = append(rows[i], '}')
	}
	return rows
}
