package source

import (
	"github.com/longctx/pipeline/dataset"
)

// Generic is the name of the family that takes any record, and the only one with a map.
const Generic = "jsonl"

// generic reads records in the program's own fields, or in others that a map names: one
// question or many on one document, SFT samples with a response, and chats.
//
//	{"id", "context", "question", "answer" | "answers", "response", "data_source", "meta"}
//	{"document": name of a file, "question", ..}
//	{"context", "questions": [{"question", "answer", "id"}, ..]}
//	{"context", "questions": ["..", ..], "answers": [.., ..]}
//	{"messages": [{"role", "content"}, ..], "answer"}
//
// A record with a question is never read as a chat.
var generic = Family{
	Name:      Generic,
	Recognize: func(*Record) bool { return true },
	Samples:   func(r *Record, out *Out) { (&genericRecord{r, out}).samples() },
}

// otherNames are further names of a target that need no map.
var otherNames = map[string][]string{
	"questions": {"qas", "qa_pairs"},
	"messages":  {"conversations"},
}

type genericRecord struct {
	*Record
	*Out
}

// target returns a field of the record by the sample's word for it, and the word that the record has.
func (g *genericRecord) target(name string) (string, Value) {
	if path, ok := g.paths[name]; ok {
		return pathName(path), g.Record.lookup(path)
	}
	if v := g.Record.Get(name); !v.IsNone() {
		return name, v
	}
	for _, other := range otherNames[name] {
		if v := g.Record.Get(other); !v.IsNone() {
			return other, v
		}
	}
	return name, g.Record.Get(name)
}

// inner returns a field of one entry of a list of questions; a map's path begins there.
func (g *genericRecord) inner(entry Value, name string) (string, Value) {
	if path, ok := g.paths[name]; ok {
		return pathName(path), entry.lookup(path)
	}
	return name, entry.Get(name)
}

func (g *genericRecord) samples() {
	base, bad := g.common()
	if bad != nil {
		g.Reject(base.SourceID, bad)
		return
	}
	_, single := g.target("question")
	if name, list := g.target("questions"); single.IsNone() && !list.IsNone() {
		g.many(base, name, list)
		return
	}
	if name, turns := g.target("messages"); single.IsNone() && !turns.IsNone() {
		g.chat(base, name, turns)
		return
	}
	name, v := g.target("question")
	s := base
	if s.Question, bad = g.question(name, v); bad == nil {
		bad = g.answered(&s, g.target)
	}
	if bad != nil {
		g.Reject(s.SourceID, bad)
		return
	}
	if g.document(s.SourceID) {
		g.Sample(&s)
	}
}

// common reads the fields that all samples of a record share.
func (g *genericRecord) common() (s dataset.Sample, bad *Problem) {
	name, v := g.target("id")
	if s.SourceID, bad = g.label(name, v); bad != nil {
		return s, bad
	}
	name, v = g.target("data_source")
	if s.DataSource, bad = g.label(name, v); bad != nil {
		return s, bad
	}
	if _, v := g.target("meta"); !v.IsNone() {
		s.Meta = g.compact(v)
	}
	return s, nil
}

// document takes the text that the record holds, or names.
func (g *genericRecord) document(id string) bool {
	name, v := g.target("context")
	if field, named := g.target("document"); v.IsNone() && named.Kind() == KindString {
		if g.documents == nil {
			g.Reject(id, problem(dataset.ReasonMissingField, "no field %q, and no folder is given for the document that %q names", name, field))
			return false
		}
		text, bad := g.documents(g.unquote(named))
		if bad != nil {
			g.Reject(id, bad)
			return false
		}
		return g.Text(id, text)
	}
	return g.Document(id, name, v)
}

// answered reads answers and response of a sample; one of them must be there.
func (g *genericRecord) answered(s *dataset.Sample, get func(string) (string, Value)) (bad *Problem) {
	name, v := get("response")
	if s.Response, bad = g.str(name, v); bad != nil {
		return bad
	}
	found, err := g.readAnswers(s, get)
	switch {
	case err != nil:
		return err
	case !found && v.IsNone():
		name, _ := get("answer")
		return missing(name)
	case blank(s.Response):
		s.Response = ""
	}
	return nil
}

// readAnswers takes the main answer first, then the list, each answer once.
func (g *genericRecord) readAnswers(s *dataset.Sample, get func(string) (string, Value)) (found bool, bad *Problem) {
	for _, target := range [...]string{"answer", "answers"} {
		name, v := get(target)
		found = found || !v.IsNone()
		if s.Answers, bad = g.answers(s.Answers, name, v); bad != nil {
			return found, bad
		}
	}
	return found, nil
}

// many reads a record with a list of questions; a bad one does not spoil the others.
func (g *genericRecord) many(base dataset.Sample, name string, list Value) {
	if list.Kind() != KindList {
		g.Reject(base.SourceID, wrongType(name, list, "a list"))
		return
	}
	if list.Len() == 0 {
		g.Reject(base.SourceID, problem(dataset.ReasonMissingField, "the list %q is empty", name))
		return
	}
	answersName, answers := g.target("answers")
	nextAnswer := stepThrough(answers)
	if n := answers.Len(); n > 0 && n != list.Len() {
		g.Reject(base.SourceID, problem(dataset.ReasonWrongType, "%d entries in %q, but %d in %q", list.Len(), name, n, answersName))
		return
	}
	if !g.document(base.SourceID) {
		return
	}
	for entry := range list.Items() {
		s, answer := base, nextAnswer()
		if bad := g.entry(&s, name, entry, answersName, answer); bad != nil {
			g.Reject(s.SourceID, bad)
			continue
		}
		g.Sample(&s)
	}
}

// entry reads one of many questions: an object, or a text whose answer stands in a list beside.
func (g *genericRecord) entry(s *dataset.Sample, name string, entry Value, answersName string, answer Value) (bad *Problem) {
	if entry.Kind() == KindString {
		s.Question = g.unquote(entry)
		if answer.IsNone() {
			return missing(answersName)
		}
		s.Answers, bad = g.answers(nil, answersName, answer)
		return bad
	}
	if entry.Kind() != KindObject {
		return wrongType(name+"[]", entry, "text or an object")
	}
	get := func(target string) (string, Value) { return g.inner(entry, target) }
	if _, v := get("id"); !v.IsNone() {
		if s.SourceID, bad = g.label("id", v); bad != nil {
			return bad
		}
	}
	if v := entry.Get("meta"); !v.IsNone() {
		s.Meta = g.compact(v)
	}
	field, v := get("question")
	if s.Question, bad = g.question(field, v); bad != nil {
		return bad
	}
	return g.answered(s, get)
}

func (g *genericRecord) chat(base dataset.Sample, name string, turns Value) {
	s := base
	found, bad := g.readAnswers(&s, g.target)
	for _, path := range [...][]string{{"reward_model", "ground_truth"}, {"ground_truth"}} {
		if v := g.Record.lookup(path); !found && !v.IsNone() && bad == nil {
			s.Answers, bad = g.answers(nil, pathName(path), v)
			found = true
		}
	}
	if bad != nil {
		g.Reject(s.SourceID, bad)
		return
	}
	if bad := toolsBeside(g.Record); bad != nil {
		g.Reject(s.SourceID, bad)
		return
	}
	if context, v := g.target("context"); !hollow(v) {
		g.Reject(s.SourceID, problem(dataset.ReasonUnknownMessage,
			"a chat is used as it is, and this record has a %s beside it; put it into a turn", context))
		return
	}
	g.chatSample(s.SourceID, name, turns, &s, found)
}
