// Package endpoint calls a model behind an OpenAI-compatible server: a judge, or a policy.
//
// Its rule: an answer is the model's own text or there is an error; a fault of the server never
// looks like an answer. What may pass by waiting (time-outs, resets, 408, 409, 425, 429, 5xx,
// broken bodies) is asked again with jittered back-off, no sooner than the server says; what
// will not is an error at once. After some calls in a row have failed for good the breaker
// opens, and calls fail without being made until the server had time to recover.
//
// The cost: one request in flight per call, at most Concurrency of them.
package endpoint

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/sony/gobreaker/v2"
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
type Message struct {
	Role    string // "system", "user" or "assistant"
	Content string
}

// A Prompt is one call.
type Prompt struct {
	Messages    []Message
	Tokens      []int64 // instead of messages: token ids, which the server takes as they are (completions)
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
// again later; ErrRefused is a request that it will never take.
var (
	ErrUnavailable = errors.New("endpoint unavailable")
	ErrRefused     = errors.New("request refused")
	ErrContext     = errors.New("prompt longer than the model's context") // is ErrRefused too
)

// A Client calls one model. It may be used by many goroutines.
type Client struct {
	o       Options
	service openai.ChatCompletionService
	tokens  openai.CompletionService // prompts as token ids
	breaker *gobreaker.CircuitBreaker[Reply] // nil: none
	slots   chan struct{}
}

// New checks the options; it calls nobody.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.BaseURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is not the URL of a server, such as http://127.0.0.1:8080/v1", o.BaseURL)
	}
	if o.Model == "" {
		return nil, errors.New("the server's model has no name")
	}
	o = o.withDefaults()
	c := &Client{o: o, slots: make(chan struct{}, o.Concurrency)}
	// The service is made without the client around it, which would take keys and addresses from
	// the environment. Retries are this package's: the library gives up after a time-out.
	options := []option.RequestOption{option.WithBaseURL(o.BaseURL), option.WithHTTPClient(o.HTTPClient), option.WithMaxRetries(0)}
	if o.APIKey != "" {
		options = append(options, option.WithAPIKey(o.APIKey))
	}
	c.service, c.tokens = openai.NewChatCompletionService(options...), openai.NewCompletionService(options...)
	if o.Breaker > 0 {
		c.breaker = gobreaker.NewCircuitBreaker[Reply](gobreaker.Settings{
			Name:         o.Model,
			Timeout:      o.Cooldown,
			ReadyToTrip:  func(n gobreaker.Counts) bool { return int(n.ConsecutiveFailures) >= o.Breaker },
			IsSuccessful: func(err error) bool { return !errors.Is(err, ErrUnavailable) },
			IsExcluded:   func(err error) bool { return errors.Is(err, context.Canceled) },
		})
	}
	return c, nil
}

func (o Options) withDefaults() Options {
	setDefault(&o.Timeout, 2*time.Minute)
	setDefault(&o.Retries, 5)
	setDefault(&o.MaxBackoff, 30*time.Second)
	setDefault(&o.Concurrency, 16)
	setDefault(&o.Breaker, 8)
	setDefault(&o.Cooldown, 15*time.Second)
	o.Retries, o.Concurrency = max(o.Retries, 0), max(o.Concurrency, 1)
	if o.HTTPClient == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = o.Concurrency
		o.HTTPClient = &http.Client{Transport: t}
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	return o
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Model is the name that is asked for.
func (c *Client) Model() string { return c.o.Model }

// Complete asks the model. Fewer completions than N are an error; an empty text is not.
func (c *Client) Complete(ctx context.Context, p Prompt) (Reply, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return Reply{}, ctx.Err()
	}
	if c.breaker == nil {
		return c.patiently(ctx, p)
	}
	reply, err := c.breaker.Execute(func() (Reply, error) { return c.patiently(ctx, p) })
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return reply, fmt.Errorf("%w: %d calls in a row have failed; waiting %s before the next", ErrUnavailable, c.o.Breaker, c.o.Cooldown)
	}
	return reply, err
}

// patiently asks until there is an answer, a refusal, or no attempt left.
func (c *Client) patiently(ctx context.Context, p Prompt) (Reply, error) {
	for attempt := 1; ; attempt++ {
		reply, wait, err := c.once(ctx, p)
		reply.Attempts = attempt
		switch {
		case err == nil:
			return reply, nil
		case ctx.Err() != nil:
			return Reply{}, ctx.Err()
		case !errors.Is(err, ErrUnavailable):
			return Reply{}, err
		case attempt > c.o.Retries || wait > c.o.MaxBackoff:
			return Reply{}, fmt.Errorf("%w, after %d attempts", err, attempt)
		}
		if err := sleep(ctx, max(wait, c.backoff(attempt))); err != nil {
			return Reply{}, err
		}
	}
}

const firstBackoff = 500 * time.Millisecond

// backoff doubles from half a second; the later half of it is random, so that callers who failed
// together do not come back together.
func (c *Client) backoff(attempt int) time.Duration {
	d := min(firstBackoff<<min(attempt-1, 20), c.o.MaxBackoff)
	return d/2 + time.Duration(c.o.Jitter()*float64(d/2))
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
