package ingest

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/ingest/source"
)

// batchBytes bounds the text in a batch: a batch is closed once it has this much, so it is
// at most one sample over. A document with a thousand questions becomes many batches.
const batchBytes = 1 << 20

// A Parser turns chunks into batches of samples. It is not safe for use by several
// goroutines: make one for each. It reads chunks of any split of its plan.
type Parser struct {
	plan    *Plan
	builder *dataset.BatchBuilder
	parsers map[int]*source.Parser // by input

	// The chunk in work.
	in      Planned
	place   dataset.Place
	raw     []byte
	emit    func(arrow.Record) error
	counts  Counts
	rejects []dataset.Reject
	err     error
}

// NewParser returns a parser for the chunks of a plan.
func NewParser(p *Plan) *Parser {
	return &Parser{plan: p, builder: dataset.NewBatchBuilder(), parsers: map[int]*source.Parser{}}
}

// Release frees the parser's memory.
func (p *Parser) Release() { p.builder.Release() }

// Parse emits the samples of a chunk in record order, as batches of dataset.IngestSchema
// that belong to emit, and returns what it could not take. An error is emit's own.
func (p *Parser) Parse(c Chunk, emit func(arrow.Record) error) (Counts, []dataset.Reject, error) {
	p.in, p.emit = p.plan.Inputs[c.Input], emit
	p.counts, p.rejects, p.err = Counts{}, nil, nil
	records, err := p.recordParser(c.Input)
	if err != nil {
		return Counts{}, nil, err
	}
	for _, rec := range c.records {
		p.place = dataset.Place{Line: rec.line, Offset: rec.offset}
		p.raw = c.bytes(rec)
		p.counts.Records++
		if rec.bad != nil {
			if rec.excerpt != nil {
				p.raw = rec.excerpt
			}
			p.Reject("", rec.bad)
			continue
		}
		if records.Parse(p.raw, rec.cutOff); p.err != nil {
			break
		}
	}
	if p.in.Documents != nil && p.err == nil {
		if err := p.in.Documents.Err(); err != nil {
			p.err = fmt.Errorf("%w: %w", ErrInputChanged, err)
		}
	}
	if p.err == nil && p.builder.Rows() > 0 {
		p.flush()
	}
	return p.counts, p.rejects, p.err
}

func (p *Parser) recordParser(input int) (*source.Parser, error) {
	if r, ok := p.parsers[input]; ok {
		return r, nil
	}
	o := source.Options{Map: p.in.Map, DataSource: p.in.DataSource, AllowNoContext: p.plan.options.AllowNoContext}
	if p.in.Documents != nil {
		o.Documents = p.in.Documents.Text
	}
	r, err := source.NewParser(p.in.Format, o, p)
	p.parsers[input] = r
	return r, err
}

// Sample takes a sample from the record parser.
func (p *Parser) Sample(s *dataset.Sample, n dataset.Notes) {
	p.counts.In++
	if p.err != nil {
		return
	}
	p.counts.Kept++
	s.Source = p.in.Name
	p.place.Notes = n
	p.builder.Append(s, p.place)
	if p.builder.Bytes() >= batchBytes {
		p.flush()
	}
}

// Reject takes a record, or one of its samples, that cannot be used.
func (p *Parser) Reject(sourceID string, bad *source.Problem) {
	p.counts.In++
	p.rejects = append(p.rejects, dataset.Reject{
		Stage: stage, Source: p.in.Name, Line: p.place.Line, Offset: p.place.Offset, SourceID: sourceID,
		Reason: bad.Reason, Detail: bad.Detail, Excerpt: source.Excerpt(p.raw),
	})
}

func (p *Parser) flush() { p.err = p.emit(p.builder.Batch()) }
