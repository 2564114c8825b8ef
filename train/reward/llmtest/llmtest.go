// Package llmtest is an OpenAI-compatible server for tests, which answers as the test says and
// fails in the ways that real servers do.
package llmtest

import (
	"net/http"
	"sync"
	"testing"
	"time"
)

// A Request is what a client asked.
type Request struct {
	Number      int // of all requests, from 0
	Model       string
	Messages    []Message
	N           int
	MaxTokens   int
	Temperature *float64
	TopP        *float64
	Seed        *int64
	Header      http.Header
}

// A Message is one turn.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// A Reply is what the server does. The zero Reply is an empty response.
type Reply struct {
	Texts  []string      // a response each; the last is repeated up to the request's n
	Finish string        // finish_reason; empty: "stop"
	Status int           // other than 200: an error in the OpenAI form
	Code   string        // error.code
	Header http.Header   // such as Retry-After
	Body   string        // instead of everything else, as it stands
	Type   string        // Content-Type; empty: application/json
	Delay  time.Duration // before the first byte
	Cut    bool          // the connection breaks in the middle of the body
	Reset  bool          // the connection breaks before any answer
}

// A Server answers chat completions.
type Server struct {
	Handle func(Request) Reply

	mu       sync.Mutex
	requests []Request
}

// New makes a server.
func New(handle func(Request) Reply) *Server { return &Server{Handle: handle} }

// Requests returns what was asked so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// HTTPClient returns a client that reaches the server without a network, so that tests in a
// synctest bubble can use it. Any base URL will do.
func (s *Server) HTTPClient() *http.Client { return nil }

// URL serves on loopback until the test ends, and returns the base URL, with /v1.
func (s *Server) URL(t testing.TB) string { return "" }
