package source

import "github.com/longctx/pipeline/dataset"

// tatqa reads TAT-QA: a table and the paragraphs around it, with questions on both. The context
// is the paragraphs in their order and the table as Markdown, where the paragraphs leave off.
//
//	{"table": {"uid", "table": [[..], ..]}, "paragraphs": [{"order", "text"}, ..],
//	 "questions": [{"uid", "question", "answer", "scale", "answer_type", "derivation"}, ..]}
//
// An answer carries its scale ("12.3 million", "40.74%"); the spans of one answer are joined
// by "; ", as all of them together are the answer.
var tatqa = Family{
	Name:       "tatqa",
	DataSource: "tatqa",
	Recognize: func(r *Record) bool {
		return r.Get("table").Get("table").Kind() == KindList && r.Get("paragraphs").Kind() == KindList && r.Get("questions").Kind() == KindList
	},
	Samples: tatqaSamples,
}

func tatqaSamples(r *Record, out *Out) {
	id, bad := out.label("table.uid", r.Get("table").Get("uid"))
	if bad != nil {
		out.Reject("", bad)
		return
	}
	context, ok := out.tableReport(r.Get("paragraphs"), r.Get("table").Get("table"))
	if !ok {
		out.Reject(id, problem(dataset.ReasonWrongType, "a paragraph lacks its text, or the table is no list of rows of text"))
		return
	}
	questions := r.Get("questions")
	if questions.Len() == 0 {
		out.Reject(id, problem(dataset.ReasonMissingField, "the list %q is empty", "questions"))
		return
	}
	if !out.Text(id, context) {
		return
	}
	for q := range questions.Items() {
		out.tatqaQuestion(id, q)
	}
}

func (o *Out) tatqaQuestion(report string, q Value) {
	s := dataset.Sample{}
	var bad *Problem
	if s.SourceID, bad = o.label("questions[].uid", q.Get("uid")); bad == nil {
		s.Question, bad = o.question("questions[].question", q.Get("question"))
	}
	if s.SourceID == "" {
		s.SourceID = report
	}
	if bad == nil {
		s.Answers, bad = o.scaled(q.Get("answer"), q.Get("scale"))
	}
	if bad != nil {
		o.Reject(s.SourceID, bad)
		return
	}
	s.Meta = o.metaOf(newRecord(q), "answer_type", "answer_from", "scale", "derivation")
	o.Sample(&s)
}

// scaled returns the one answer that a value, or a list of spans, and its scale make.
func (o *Out) scaled(answer, scale Value) ([]string, *Problem) {
	if answer.IsNone() {
		return nil, missing("questions[].answer")
	}
	spans := []Value{answer}
	if answer.Kind() == KindList {
		spans = spans[:0]
		for span := range answer.Items() {
			spans = append(spans, span)
		}
	}
	unit, bad := o.str("questions[].scale", scale)
	if bad != nil {
		return nil, bad
	}
	text := o.build(64, func(b []byte) []byte {
		for i, span := range spans {
			a, ok := o.scalar(span)
			if !ok {
				bad = wrongType("questions[].answer", span, "text or a number")
			}
			if i > 0 {
				b = append(b, "; "...)
			}
			b = appendScaled(b, a, unit)
		}
		return b
	})
	if bad != nil {
		return nil, bad
	}
	return []string{text}, nil
}

func appendScaled(b []byte, answer, unit string) []byte {
	b = append(b, answer...)
	switch unit {
	case "":
		return b
	case "percent":
		if len(answer) > 0 && answer[len(answer)-1] == '%' {
			return b
		}
		return append(b, '%')
	}
	return append(append(b, ' '), unit...)
}

// tableReport joins paragraphs and table by blank lines.
func (o *Out) tableReport(paragraphs, table Value) (string, bool) {
	ok := true
	s := o.build(len(paragraphs)+len(table), func(b []byte) []byte {
		d := joiner{b: b, from: len(b)}
		for p := range paragraphs.Items() {
			ok = ok && d.paragraph(nil, p.Get("text"))
		}
		if len(d.b) > d.from {
			d.b = append(d.b, "\n\n"...)
		}
		var rows bool
		d.b, rows = appendTable(d.b, table)
		ok = ok && rows
		return d.b
	})
	return s, ok
}

// appendTable appends rows of cells as a Markdown table whose first row is its head.
func appendTable(b []byte, rows Value) ([]byte, bool) {
	first := true
	for row := range rows.Items() {
		if row.Kind() != KindList {
			return b, false
		}
		if !first {
			b = append(b, '\n')
		}
		cells := 0
		b = append(b, '|')
		for cell := range row.Items() {
			switch cell.Kind() {
			case KindString:
				from := len(b)
				b = appendUnquoted(append(b, ' '), cell)
				for i := from; i < len(b); i++ {
					if b[i] == '\n' {
						b[i] = ' '
					}
				}
			case KindNumber, KindBool:
				b = append(append(b, ' '), cell...)
			case KindNull:
			default:
				return b, false
			}
			b = append(b, " |"...)
			cells++
		}
		if first {
			b = append(b, "\n|"...)
			for range cells {
				b = append(b, " --- |"...)
			}
		}
		first = false
	}
	return b, !first
}
