package source

import "github.com/longctx/pipeline/dataset"

// loogle reads LooGLE: a document with its questions as the text of a Python list, or, for
// summaries, one output.
//
//	{"input", "title", "qa_pairs": "[{'Q': .., 'A': .., 'S': ..}, ..]" | "none", "output"}
//
// The answer of a cloze is a dict of masks, and becomes "<mask-0>: x; <mask-1>: y".
var loogle = Family{
	Name:       "loogle",
	DataSource: "loogle",
	Recognize: func(r *Record) bool {
		return r.Get("input").Kind() == KindString && r.Get("qa_pairs").Kind() == KindString && !r.Get("output").IsNone()
	},
	Samples: loogleSamples,
}

const loogleSummary = "Please write a summary of the text."

func loogleSamples(r *Record, out *Out) {
	id, bad := out.label("title", r.first("id", "title"))
	if bad != nil {
		out.Reject("", bad)
		return
	}
	if !out.Document(id, "input", r.Get("input")) {
		return
	}
	pairs, bad := out.str("qa_pairs", r.Get("qa_pairs"))
	if bad != nil {
		out.Reject(id, bad)
		return
	}
	if pairs == "none" || pairs == "" {
		s := dataset.Sample{SourceID: id, Question: loogleSummary, Meta: `{"kind":"summary"}`}
		if s.Answers, bad = out.answers(nil, "output", r.Get("output")); bad != nil {
			out.Reject(id, bad)
			return
		}
		out.Sample(&s)
		return
	}
	list, ok := pyLiteral(nil, pairs)
	if !ok || Value(list).Kind() != KindList {
		out.Reject(id, problem(dataset.ReasonWrongType, "field %q is not the text of a Python list", "qa_pairs"))
		return
	}
	if Value(list).Len() == 0 {
		out.Reject(id, problem(dataset.ReasonMissingField, "the list %q is empty", "qa_pairs"))
	}
	for pair := range Value(list).Items() {
		out.looglePair(id, pair)
	}
}

func (o *Out) looglePair(id string, pair Value) {
	s := dataset.Sample{SourceID: id}
	var bad *Problem
	if s.Question, bad = o.question("qa_pairs[].Q", pair.Get("Q")); bad == nil {
		switch a := pair.Get("A"); {
		case a.IsNone():
			bad = missing("qa_pairs[].A")
		case a.Kind() == KindString && looksLikeDict(a):
			s.Answers = []string{o.masks(a)}
		case a.Kind() == KindObject:
			s.Answers = []string{o.joinFields(a)}
		default:
			s.Answers, bad = o.answers(nil, "qa_pairs[].A", a)
		}
	}
	if bad != nil {
		o.Reject(id, bad)
		return
	}
	if kind := pair.Get("type"); kind.Kind() == KindString {
		s.Meta = o.build(32, func(b []byte) []byte { return append(appendCompact(append(b, `{"kind":`...), kind), '}') })
	}
	o.Sample(&s)
}

func looksLikeDict(v Value) bool { return len(v) > 8 && string(v[:7]) == `"{'<mas` }

// masks reads the dict that an answer is; where it is none, the text as it stands.
func (o *Out) masks(v Value) string {
	text := o.unquote(v)
	dict, ok := pyLiteral(nil, text)
	if !ok || Value(dict).Kind() != KindObject {
		return text
	}
	return o.joinFields(dict)
}

// joinFields writes an object as "name: value; name: value".
func (o *Out) joinFields(v Value) string {
	return o.build(len(v), func(b []byte) []byte {
		from := len(b)
		for name, f := range v.Fields() {
			if len(b) > from {
				b = append(b, "; "...)
			}
			b = append(append(b, name...), ": "...)
			if f.Kind() == KindString {
				b = appendUnquoted(b, f)
			} else {
				b = append(b, f...)
			}
		}
		return b
	})
}
