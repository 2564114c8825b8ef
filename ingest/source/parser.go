package source

import (
	"fmt"
	"strings"

	"github.com/longctx/pipeline/dataset"
)

// A Sink takes what a parser makes of records, in their order. The strings of a sample
// are valid only during the call.
type Sink interface {
	Sample(s *dataset.Sample, n dataset.Notes)
	Reject(sourceID string, p *Problem)
}

// Options say how the records of one input are read.
type Options struct {
	Map            map[string]string // generic format only: field of the sample -> path in the record
	DataSource     string            // task name of records that do not say
	AllowNoContext bool              // samples without a document are taken, such as math

	// Documents returns the document of a name, for records that name one; nil: they hold it.
	Documents func(name string) (string, *Problem)
}

// A Parser reads the records of one input. It is not safe for use by several goroutines.
type Parser struct {
	family  *Family
	checker *Checker
	record  Record
	out     Out
}

// NewParser returns a parser of the records of a family.
func NewParser(family string, o Options, sink Sink) (*Parser, error) {
	f, ok := Lookup(family)
	if !ok {
		return nil, fmt.Errorf("unknown format %q", family)
	}
	p := &Parser{family: f, checker: NewChecker()}
	p.out = Out{sink: sink, dataSource: f.DataSource, allowNoContext: o.AllowNoContext, documents: o.Documents}
	if o.DataSource != "" {
		p.out.dataSource = o.DataSource
	}
	if len(o.Map) > 0 {
		p.out.paths = make(map[string][]string, len(o.Map))
		for target, path := range o.Map {
			p.out.paths[target] = strings.Split(path, ".")
		}
	}
	return p, nil
}

// Parse hands the samples and rejects of one record to the sink. cutOff says that the
// input ended without a newline after it.
func (p *Parser) Parse(record []byte, cutOff bool) {
	p.out.reset()
	v, bad := p.checker.Check(record, cutOff)
	if bad != nil {
		p.out.sink.Reject("", bad)
		return
	}
	p.record.set(v)
	p.family.Samples(&p.record, &p.out)
}

// An Out is what a family hands its samples to. It keeps the rules that all families
// share: what must not be empty, default task names, content hashes.
type Out struct {
	scratch
	sink           Sink
	paths          map[string][]string
	dataSource     string
	allowNoContext bool
	documents      func(name string) (string, *Problem)

	context  string
	hash     dataset.ContextHash
	hashed   bool
	docNotes dataset.Notes
}

func (o *Out) reset() {
	o.scratch.reset()
	o.setContext("")
}

func (o *Out) setContext(context string) {
	o.context, o.hashed, o.docNotes = context, false, noteNUL(context)
}

// Document sets the context of the samples that follow: text, or paragraphs that are
// joined. It hashes it once for all of them. A document that cannot be used is one
// reject of the whole record, and false. An absent one is too, unless the options allow it.
func (o *Out) Document(sourceID, name string, v Value) bool {
	if v.IsNone() {
		if !o.allowNoContext {
			o.Reject(sourceID, missing(name))
		}
		return o.allowNoContext
	}
	context, ok := o.paragraphs(v)
	if !ok {
		o.Reject(sourceID, wrongType(name, v, "text or a list of paragraphs"))
		return false
	}
	return o.Text(sourceID, context)
}

// Text is Document for a context that the family has put together itself.
func (o *Out) Text(sourceID, context string) bool {
	if blank(context) {
		if !o.allowNoContext {
			o.Reject(sourceID, problem(dataset.ReasonEmptyContext, "the context is empty"))
			return false
		}
		context = ""
	}
	o.setContext(context)
	return true
}

// Sample hands on one sample of the current document, or rejects it.
func (o *Out) Sample(s *dataset.Sample) {
	s.Context = o.context
	if blank(s.Question) {
		o.Reject(s.SourceID, problem(dataset.ReasonEmptyQuestion, "the question is empty"))
		return
	}
	if len(s.Answers) == 0 && s.Response == "" {
		o.Reject(s.SourceID, problem(dataset.ReasonEmptyAnswer, "no answer that is not empty"))
		return
	}
	if s.DataSource == "" {
		s.DataSource = o.dataSource
	}
	if !o.hashed {
		o.hash, o.hashed = dataset.HashContext(o.context), true
	}
	s.ID = dataset.HashSample(s, o.hash)
	notes := o.docNotes | noteNUL(s.Question) | noteNUL(s.Response)
	for _, a := range s.Answers {
		notes |= noteNUL(a)
	}
	o.sink.Sample(s, notes)
}

// Reject sends one sample, or the whole record, to quarantine.
func (o *Out) Reject(sourceID string, p *Problem) { o.sink.Reject(strings.Clone(sourceID), p) }

func blank(s string) bool { return strings.TrimSpace(s) == "" }

func noteNUL(s string) dataset.Notes {
	if strings.IndexByte(s, 0) >= 0 {
		return dataset.NoteNUL
	}
	return 0
}
