package clean

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/ingest/dedup"
	"github.com/longctx/pipeline/ingest/source"
)

// A Plan is what to look for, with the benchmarks read. It may be shared by goroutines.
type Plan struct {
	Options
	Benchmarks []Benchmark
	leaks      *leaks // nil: none
	notes      dataset.Notes
	drops      dataset.Notes
}

// NewPlan checks the options and reads the benchmarks.
func NewPlan(ctx context.Context, o Options) (*Plan, error) {
	if err := o.defaults(); err != nil {
		return nil, fmt.Errorf("clean: %w", err)
	}
	p := &Plan{Options: o, notes: notesOf(o.Check), drops: notesOf(o.Drop)}
	if len(o.Decontaminate) > 0 {
		var err error
		if p.leaks, p.Benchmarks, err = readBenchmarks(ctx, o); err != nil {
			return nil, fmt.Errorf("decontaminate: %w", err)
		}
	}
	return p, nil
}

// A Near is what near-deduplication must know of a sample.
type Near struct {
	Document  xxh3.Uint128    // of the document's bytes
	Signature dedup.Signature // of its words
	Claim     uint64          // of question, answers and response; by document always 0
	Empty     bool            // neither document nor question has a word: never a near duplicate
}

// A Verdict is what is said of one sample.
type Verdict struct {
	Drop     dataset.Reason // empty: it is kept
	Detail   string
	Evidence *dataset.Evidence
	Notes    dataset.Notes
	Near     Near // valid where it is kept and near-deduplication is on
}

// A Cleaner looks at samples. It is not safe for use by several goroutines.
type Cleaner struct {
	plan *Plan
	doc  document
	turn []uint64 // words of the field in hand
	list []uint64
}

// A document is what is known of the document of the samples in hand: many follow on one.
type document struct {
	known          bool
	text           string // nothing else points into the batch that it came from
	words          []uint64
	control        bool
	near           Near
	leaked         bool
	leakAt, leakOf int
}

// New returns a cleaner of the plan.
func (p *Plan) New() *Cleaner { return &Cleaner{plan: p} }

// Look says what is to be said of a sample.
func (c *Cleaner) Look(s *dataset.Sample) Verdict {
	c.read(documentOf(s))
	var v Verdict
	if c.plan.leaks != nil {
		if v.Evidence = c.leak(s); v.Evidence != nil {
			v.Drop = dataset.ReasonContaminated
			v.Detail = fmt.Sprintf("%s of sample %q of the benchmark %s: %q stands in the %s",
				v.Evidence.Field, v.Evidence.BenchmarkID, v.Evidence.Benchmark, v.Evidence.NGram, v.Evidence.FoundIn)
			return v
		}
	}
	found := c.check(s)
	for _, k := range checks {
		if found&c.plan.drops&k.note != 0 {
			v.Drop, v.Detail = k.reason, k.detail
			return v
		}
	}
	v.Notes = found & c.plan.notes
	if c.plan.NearDedup > 0 {
		v.Near = c.near(s)
	}
	return v
}

// documentOf returns the text that a sample's question is about.
func documentOf(s *dataset.Sample) string {
	if s.Messages == "" {
		return s.Context
	}
	var turns []struct{ Content string }
	if json.Unmarshal([]byte(s.Messages), &turns) != nil {
		return s.Messages
	}
	var b strings.Builder
	for _, t := range turns {
		b.WriteString(t.Content)
		b.WriteByte('\n')
	}
	return b.String()
}

// read looks at a document, unless it is the one in hand.
func (c *Cleaner) read(text string) {
	if c.doc.known && c.doc.text == text {
		return
	}
	d := document{known: true, text: strings.Clone(text), words: c.doc.words[:0]}
	d.words = dedup.Hash(d.words, text)
	if (c.plan.notes|c.plan.drops)&dataset.NoteControl != 0 {
		d.control = hasControl(text)
	}
	if c.plan.NearDedup > 0 && len(d.words) > 0 {
		d.near.Document, d.near.Signature = xxh3.HashString128(text), dedup.Sign(d.words)
	}
	if c.plan.leaks != nil {
		d.leakAt, d.leakOf, d.leaked = c.plan.leaks.grams.Find(d.words)
	}
	c.doc = d
}

// leak finds what a sample has of a benchmark.
func (c *Cleaner) leak(s *dataset.Sample) *dataset.Evidence {
	l := c.plan.leaks
	find := func(where, text string) *dataset.Evidence {
		c.turn = dedup.Hash(c.turn[:0], text)
		if at, of, ok := l.grams.Find(c.turn); ok {
			return l.evidence(of, where, dedup.Words(text, at, l.grams.N()))
		}
		return nil
	}
	if e := find("question", s.Question); e != nil {
		return e
	}
	for _, a := range s.Answers {
		c.list = dedup.Hash(c.list[:0], a)
		if of, ok := l.short[fold(c.turn, c.list)]; ok { // c.turn: the question
			return l.evidence(of, "question", dedup.Words(s.Question, 0, l.grams.N()))
		}
	}
	for _, a := range s.Answers {
		if e := find("answers", a); e != nil {
			return e
		}
	}
	if e := find("response", s.Response); e != nil {
		return e
	}
	if c.doc.leaked {
		where := "context"
		if s.Messages != "" {
			where = "messages"
		}
		return l.evidence(c.doc.leakOf, where, dedup.Words(c.doc.text, c.doc.leakAt, l.grams.N()))
	}
	return nil
}

func (l *leaks) evidence(of int, where, words string) *dataset.Evidence {
	o := l.origins[of]
	return &dataset.Evidence{Benchmark: o.benchmark, BenchmarkID: o.id, Field: o.field, NGram: words, FoundIn: where}
}

// check returns the notes that are true of a sample, of those that are asked for.
func (c *Cleaner) check(s *dataset.Sample) dataset.Notes {
	want := c.plan.notes | c.plan.drops
	var n dataset.Notes
	if want&dataset.NoteControl != 0 && (c.doc.control || hasControl(s.Question) || hasControl(s.Response) || slices.ContainsFunc(s.Answers, hasControl)) {
		n |= dataset.NoteControl
	}
	if c.doc.text == "" {
		return n
	}
	if len(c.doc.words) < NearEmptyWords {
		n |= want & dataset.NoteNearEmpty
	}
	if want&dataset.NoteAnswerAbsent != 0 && len(s.Answers) > 0 && !slices.ContainsFunc(s.Answers, c.inDocument) {
		n |= dataset.NoteAnswerAbsent
	}
	return n
}

// inDocument reports whether the words of an answer stand in the document, one after the other.
// An answer without words, such as "?", is looked for as it is.
func (c *Cleaner) inDocument(answer string) bool {
	c.list = dedup.Hash(c.list[:0], answer)
	if len(c.list) == 0 {
		return strings.Contains(c.doc.text, answer)
	}
	rest := c.doc.words
	for {
		i := slices.Index(rest, c.list[0])
		if i < 0 || len(rest)-i < len(c.list) {
			return false
		}
		if slices.Equal(rest[i:i+len(c.list)], c.list) {
			return true
		}
		rest = rest[i+1:]
	}
}

// hasControl reports whether a text has a control character that is no white space.
func hasControl(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\t' && r != '\r' && r != '\f' || r >= 0x7f && r <= 0x9f && r != 0x85
	})
}

// longQuestion is from how many words on a question holds its document, as the last turn of a
// chat may: then its first and last words stand for it.
const longQuestion, questionEnds = 256, 64

func (c *Cleaner) near(s *dataset.Sample) Near {
	n := c.doc.near
	question := dedup.Hash(c.turn[:0], s.Question)
	c.turn = question
	if len(c.doc.words) == 0 {
		if len(question) == 0 {
			return Near{Empty: true}
		}
		n.Document, n.Signature = xxh3.HashString128(s.Question), dedup.Sign(question)
		question = nil
	}
	if c.plan.NearDedupBy == ByDocument {
		return n
	}
	if len(question) > longQuestion {
		question = slices.Concat(question[:questionEnds], question[len(question)-questionEnds:])
	}
	n.Claim = fold(question)
	for _, a := range s.Answers {
		c.list = dedup.Hash(c.list[:0], a)
		n.Claim = dedup.Mix(n.Claim, fold(c.list))
	}
	c.list = dedup.Hash(c.list[:0], s.Response)
	n.Claim = dedup.Mix(n.Claim, fold(c.list))
	return n
}

// Excerpt returns the first characters of a sample's question, for its reject.
func Excerpt(s *dataset.Sample) string { return source.Excerpt([]byte(s.Question)) }

func clone(s string) string { return strings.Clone(s) }
