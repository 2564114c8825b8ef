package rollout

import (
	"context"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/longctx/pipeline/tokenize/bpe"
	"github.com/longctx/pipeline/train/policy/decode"
)

// A Scorer rewards a response. It may be called by many goroutines. An error ends the run; what
// could not be scored is unknown instead.
type Scorer func(ctx context.Context, p *Prompt, response string, tokens int) (Scored, error)

// A Generator rolls prompts out.
type Generator struct {
	Decoder   *decode.Decoder
	Tokenizer *bpe.Tokenizer
	Score     Scorer
	Stop      []int32 // ids that end a response
}

// Options say how responses are drawn.
type Options struct {
	Stage       string // part of the seed
	Seed        uint64
	Group       int // responses of each prompt
	MaxResponse int // tokens
	Temperature float64
	TopP        float64
}

// Generate returns a group for each prompt, in their order. The groups point to the prompts.
func (g *Generator) Generate(ctx context.Context, prompts []Prompt, o Options) ([]Group, error) {
	in := make([]decode.Prompt, len(prompts))
	for i := range prompts {
		in[i] = decode.Prompt{Tokens: prompts[i].Tokens, Seed: Seed(o.Seed, o.Stage, &prompts[i])}
	}
	responses, err := g.Decoder.Generate(ctx, in, decode.Options{
		Group: o.Group, MaxNew: o.MaxResponse, Temperature: o.Temperature, TopP: o.TopP, Stop: g.Stop,
	})
	if err != nil {
		return nil, err
	}
	groups := make([]Group, len(prompts))
	scoring, ctx := errgroup.WithContext(ctx)
	scoring.SetLimit(4 * runtime.GOMAXPROCS(0)) // a judge waits for its server
	for i := range groups {
		groups[i] = Group{Prompt: &prompts[i], Rollouts: make([]Rollout, len(responses[i]))}
		scoring.Go(func() error { return g.score(ctx, &groups[i], responses[i]) })
	}
	return groups, scoring.Wait()
}

func (g *Generator) score(ctx context.Context, group *Group, responses []decode.Response) error {
	for j, r := range responses {
		text, err := g.Tokenizer.Decode(r.Tokens, bpe.DecodeOptions{SkipSpecial: true})
		if err != nil {
			return fmt.Errorf("sample %s: %w", group.SampleID, err)
		}
		group.Rollouts[j] = Rollout{Tokens: r.Tokens, Text: text, Stop: string(r.Stop)}
		if g.Score == nil {
			continue
		}
		if group.Rollouts[j].Scored, err = g.Score(ctx, group.Prompt, text, len(r.Tokens)); err != nil {
			return fmt.Errorf("score sample %s: %w", group.SampleID, err)
		}
	}
	return nil
}
