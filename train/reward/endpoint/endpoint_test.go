package endpoint_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/longctx/pipeline/train/reward/endpoint"
	"github.com/longctx/pipeline/train/reward/llmtest"
)

// options are of a client without a network and without chance.
func options(s *llmtest.Server) endpoint.Options {
	return endpoint.Options{
		BaseURL: "http://test/v1", Model: "m", HTTPClient: s.HTTPClient(), Timeout: 10 * time.Second, Retries: 3,
		MaxBackoff: 8 * time.Second, Breaker: -1, Jitter: func() float64 { return 0 },
	}
}

func client(t *testing.T, o endpoint.Options) *endpoint.Client {
	t.Helper()
	c, err := endpoint.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var ask = endpoint.Prompt{Messages: []endpoint.Message{{Role: "system", Content: "s"}, {Role: "user", Content: "q"}}}

func TestFaultsThatPassAreAskedAgain(t *testing.T) {
	for name, fault := range map[string]llmtest.Reply{
		"429":          llmtest.Fail(429),
		"500":          llmtest.Fail(500),
		"503 in HTML":  {Status: 503, Body: "<html>busy</html>", Type: "text/html"},
		"408":          llmtest.Fail(408),
		"reset":        {Reset: true},
		"cut":          {Texts: []string{"long enough to be cut in the middle"}, Cut: true},
		"not JSON":     {Body: `{"choices":[{"mess`},
		"wrong type":   {Body: "hello", Type: "text/plain"},
		"empty object": {Body: "{}"},
		"no choices":   {Body: `{"choices":[]}`},
		"no message":   {Body: `{"choices":[{"index":0}]}`},
		"a stream":     {Body: "data: {}\n\ndata: [DONE]\n\n", Type: "text/event-stream"},
		"slow":         {Texts: []string{"late"}, Delay: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := llmtest.New(func(r llmtest.Request) llmtest.Reply {
					if r.Number < 2 {
						return fault
					}
					return llmtest.Text("right")
				})
				reply, err := client(t, options(s)).Complete(t.Context(), ask)
				if err != nil || reply.Completions[0].Text != "right" || reply.Attempts != 3 {
					t.Errorf("%+v, %v", reply, err)
				}
			})
		})
	}
}

func TestFaultsThatStayAreUnavailableAfterAllAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := llmtest.New(func(llmtest.Request) llmtest.Reply { return llmtest.Fail(500) })
		start := time.Now()
		_, err := client(t, options(s)).Complete(t.Context(), ask)
		if !errors.Is(err, endpoint.ErrUnavailable) || len(s.Requests()) != 4 {
			t.Errorf("%v after %d requests", err, len(s.Requests()))
		}
		if got, want := time.Since(start), (250+500+1000)*time.Millisecond; got != want {
			t.Errorf("waited %v, want %v", got, want)
		}
	})
}

func TestRefusalsAreNotAskedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		reply llmtest.Reply
		long  bool
	}{
		"400":              {reply: llmtest.Fail(400)},
		"401":              {reply: llmtest.Fail(401)},
		"404":              {reply: llmtest.Fail(404)},
		"quota":            {reply: llmtest.Reply{Status: 429, Code: "insufficient_quota"}},
		"context":          {reply: llmtest.Reply{Status: 400, Code: "context_length_exceeded"}, long: true},
		"context in words": {reply: llmtest.Reply{Status: 400, Body: `{"error":{"message":"maximum context length is 8192 tokens","type":"x","code":null,"param":null}}`}, long: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := llmtest.New(func(llmtest.Request) llmtest.Reply { return c.reply })
				_, err := client(t, options(s)).Complete(t.Context(), ask)
				if !errors.Is(err, endpoint.ErrRefused) || errors.Is(err, endpoint.ErrContext) != c.long || len(s.Requests()) != 1 {
					t.Errorf("%v after %d requests", err, len(s.Requests()))
				}
			})
		})
	}
}

func TestRetryAfterIsRespected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := llmtest.New(func(r llmtest.Request) llmtest.Reply {
			switch r.Number {
			case 0:
				return llmtest.Reply{Status: 429, Header: http.Header{"Retry-After": {"7"}}}
			case 1:
				return llmtest.Reply{Status: 503, Header: http.Header{"Retry-After": {time.Now().Add(5 * time.Second).UTC().Format(http.TimeFormat)}}}
			}
			return llmtest.Text("x")
		})
		start := time.Now()
		if _, err := client(t, options(s)).Complete(t.Context(), ask); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(start); got != 12*time.Second {
			t.Errorf("waited %v", got)
		}
		s = llmtest.New(func(llmtest.Request) llmtest.Reply {
			return llmtest.Reply{Status: 429, Header: http.Header{"Retry-After": {"3600"}}}
		})
		if _, err := client(t, options(s)).Complete(t.Context(), ask); !errors.Is(err, endpoint.ErrUnavailable) || len(s.Requests()) != 1 {
			t.Errorf("an hour is waited for: %v", err)
		}
	})
}

func TestBreakerOpensAndLetsOneCallTryAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := true
		s := llmtest.New(func(llmtest.Request) llmtest.Reply {
			if down {
				return llmtest.Fail(500)
			}
			return llmtest.Text("x")
		})
		o := options(s)
		o.Retries, o.Breaker, o.Cooldown = -1, 3, time.Minute
		c := client(t, o)
		for range 10 {
			if _, err := c.Complete(t.Context(), ask); !errors.Is(err, endpoint.ErrUnavailable) {
				t.Fatal(err)
			}
		}
		if n := len(s.Requests()); n != 3 {
			t.Errorf("%d requests, the breaker opens after 3", n)
		}
		down = false
		time.Sleep(time.Minute + time.Second)
		for range 2 {
			if _, err := c.Complete(t.Context(), ask); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestRefusalsDoNotOpenTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := llmtest.New(func(llmtest.Request) llmtest.Reply { return llmtest.Fail(400) })
		o := options(s)
		o.Breaker = 2
		c := client(t, o)
		for range 5 {
			_, _ = c.Complete(t.Context(), ask)
		}
		if n := len(s.Requests()); n != 5 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestNoMoreRequestsAreInFlightThanAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := llmtest.New(func(llmtest.Request) llmtest.Reply {
			time.Sleep(time.Second)
			return llmtest.Text("x")
		})
		o := options(s)
		o.Concurrency = 3
		c := client(t, o)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if _, err := c.Complete(t.Context(), ask); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if s.MostInFlight() != 3 {
			t.Errorf("%d in flight", s.MostInFlight())
		}
	})
}

func TestCancelEndsWaitingAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := llmtest.New(func(llmtest.Request) llmtest.Reply { return llmtest.Reply{Delay: time.Hour} })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := client(t, options(s)).Complete(ctx, ask)
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, endpoint.ErrUnavailable) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestTheRequestSaysWhatThePromptSays(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "secret")
	t.Setenv("OPENAI_BASE_URL", "http://elsewhere/v1")
	s := llmtest.New(func(llmtest.Request) llmtest.Reply { return llmtest.Reply{Texts: []string{"a", "b"}, Finish: "length"} })
	o := options(s)
	o.BaseURL = s.URL(t)
	o.HTTPClient = nil
	seed := int64(7)
	reply, err := client(t, o).Complete(t.Context(), endpoint.Prompt{Messages: ask.Messages, N: 2, MaxTokens: 5, Temperature: 0, TopP: 0.9, Seed: &seed, Stop: []string{"x"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(reply); got != "{[{a  length []} {b  length []}] 1 2 m 1}" {
		t.Errorf("reply %s", got)
	}
	r := s.Requests()[0]
	if r.Path != "/v1/chat/completions" || r.Model != "m" || *r.N != 2 || *r.MaxTokens != 5 || *r.Temperature != 0 || *r.TopP != 0.9 || *r.Seed != 7 || r.Stop[0] != "x" || r.Stream || len(r.Messages) != 2 || r.Messages[0].Role != "system" {
		t.Errorf("%+v", r)
	}
	if key := r.Header.Get("Authorization"); key != "" {
		t.Errorf("a key of the environment was sent: %s", key)
	}
	o.APIKey = "mine"
	if _, err := client(t, o).Complete(t.Context(), ask); err != nil || s.Requests()[1].Header.Get("Authorization") != "Bearer mine" {
		t.Errorf("%v, %+v", err, s.Requests()[1].Header)
	}
}

func TestARealConnectionThatBreaksIsAskedAgain(t *testing.T) {
	s := llmtest.New(func(r llmtest.Request) llmtest.Reply {
		return []llmtest.Reply{{Reset: true}, {Texts: []string{strings.Repeat("x", 1000)}, Cut: true}, llmtest.Text("right")}[min(r.Number, 2)]
	})
	o := options(s)
	o.BaseURL, o.HTTPClient, o.MaxBackoff = s.URL(t), nil, time.Millisecond
	reply, err := client(t, o).Complete(t.Context(), ask)
	if err != nil || reply.Completions[0].Text != "right" {
		t.Errorf("%+v, %v", reply, err)
	}
}

func TestNewRefusesWhatIsNoServer(t *testing.T) {
	for _, o := range []endpoint.Options{{Model: "m"}, {BaseURL: "localhost:8080", Model: "m"}, {BaseURL: "ftp://x", Model: "m"}, {BaseURL: "http://x/v1"}} {
		if _, err := endpoint.New(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}
