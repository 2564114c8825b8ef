package llmtest

import (
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"
)

// Paths that a server has.
const (
	chatPath        = "/v1/chat/completions"
	completionsPath = "/v1/completions"
)

// Start serves on loopback and returns the base URL, with /v1, and what stops it.
func (s *Server) Start() (baseURL string, stop func()) {
	h := httptest.NewServer(http.HandlerFunc(s.serve))
	return h.URL + "/v1", h.Close
}

// URL serves on loopback until the test ends, and returns the base URL, with /v1.
func (s *Server) URL(t testing.TB) string {
	baseURL, stop := s.Start()
	t.Cleanup(stop)
	return baseURL
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != chatPath && r.URL.Path != completionsPath {
		http.NotFound(w, r)
		return
	}
	reply, body := s.answer(r)
	defer s.done()
	select {
	case <-time.After(reply.Delay):
	case <-r.Context().Done():
		return
	}
	if reply.Reset {
		reset(w)
	}
	maps.Copy(w.Header(), reply.Header)
	w.Header().Set("Content-Type", reply.Type)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(reply.Status)
	if reply.Cut {
		_, _ = w.Write(body[:len(body)/2])
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(body)
}

// reset breaks the connection as a process that was killed does.
func reset(w http.ResponseWriter) {
	if h, ok := w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			_ = conn.Close()
		}
	}
	panic(http.ErrAbortHandler)
}
