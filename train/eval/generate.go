package eval

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/longctx/pipeline/tokenize/bpe"
	"github.com/longctx/pipeline/train/reward/endpoint"
)

// A Policy answers prompts; *endpoint.Client is one.
type Policy interface {
	Complete(ctx context.Context, p endpoint.Prompt) (endpoint.Reply, error)
}

// Progress counts what was done, for whoever watches. Responses of an earlier run count as done.
type Progress struct {
	Total, Done, Resumed atomic.Int64 // responses
	Refused, Failed      atomic.Int64 // responses that there will be none of, or none of in this run
	Tokens               atomic.Int64 // of responses, where the server says
}

// Asked says what a run of Generate did.
type Asked struct {
	New     int64 // responses that came
	Refused int64 // samples that cannot be asked
	Failed  int64 // requests that failed in spite of all retries; the next run asks again
}

// ErrDown means that the server answered too many requests in a row with failures.
var ErrDown = errors.New("the endpoint does not answer")

// ErrRefusedAll means that the server refused every request.
var ErrRefusedAll = errors.New("the endpoint refuses every request")

// When to give up: requests in a row without a response, beyond those that were on their way
// together, and samples refused before any response.
const (
	downAfter    = 8
	refusedAfter = 3
)

// generator asks for the responses that the log lacks.
type generator struct {
	c           *Config
	policy      Policy
	log         *Log
	count       func(response string) int // its tokens; nil: nobody knows
	concurrency int
	progress    *Progress
	stop        context.CancelCauseFunc

	mu      sync.Mutex
	asked   Asked
	got     bool    // a response came, in this run or before
	row     int     // failures since the last response
	last    error   // of them
	pending []Entry // refusals, kept back until a response shows that the server is sane
}

// run asks for all responses. It stops early where going on is senseless; what came is on disk.
func (g *generator) run(ctx context.Context, questions iter.Seq2[job, error]) (Asked, error) {
	ctx, g.stop = context.WithCancelCause(ctx)
	defer g.stop(nil)
	g.got = g.log.Len() > 0
	slots := make(chan struct{}, g.concurrency)
	var wg sync.WaitGroup
	err := g.feed(ctx, questions, func(one job) {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			g.ask(ctx, one)
		})
	})
	wg.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return g.asked, cause
	}
	if err == nil && !g.got && len(g.pending) > 0 {
		err = g.refusedAll()
	}
	return g.asked, err
}

// A job is one request: the prompt of a sample, and the responses that it is to bring.
type job struct {
	sampleID string
	asked
	first, n int // rollouts first to first+n-1
}

func (g *generator) feed(ctx context.Context, questions iter.Seq2[job, error], start func(job)) error {
	for q, err := range questions {
		if err != nil {
			return err
		}
		for _, one := range g.missing(q) {
			if ctx.Err() != nil {
				return nil
			}
			start(one)
		}
	}
	return nil
}

// missing cuts a sample into requests for the responses that are not there.
func (g *generator) missing(q job) (requests []job) {
	if q.refused != "" {
		if !g.log.Has(q.sampleID, 0) {
			q.n = g.c.N
			requests = append(requests, q)
		}
		return requests
	}
	for i := 0; i < g.c.N; {
		if g.log.Has(q.sampleID, i) {
			i++
			continue
		}
		q.first, q.n = i, 0
		for i < g.c.N && q.n < g.c.PerRequest && !g.log.Has(q.sampleID, i) {
			i, q.n = i+1, q.n+1
		}
		requests = append(requests, q)
	}
	return requests
}

// ask makes one request and keeps what comes.
func (g *generator) ask(ctx context.Context, q job) {
	if q.refused != "" {
		g.refuse(q, q.refused, true)
		return
	}
	if g.log.Has(q.sampleID, q.first) { // refused meanwhile
		g.progress.Refused.Add(int64(q.n))
		return
	}
	p := q.prompt
	seed := SeedOf(g.c.Seed, q.sampleID, q.first)
	p.N, p.MaxTokens, p.Temperature, p.TopP, p.Seed = q.n, g.c.MaxTokens, g.c.Temperature, g.c.TopP, &seed
	reply, err := g.policy.Complete(ctx, p)
	switch {
	case err == nil:
		g.keep(q, reply, seed)
	case ctx.Err() != nil:
	case errors.Is(err, endpoint.ErrRefused):
		g.refuse(q, err.Error(), errors.Is(err, endpoint.ErrContext))
	default:
		g.fail(q, err)
	}
}

// keep makes responses durable.
func (g *generator) keep(q job, reply endpoint.Reply, seed int64) {
	for i, c := range reply.Completions[:min(len(reply.Completions), q.n)] {
		e := Entry{
			SampleID: q.sampleID, Index: q.first + i, Response: textOf(c), Stop: c.FinishReason, Seed: seed,
			Truncated: q.truncated, Length: g.length(reply, c),
		}
		if err := g.log.Append(e); err != nil {
			g.stop(err)
			return
		}
		g.progress.Done.Add(1)
		g.progress.Tokens.Add(int64(max(e.Length, 0)))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked.New += int64(min(len(reply.Completions), q.n))
	g.got, g.row = true, 0
	g.settle()
}

// textOf returns all that the policy wrote. Servers that take the reasoning out of the response
// are undone: rewards look for its end.
func textOf(c endpoint.Completion) string {
	if c.Reasoning == "" {
		return c.Text
	}
	if c.Text == "" && c.FinishReason == stopLength {
		return "<think>\n" + c.Reasoning
	}
	return "<think>\n" + c.Reasoning + "\n</think>\n\n" + c.Text
}

// length is the number of tokens of a response: the server's word where the request was for this
// response alone (for several, servers give the sum, or that of one of them), else counted with
// the dataset's tokenizer; -1: unknown.
func (g *generator) length(reply endpoint.Reply, c endpoint.Completion) int32 {
	switch {
	case len(reply.Completions) == 1 && reply.CompletionTokens > 0:
		return int32(reply.CompletionTokens)
	case g.count != nil:
		return int32(g.count(textOf(c)))
	}
	return -1
}

// refuse keeps that a sample cannot be asked. What the server says before its first response may
// as well be its own fault, such as a wrong model name: sure refusals do not wait for that.
func (g *generator) refuse(q job, why string, sure bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.progress.Refused.Add(int64(q.n))
	g.pending = append(g.pending, Entry{SampleID: q.sampleID, Refused: why, Length: -1})
	if sure || g.got {
		g.settle()
	} else if len(samplesOf(g.pending)) >= refusedAfter {
		g.stop(g.refusedAll())
	}
}

// settle keeps the refusals so far. The lock is held.
func (g *generator) settle() {
	for _, e := range g.pending {
		if g.log.Has(e.SampleID, 0) {
			continue // refused by another request, or answered before
		}
		if err := g.log.Append(e); err != nil {
			g.stop(err)
			return
		}
		g.asked.Refused++
	}
	g.pending = nil
}

func (g *generator) refusedAll() error {
	return fmt.Errorf("%w: %s", ErrRefusedAll, g.pending[0].Refused)
}

func samplesOf(entries []Entry) map[string]bool {
	ids := map[string]bool{}
	for _, e := range entries {
		ids[e.SampleID] = true
	}
	return ids
}

// fail counts a request that brought nothing, and gives up after too many in a row.
func (g *generator) fail(q job, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked.Failed++
	g.progress.Failed.Add(int64(q.n))
	g.row++
	g.last = err
	if g.row >= downAfter+g.concurrency {
		g.stop(fmt.Errorf("%w: %w", ErrDown, err))
	}
}

// counter counts tokens as the dataset's tokenizer does.
func counter(tok *bpe.Tokenizer) func(string) int {
	if tok == nil {
		return nil
	}
	return func(text string) int { return tok.Count(text, bpe.Options{NoSpecial: true}) }
}
