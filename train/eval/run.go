package eval

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/tokenize/bpe"
	"github.com/longctx/pipeline/tokenize/template"
)

// A Run is one evaluation of a dataset in a folder of its own.
type Run struct {
	Config   Config
	Dataset  fs.FS
	Manifest *dataset.Manifest
	Samples  *Samples
	Output   dataset.FS

	Template    *template.PromptTemplate // APIChat
	Tokenizer   *bpe.Tokenizer           // the dataset's; needed to truncate, else it counts lengths where it is there
	Policy      Policy
	Concurrency int // requests in flight

	Log *Log
}

// Generate asks for the responses that the folder lacks. What came is on disk whatever the error
// is; the next call goes on. ErrDiffers, ErrDown, ErrRefusedAll.
func (r *Run) Generate(ctx context.Context, p *Progress) (Asked, error) {
	if err := r.Config.Claim(r.Output); err != nil {
		return Asked{}, err
	}
	if r.Config.Truncate == TruncateMiddle && r.Tokenizer == nil {
		return Asked{}, errors.New("truncate: the dataset has no tokenizer to measure with")
	}
	r.count(p)
	g := &generator{
		c: &r.Config, policy: r.Policy, log: r.Log, count: counter(r.Tokenizer), concurrency: max(r.Concurrency, 1), progress: p,
	}
	return g.run(ctx, r.jobs(ctx))
}

// count sets how much is to do, and how much of it is done.
func (r *Run) count(p *Progress) {
	p.Total.Store(int64(len(r.Samples.List) * r.Config.N))
	for i := range r.Samples.List {
		id := r.Samples.List[i].ID
		for n := range r.Config.N {
			if r.Log.Has(id, n) {
				p.Done.Add(1)
				p.Resumed.Add(1)
			}
		}
	}
}

// jobs reads the samples and writes their prompts, one at a time.
func (r *Run) jobs(ctx context.Context) iter.Seq2[job, error] {
	p := &prompter{&r.Config, r.Template, r.Tokenizer}
	return func(yield func(job, error) bool) {
		if r.Config.API == APICompletions {
			for q, err := range each(ctx, r.Samples, func(q *idQuestion) string { return q.SampleID }) {
				if err != nil {
					yield(job{}, err)
					return
				}
				if !r.complete(q.SampleID) && !yield(job{sampleID: q.SampleID, asked: p.ids(q)}, nil) {
					return
				}
			}
			return
		}
		for q, err := range each(ctx, r.Samples, func(q *fullQuestion) string { return q.SampleID }) {
			if err == nil && r.complete(q.SampleID) {
				continue
			}
			var a asked
			if err == nil {
				a, err = p.chat(q)
			}
			if err != nil {
				yield(job{}, err)
				return
			}
			if !yield(job{sampleID: q.SampleID, asked: a}, nil) {
				return
			}
		}
	}
}

// complete reports whether a sample has all its responses, so that its prompt is not needed.
func (r *Run) complete(sampleID string) bool {
	for i := range r.Config.N {
		if !r.Log.Has(sampleID, i) {
			return false
		}
	}
	return true
}

// Score scores what the folder has and writes rollouts.jsonl.
func (r *Run) Score(ctx context.Context, g Grader, workers int, p *Progress) (*Groups, dataset.File, error) {
	p.Total.Store(int64(r.Log.Len()))
	groups, file, err := grade(ctx, r.Output, g, workers, r.rollouts(ctx), p)
	if err != nil {
		return nil, file, err
	}
	for i := range r.Samples.List {
		s := &r.Samples.List[i]
		one := groups.of(s.ID, s.DataSource, 0)
		if e, ok, err := r.Log.Get(s.ID, 0); err != nil {
			return nil, file, err
		} else if ok {
			one.Refused = e.Refused
		}
		if one.Refused == "" {
			one.Missing = r.Config.N - one.Responses
		}
	}
	return groups, file, nil
}

// rollouts joins responses to their samples.
func (r *Run) rollouts(ctx context.Context) iter.Seq2[*Rollout, error] {
	return func(yield func(*Rollout, error) bool) {
		for q, err := range r.questions(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range r.Config.N {
				e, ok, err := r.Log.Get(q.SampleID, i)
				if err == nil && (!ok || e.Refused != "") {
					continue
				}
				if !yield(q.rollout(&e), err) || err != nil {
					return
				}
			}
		}
	}
}

// questions reads what scoring needs of the samples; a dataset without text has no questions.
func (r *Run) questions(ctx context.Context) iter.Seq2[*textQuestion, error] {
	id := func(q *textQuestion) string { return q.SampleID }
	if r.Manifest.Layout() != dataset.LayoutLean {
		return each(ctx, r.Samples, id)
	}
	return func(yield func(*textQuestion, error) bool) {
		for q, err := range each(ctx, r.Samples, func(q *Question) string { return q.SampleID }) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(&textQuestion{Question: *q}, nil) {
				return
			}
		}
	}
}

func (q *textQuestion) rollout(e *Entry) *Rollout {
	r := &Rollout{
		SampleID: q.SampleID, SourceID: q.SourceID, DataSource: q.DataSource, Index: e.Index,
		Question: q.Text, Answers: q.Answers, Response: e.Response, StopReason: e.Stop, Seed: e.Seed, Truncated: e.Truncated,
	}
	if e.Length >= 0 {
		r.ResponseLength = &e.Length
	}
	return r
}

// Check refuses what cannot work with the dataset.
func (r *Run) Check(judged bool) error {
	lean := r.Manifest.Layout() == dataset.LayoutLean
	switch {
	case lean && r.Config.API == APIChat:
		return fmt.Errorf("the dataset has no text to ask with: its prompts can be asked as ids, with api %s", APICompletions)
	case lean && judged:
		return errors.New("the dataset has no text: a judge must see the question")
	case len(r.Samples.List) == 0:
		return errors.New("no sample is chosen")
	}
	return nil
}
