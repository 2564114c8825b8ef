package endpoint

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// onceTokens makes one attempt with a prompt of token ids, to which the server adds nothing.
func (c *Client) onceTokens(ctx context.Context, p Prompt) (reply Reply, wait time.Duration, err error) {
	q := openai.CompletionNewParams{
		Model: openai.CompletionNewParamsModel(c.o.Model), Temperature: openai.Float(p.Temperature),
		Prompt: openai.CompletionNewParamsPromptUnion{OfArrayOfTokens: p.Tokens},
	}
	if p.N > 1 {
		q.N = openai.Int(int64(p.N))
	}
	if p.MaxTokens > 0 {
		q.MaxTokens = openai.Int(int64(p.MaxTokens))
	}
	if p.TopP > 0 {
		q.TopP = openai.Float(p.TopP)
	}
	if p.Seed != nil {
		q.Seed = openai.Int(*p.Seed)
	}
	if len(p.Stop) > 0 {
		q.Stop = openai.CompletionNewParamsStopUnion{OfStringArray: p.Stop}
	}
	var res *http.Response
	done, err := c.tokens.New(ctx, q, option.WithResponseInto(&res))
	if err != nil {
		return Reply{}, retryAfter(res), classify(ctx, err, res)
	}
	reply = Reply{PromptTokens: int(done.Usage.PromptTokens), CompletionTokens: int(done.Usage.CompletionTokens), Model: done.Model}
	if len(done.Choices) < max(p.N, 1) {
		return reply, 0, fmt.Errorf("%w: %d responses instead of %d", ErrUnavailable, len(done.Choices), max(p.N, 1))
	}
	for _, choice := range done.Choices {
		reply.Completions = append(reply.Completions, Completion{Text: choice.Text, FinishReason: string(choice.FinishReason)})
	}
	return reply, 0, nil
}
