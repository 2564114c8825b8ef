package source

import (
	"slices"

	"github.com/longctx/pipeline/dataset"
)

// answers appends the reference answers in a value: text, a number, a bool, or a list of
// those. Blank, null and repeated ones are left out: they add nothing that can be compared with.
func (o *Out) answers(list []string, name string, v Value) ([]string, *Problem) {
	if v.IsNone() {
		return list, nil
	}
	if a, ok := o.scalar(v); ok {
		return addAnswer(list, a), nil
	}
	if v.Kind() != KindList {
		return nil, wrongType(name, v, "text, a number or a list of those")
	}
	for item := range v.Items() {
		if item.IsNone() {
			continue
		}
		a, ok := o.scalar(item)
		if !ok {
			return nil, wrongType(name+"[]", item, "text or a number")
		}
		list = addAnswer(list, a)
	}
	return list, nil
}

func addAnswer(list []string, a string) []string {
	if blank(a) || slices.Contains(list, a) {
		return list
	}
	return append(list, a)
}

// str returns the text of an optional field that must be a string.
func (o *Out) str(name string, v Value) (string, *Problem) {
	if v.IsNone() {
		return "", nil
	}
	if v.Kind() != KindString {
		return "", wrongType(name, v, "text")
	}
	return o.unquote(v), nil
}

// label returns the text of an optional field that names something: a string or number.
func (o *Out) label(name string, v Value) (string, *Problem) {
	if v.IsNone() {
		return "", nil
	}
	s, ok := o.scalar(v)
	if !ok {
		return "", wrongType(name, v, "text or a number")
	}
	return s, nil
}

// question returns the text of a question, which must be there.
func (o *Out) question(name string, v Value) (string, *Problem) {
	if v.IsNone() {
		return "", missing(name)
	}
	return o.str(name, v)
}

// metaOf makes a meta object of some of a record's fields; empty if it has none of them.
func (o *Out) metaOf(r *Record, names ...string) string {
	s := o.build(256, func(b []byte) []byte {
		sep := byte('{')
		for _, name := range names {
			if v := r.Get(name); !v.IsNone() {
				b = append(b, sep)
				b = appendQuoted(b, name)
				b = appendCompact(append(b, ':'), v)
				sep = ','
			}
		}
		if sep == ',' {
			b = append(b, '}')
		}
		return b
	})
	return s
}

// oneSample is the shape of most sets: one question with its answers in a record.
func (o *Out) oneSample(r *Record, id string, answerNames []string, meta string) {
	s := dataset.Sample{SourceID: id, Meta: meta}
	var bad *Problem
	if s.Question, bad = o.question("question", r.Get("question")); bad != nil {
		o.Reject(id, bad)
		return
	}
	found := false
	for _, name := range answerNames {
		v := r.Get(name)
		found = found || !v.IsNone()
		if s.Answers, bad = o.answers(s.Answers, name, v); bad != nil {
			o.Reject(id, bad)
			return
		}
	}
	if !found {
		o.Reject(id, missing(answerNames[0]))
		return
	}
	o.Sample(&s)
}

// paragraphs returns text, or a document's paragraphs joined by blank lines:
//
//	"text"   ["text", ..]   [{"title", "text"}, ..]   [["title", ["sentence", ..]], ..]
//	{"title": .., "text": ..}   {"title": [..], "sentences": [[..], ..]}
//
// A title stands on a line of its own above its text.
func (o *Out) paragraphs(v Value) (string, bool) {
	switch v.Kind() {
	case KindString:
		return o.unquote(v), true
	case KindList, KindObject:
	default:
		return "", false
	}
	ok := true
	s := o.build(len(v), func(b []byte) []byte {
		d := joiner{b: b, from: len(b)}
		ok = d.document(v)
		return d.b
	})
	return s, ok
}

// A joiner puts a document together from its pieces.
type joiner struct {
	b    []byte
	from int // where the document begins in b
}

func (d *joiner) document(v Value) bool {
	if v.Kind() == KindObject {
		titles, texts := v.Get("title"), textOf(v)
		if titles.Kind() != KindList {
			return d.paragraph(titles, texts)
		}
		next := stepThrough(titles)
		for t := range texts.Items() {
			if !d.paragraph(next(), t) {
				return false
			}
		}
		return texts.Kind() == KindList
	}
	for item := range v.Items() {
		ok := false
		switch item.Kind() {
		case KindString:
			ok = d.paragraph(nil, item)
		case KindObject:
			ok = d.paragraph(item.Get("title"), textOf(item))
		case KindList: // HotpotQA as published: [title, [sentences]]
			next := stepThrough(item)
			ok = item.Len() == 2 && d.paragraph(next(), next())
		}
		if !ok {
			return false
		}
	}
	return true
}

func textOf(v Value) Value {
	for _, name := range [...]string{"text", "paragraph_text", "sentences", "paragraphs", "content"} {
		if t := v.Get(name); !t.IsNone() {
			return t
		}
	}
	return nil
}

// stepThrough returns the elements of a list one by one, then empty values.
func stepThrough(list Value) func() Value {
	items := slices.Collect(list.Items())
	return func() (v Value) {
		if len(items) > 0 {
			v, items = items[0], items[1:]
		}
		return v
	}
}

func (d *joiner) paragraph(title, body Value) bool {
	if title.Kind() != KindString && !title.IsNone() {
		return false
	}
	if len(d.b) > d.from {
		d.b = append(d.b, "\n\n"...)
	}
	if len(title) > 2 && title.Kind() == KindString {
		d.b = append(appendUnquoted(d.b, title), '\n')
	}
	switch body.Kind() {
	case KindString:
		d.b = appendUnquoted(d.b, body)
	case KindList:
		return d.sentences(body)
	default:
		return false
	}
	return true
}

// sentences appends the sentences of a paragraph. Most sets keep the space between two of
// them in one of the two, and then nothing is added; in a paragraph without any such space,
// one is put between all.
func (d *joiner) sentences(list Value) bool {
	from := len(d.b)
	spaced, ok := d.concat(list, "")
	if ok && !spaced {
		d.b = d.b[:from]
		d.concat(list, " ")
	}
	return ok
}

// concat appends strings with a separator, and reports whether white space stands at any
// place where two of them meet.
func (d *joiner) concat(list Value, separator string) (spaced, ok bool) {
	from := len(d.b)
	for s := range list.Items() {
		if s.Kind() != KindString {
			return false, false
		}
		if len(d.b) > from {
			d.b = append(d.b, separator...)
		}
		at := len(d.b)
		d.b = appendUnquoted(d.b, s)
		if at > from && at < len(d.b) {
			spaced = spaced || isSpace(d.b[at-1]) || isSpace(d.b[at])
		}
	}
	return spaced, true
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }
