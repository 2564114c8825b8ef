package decode

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// A Prompt is token ids and the seed of its responses.
type Prompt struct {
	Tokens []int32
	Seed   uint64
}

// Options say how responses are drawn.
type Options struct {
	Group       int     // responses for each prompt; 0: 1
	MaxNew      int     // tokens of a response at most
	Temperature float64 // 0: the likeliest token
	TopP        float64 // 0 or 1: all tokens
	Stop        []int32 // ids that end a response, and are its last token
	Threads     int     // 0: all processors
	Rows        int     // live responses of one thread; 0: 32
}

// StopReason is why a response ended, in the words of OpenAI's API.
type StopReason string

const (
	Stopped StopReason = "stop"   // a stop token
	Length  StopReason = "length" // MaxNew
)

// A Response is what the policy wrote.
type Response struct {
	Tokens []int32
	// LogProbs has the log probability of each token under the full distribution at the
	// temperature, before top-p; with temperature 0, at temperature 1. [tokens]
	LogProbs []float32
	Stop     StopReason
}

// Generate draws Group responses for each prompt: [prompts][group].
func (d *Decoder) Generate(ctx context.Context, prompts []Prompt, o Options) ([][]Response, error) {
	longest, err := d.check(prompts, &o)
	if err != nil {
		return nil, err
	}
	rope := d.ropeFor(longest + o.MaxNew)
	out := make([][]Response, len(prompts))
	var next atomic.Int64
	take := func() int {
		if i := int(next.Add(1)) - 1; i < len(prompts) {
			return i
		}
		return -1
	}
	workers, ctx := errgroup.WithContext(ctx)
	for range min(o.Threads, len(prompts)) {
		workers.Go(func() error {
			w := d.worker(rope)
			defer d.idle.Put(w)
			g := generation{w: w, o: o, prompts: prompts, out: out, sampler: sampler{temperature: float32(o.Temperature), topP: float32(o.TopP)}}
			return g.run(ctx, take)
		})
	}
	return out, workers.Wait()
}

// worker takes one with its buffers from an earlier call, or makes one.
func (d *Decoder) worker(rope *rope) *worker {
	w, _ := d.idle.Get().(*worker)
	if w == nil {
		w = &worker{d: d}
	}
	w.rope = rope
	return w
}

// check fills in defaults and finds what cannot be generated.
func (d *Decoder) check(prompts []Prompt, o *Options) (longest int, err error) {
	if o.Group == 0 {
		o.Group = 1
	}
	if o.TopP == 0 {
		o.TopP = 1
	}
	if o.Threads <= 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	if o.Rows <= 0 {
		o.Rows = 32
	}
	switch {
	case o.Group < 0, o.MaxNew < 1:
		return 0, fmt.Errorf("decode: group %d of %d new tokens", o.Group, o.MaxNew)
	case o.Temperature < 0 || math.IsNaN(o.Temperature):
		return 0, fmt.Errorf("decode: temperature %v", o.Temperature)
	case !(o.TopP > 0 && o.TopP <= 1):
		return 0, fmt.Errorf("decode: top-p %v is not in (0, 1]", o.TopP)
	}
	for i, p := range prompts {
		longest = max(longest, len(p.Tokens))
		if len(p.Tokens) == 0 {
			return 0, fmt.Errorf("decode: prompt %d is empty", i)
		}
		for _, id := range p.Tokens {
			if id < 0 || int(id) >= d.c.Vocab {
				return 0, fmt.Errorf("decode: prompt %d has token %d, and the vocabulary has %d", i, id, d.c.Vocab)
			}
		}
	}
	if longest+o.MaxNew > d.c.MaxPositions {
		return 0, fmt.Errorf("decode: %d tokens of prompt and %d new ones are over the policy's %d positions", longest, o.MaxNew, d.c.MaxPositions)
	}
	return longest, nil
}

// A generation is what one worker has in hand.
type generation struct {
	w       *worker
	o       Options
	prompts []Prompt
	out     [][]Response
	sampler sampler
	live    []*group
	rows    int

	tokens, positions []int32 // scratch
	parts             []part
}

// A group is one prompt's responses that are not finished.
type group struct {
	prompt int
	shared *span
	live   []*writing
}

type writing struct {
	response *Response
	own      *span
	random   func() float64
}

// run decodes until there is no prompt left: it fills its batch, takes a step, and lets go of
// what ended.
func (g *generation) run(ctx context.Context, take func() int) error {
	more := true
	for {
		for more && (g.rows == 0 || g.rows+g.o.Group <= g.o.Rows) {
			i := take()
			if i < 0 {
				more = false
				break
			}
			g.start(i)
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil || g.rows == 0 {
			return err
		}
		g.step()
	}
}

// readRows bounds the rows of a prompt that are read at a time.
const readRows = 128

// start reads a prompt and draws the first token of its responses.
func (g *generation) start(index int) {
	w, p := g.w, g.prompts[index]
	c := &w.d.c
	shared := newSpan(c.Layers*c.KVHeads, w.d.dim, len(p.Tokens))
	last := w.read(shared, p.Tokens)
	logits, _ := w.head(last, 1)
	logits = slices.Clone(logits[:c.Vocab])
	g.out[index] = make([]Response, g.o.Group)
	gr := &group{prompt: index, shared: shared}
	scratch := make([]float32, len(logits))
	for i := range g.o.Group {
		wr := &writing{response: &g.out[index][i], random: stream(p.Seed, i).Float64}
		copy(scratch, logits)
		if !g.write(wr, scratch) {
			wr.own = newSpan(shared.heads, shared.dim, min(g.o.MaxNew, 2*lanes))
			gr.live = append(gr.live, wr)
		}
	}
	if len(gr.live) > 0 {
		g.live = append(g.live, gr)
		g.rows += len(gr.live)
	}
}

// read runs a prompt through the layers and tells the row of its last token.
func (w *worker) read(shared *span, tokens []int32) (last int) {
	for chunk := range slices.Chunk(tokens, readRows) {
		w.readChunk(shared, chunk)
		last = len(chunk) - 1
	}
	return last
}

// readChunk goes on with the prompt that a span holds the beginning of.
func (w *worker) readChunk(shared *span, chunk []int32) {
	positions := make([]int32, len(chunk))
	for i := range chunk {
		positions[i] = int32(shared.length + i)
	}
	w.forward(chunk, positions, []part{{shared: shared, rows: len(chunk)}})
}

// write draws a response's next token, and tells whether it was the last.
func (g *generation) write(wr *writing, logits []float32) bool {
	id, logprob := g.sampler.draw(logits, wr.random)
	r := wr.response
	r.Tokens = append(r.Tokens, id)
	r.LogProbs = append(r.LogProbs, logprob)
	switch {
	case slices.Contains(g.o.Stop, id):
		r.Stop = Stopped
	case len(r.Tokens) >= g.o.MaxNew:
		r.Stop = Length
	}
	return r.Stop != ""
}

// step writes one token for every live response.
func (g *generation) step() {
	g.tokens, g.positions, g.parts = g.tokens[:0], g.positions[:0], g.parts[:0]
	for _, gr := range g.live {
		p := part{shared: gr.shared, rows: len(gr.live)}
		for _, wr := range gr.live {
			written := wr.response.Tokens
			g.tokens = append(g.tokens, written[len(written)-1])
			g.positions = append(g.positions, int32(gr.shared.length+len(written)-1))
			p.own = append(p.own, wr.own)
		}
		g.parts = append(g.parts, p)
	}
	g.w.forward(g.tokens, g.positions, g.parts)
	logits, ld := g.w.head(0, len(g.tokens))
	row := 0
	for _, gr := range g.live {
		gr.live = slices.DeleteFunc(gr.live, func(wr *writing) bool {
			done := g.write(wr, logits[row*ld:][:g.w.d.c.Vocab])
			row++
			return done
		})
	}
	g.live = slices.DeleteFunc(g.live, func(gr *group) bool { return len(gr.live) == 0 })
	g.rows = 0
	for _, gr := range g.live {
		g.rows += len(gr.live)
	}
}

// Logits are the scores after every token of a sequence, [len(tokens)][vocab]: what a training
// graph computes too.
func (d *Decoder) Logits(tokens []int32) ([][]float32, error) {
	if _, err := d.check([]Prompt{{Tokens: tokens}}, &Options{MaxNew: 1}); err != nil {
		return nil, err
	}
	w := d.worker(d.ropeFor(len(tokens)))
	defer d.idle.Put(w)
	span := newSpan(d.c.Layers*d.c.KVHeads, d.dim, len(tokens))
	var out [][]float32
	for chunk := range slices.Chunk(tokens, readRows) {
		w.readChunk(span, chunk)
		logits, ld := w.head(0, len(chunk))
		for r := range chunk {
			out = append(out, slices.Clone(logits[r*ld:][:d.c.Vocab]))
		}
	}
	return out, nil
}
