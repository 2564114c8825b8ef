package endpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// once makes one attempt. wait is how long the server wants to be left alone.
func (c *Client) once(ctx context.Context, p Prompt) (reply Reply, wait time.Duration, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Timeout, errSlow)
	defer cancel()
	if p.Tokens != nil {
		return c.onceTokens(ctx, p)
	}
	var res *http.Response
	done, err := c.service.New(ctx, params(c.o.Model, p), option.WithResponseInto(&res))
	if err != nil {
		return Reply{}, retryAfter(res), classify(ctx, err, res)
	}
	reply = Reply{PromptTokens: int(done.Usage.PromptTokens), CompletionTokens: int(done.Usage.CompletionTokens), Model: done.Model}
	if len(done.Choices) < max(p.N, 1) {
		return reply, 0, fmt.Errorf("%w: %d responses instead of %d", ErrUnavailable, len(done.Choices), max(p.N, 1))
	}
	for _, choice := range done.Choices {
		if choice.JSON.Message.Raw() == "" {
			return reply, 0, fmt.Errorf("%w: a response without a message", ErrUnavailable)
		}
		reply.Completions = append(reply.Completions, completion(choice))
	}
	return reply, 0, nil
}

var errSlow = errors.New("no answer in time")

func params(model string, p Prompt) openai.ChatCompletionNewParams {
	q := openai.ChatCompletionNewParams{Model: model, Temperature: openai.Float(p.Temperature)}
	for _, m := range p.Messages {
		switch m.Role {
		case "system":
			q.Messages = append(q.Messages, openai.SystemMessage(m.Content))
		case "assistant":
			q.Messages = append(q.Messages, openai.AssistantMessage(m.Content))
		default:
			q.Messages = append(q.Messages, openai.UserMessage(m.Content))
		}
	}
	if p.N > 1 {
		q.N = openai.Int(int64(p.N))
	}
	if p.MaxTokens > 0 {
		q.MaxTokens = openai.Int(int64(p.MaxTokens)) // local servers know this name, not max_completion_tokens
	}
	if p.TopP > 0 {
		q.TopP = openai.Float(p.TopP)
	}
	if p.Seed != nil {
		q.Seed = openai.Int(*p.Seed)
	}
	if len(p.Stop) > 0 {
		q.Stop = openai.ChatCompletionNewParamsStopUnion{OfStringArray: p.Stop}
	}
	if p.LogProbs {
		q.Logprobs = openai.Bool(true)
	}
	return q
}

func completion(choice openai.ChatCompletionChoice) Completion {
	c := Completion{Text: choice.Message.Content, FinishReason: choice.FinishReason}
	if raw, ok := choice.Message.JSON.ExtraFields["reasoning_content"]; ok {
		_ = json.Unmarshal([]byte(raw.Raw()), &c.Reasoning) // null where there is none
	}
	for _, t := range choice.Logprobs.Content {
		c.LogProbs = append(c.LogProbs, t.Logprob)
	}
	return c
}

// classify tells what may pass from what will not.
func classify(ctx context.Context, err error, res *http.Response) error {
	if ctx.Err() != nil && context.Cause(ctx) == errSlow {
		return fmt.Errorf("%w: %w", ErrUnavailable, errSlow)
	}
	if res == nil || res.StatusCode < 400 {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	what := "server says " + strconv.Itoa(res.StatusCode)
	code := ""
	if api, ok := errors.AsType[*openai.Error](err); ok && api.Message != "" {
		what += ": " + clip(api.Message)
		code = api.Code
	}
	switch s := res.StatusCode; {
	case s >= 500, s == http.StatusRequestTimeout, s == http.StatusConflict, s == http.StatusTooEarly, s == http.StatusTooManyRequests && code != "insufficient_quota":
		return fmt.Errorf("%w: %s", ErrUnavailable, what)
	case code == "context_length_exceeded", code == "exceed_context_size_error", strings.Contains(what, "context length"), strings.Contains(what, "context size"):
		return fmt.Errorf("%w: %w: %s", ErrRefused, ErrContext, what)
	}
	return fmt.Errorf("%w: %s", ErrRefused, what)
}

// clip keeps a server's message short enough for an error.
func clip(s string) string {
	const longest = 300
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "") + "..."
	}
	return s
}

// retryAfter reads the header, in seconds or as a date. A date is measured from the server's own:
// the clocks of two machines differ, and this one's may jump.
func retryAfter(res *http.Response) time.Duration {
	if res == nil {
		return 0
	}
	text := res.Header.Get("Retry-After")
	if s, err := strconv.ParseFloat(text, 64); err == nil && s > 0 && s < 1e9 {
		return time.Duration(s * float64(time.Second))
	}
	if at, err := http.ParseTime(text); err == nil {
		now, err := http.ParseTime(res.Header.Get("Date"))
		if err != nil {
			now = time.Now()
		}
		return max(at.Sub(now), 0)
	}
	return 0
}
