package source

import "github.com/longctx/pipeline/dataset"

// qmsum reads QMSum: a meeting per record, with general and specific queries on it. The
// context is the transcript, a line "speaker: content" per turn.
var qmsum = Family{
	Name:       "qmsum",
	DataSource: "qmsum",
	Recognize: func(r *Record) bool {
		return r.Get("meeting_transcripts").Kind() == KindList && r.Get("specific_query_list").Kind() == KindList
	},
	Samples: qmsumSamples,
}

// qmsumLists are the query lists in the order of their samples.
var qmsumLists = [...]struct{ field, kind string }{
	{"general_query_list", "general"},
	{"specific_query_list", "specific"},
}

func qmsumSamples(r *Record, out *Out) {
	id, bad := out.label("meeting_id", r.first("id", "meeting_id"))
	transcript := r.Get("meeting_transcripts")
	queries := 0
	switch {
	case bad != nil:
	case transcript.IsNone():
		bad = missing("meeting_transcripts")
	case transcript.Kind() != KindList:
		bad = wrongType("meeting_transcripts", transcript, "a list")
	}
	for _, list := range qmsumLists {
		v := r.Get(list.field)
		if bad == nil && !v.IsNone() && v.Kind() != KindList {
			bad = wrongType(list.field, v, "a list")
		}
		queries += v.Len()
	}
	if bad == nil && queries == 0 {
		bad = problem(dataset.ReasonMissingField, "the meeting has no queries")
	}
	context, ok := out.transcript(transcript)
	if bad == nil && !ok {
		bad = problem(dataset.ReasonWrongType, "a turn of %q lacks the text of speaker or content", "meeting_transcripts")
	}
	if bad != nil {
		out.Reject(id, bad)
		return
	}
	if !out.Text(id, context) {
		return
	}
	for _, list := range qmsumLists {
		for q := range r.Get(list.field).Items() {
			out.query(id, list.kind, q)
		}
	}
}

func (o *Out) transcript(turns Value) (string, bool) {
	ok := true
	s := o.build(len(turns), func(b []byte) []byte {
		from := len(b)
		for t := range turns.Items() {
			speaker, content := t.Get("speaker"), t.Get("content")
			ok = ok && speaker.Kind() == KindString && content.Kind() == KindString
			if len(b) > from {
				b = append(b, '\n')
			}
			b = append(appendUnquoted(b, speaker), ": "...)
			b = appendUnquoted(b, content)
		}
		return b
	})
	return s, ok
}

func (o *Out) query(id, kind string, q Value) {
	s := dataset.Sample{SourceID: id}
	var bad *Problem
	answer := q.Get("answer")
	switch {
	case q.Kind() != KindObject:
		bad = wrongType("query", q, "an object")
	case answer.IsNone():
		bad = missing("answer")
	default:
		if s.Question, bad = o.question("query", q.Get("query")); bad == nil {
			s.Answers, bad = o.answers(nil, "answer", answer)
		}
	}
	if bad != nil {
		o.Reject(id, bad)
		return
	}
	s.Meta = o.build(64, func(b []byte) []byte {
		b = append(append(append(b, `{"query_kind":"`...), kind...), '"')
		if span := q.Get("relevant_text_span"); !span.IsNone() {
			b = appendCompact(append(b, `,"relevant_text_span":`...), span)
		}
		return append(b, '}')
	})
	o.Sample(&s)
}
