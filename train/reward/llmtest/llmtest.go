// Package llmtest is an OpenAI-compatible server for tests, which answers as the test says and
// fails in the ways that real servers do.
package llmtest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// A Request is what a client asked.
type Request struct {
	Number      int         `json:"-"` // of all requests, from 0
	Path        string      `json:"-"`
	Header      http.Header `json:"-"`
	Model       string
	Messages    []Message
	Prompt      []int64 // of completions: token ids
	N           *int
	MaxTokens   *int `json:"max_tokens"`
	Temperature *float64
	TopP        *float64 `json:"top_p"`
	Seed        *int64
	Stop        []string
	LogProbs    bool
	Stream      bool
}

// Last is the text of the last message.
func (r Request) Last() string {
	if len(r.Messages) == 0 {
		return ""
	}
	return r.Messages[len(r.Messages)-1].Content
}

// A Message is one turn.
type Message struct{ Role, Content string }

// A Reply is what the server does. The zero Reply is an empty response.
type Reply struct {
	Texts  []string      // a response each; the last is repeated up to the request's n
	Finish string        // finish_reason; empty: "stop"
	Status int           // other than 0 and 200: an error in the OpenAI form
	Code   string        // error.code
	Header http.Header   // such as Retry-After
	Body   string        // instead of everything else, as it stands
	Type   string        // Content-Type; empty: application/json
	Delay  time.Duration // before the first byte
	Cut    bool          // the connection breaks in the middle of the body
	Reset  bool          // the connection breaks before any answer
}

// Text is a reply with one response.
func Text(text string) Reply { return Reply{Texts: []string{text}} }

// Fail is a reply with an error.
func Fail(status int) Reply { return Reply{Status: status} }

// A Server answers chat completions, and completions of token ids.
type Server struct {
	handle func(Request) Reply

	mu       sync.Mutex
	requests []Request
	inFlight int
	most     int
}

// New makes a server. The function may be called by many goroutines at once.
func New(handle func(Request) Reply) *Server { return &Server{handle: handle} }

// Requests returns what was asked so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// MostInFlight returns how many requests were there at the same time, at most.
func (s *Server) MostInFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

// answer reads a request and makes its reply.
func (s *Server) answer(r *http.Request) (Reply, []byte) {
	req := Request{Path: r.URL.Path, Header: r.Header.Clone()}
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		return Reply{}, []byte(`{"error":{"message":"not JSON"}}`)
	}
	s.mu.Lock()
	req.Number = len(s.requests)
	s.requests = append(s.requests, req)
	s.inFlight++
	s.most = max(s.most, s.inFlight)
	s.mu.Unlock()
	reply := s.handle(req)
	if reply.Status == 0 {
		reply.Status = http.StatusOK
	}
	if reply.Type == "" {
		reply.Type = "application/json"
	}
	return reply, reply.body(req)
}

func (s *Server) done() {
	s.mu.Lock()
	s.inFlight--
	s.mu.Unlock()
}

func (r Reply) body(req Request) []byte {
	if r.Body != "" {
		return []byte(r.Body)
	}
	var value any
	if r.Status != http.StatusOK {
		value = map[string]any{"error": map[string]any{"message": http.StatusText(r.Status), "type": "test", "param": "", "code": r.Code}}
	} else {
		n, words := 1, 0
		if req.N != nil {
			n = *req.N
		}
		finish := r.Finish
		if finish == "" {
			finish = "stop"
		}
		choices := make([]map[string]any, n)
		for i := range choices {
			text := ""
			if len(r.Texts) > 0 {
				text = r.Texts[min(i, len(r.Texts)-1)]
			}
			words += len(bytes.Fields([]byte(text)))
			choices[i] = map[string]any{"index": i, "finish_reason": finish, "text": text, "message": map[string]any{"role": "assistant", "content": text}}
		}
		value = map[string]any{
			"id": "chatcmpl-" + strconv.Itoa(req.Number), "object": "chat.completion", "created": 0, "model": req.Model, "choices": choices,
			"usage": map[string]any{"prompt_tokens": len(bytes.Fields([]byte(req.Last()))), "completion_tokens": words, "total_tokens": words},
		}
	}
	b, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return b
}

// HTTPClient returns a client that reaches the server without a network, so that tests in a
// synctest bubble can use it. Any base URL will do.
func (s *Server) HTTPClient() *http.Client { return &http.Client{Transport: transport{s}} }

type transport struct{ s *Server }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	defer r.Body.Close()
	reply, body := t.s.answer(r)
	defer t.s.done()
	if reply.Delay > 0 {
		timer := time.NewTimer(reply.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if reply.Reset {
		return nil, syscall.ECONNRESET
	}
	header := reply.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", reply.Type)
	var reader io.Reader = bytes.NewReader(body)
	if reply.Cut {
		reader = io.MultiReader(bytes.NewReader(body[:len(body)/2]), broken{})
	}
	return &http.Response{
		StatusCode: reply.Status, Status: strconv.Itoa(reply.Status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(reader), ContentLength: int64(len(body)), Request: r,
	}, nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
