package service

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/apache/arrow/go/v17/arrow/flight"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
	"github.com/longctx/pipeline/sample/stream"
	"github.com/longctx/pipeline/sample/stream/groups"
)

// Defaults of Options.
const (
	DefaultMaxClients     = 64
	DefaultMaxConnections = 256
	DefaultMaxMessage     = 64 << 20
	DefaultMaxBatch       = 256 << 20
	DefaultMemory         = 64 << 20
	DefaultGrace          = 10 * time.Second
)

// ErrUnsafe means that a server would be open to others without a token and TLS.
var ErrUnsafe = errors.New("not served without a token and TLS")

// Options say what is served, and within which limits.
type Options struct {
	Source  *stream.Source
	FS      dataset.FS          // the dataset's folder: plans are kept in plans/
	Plans   map[string]PlanFile // plans elsewhere, by the name that tickets use
	History *history.Store
	Log     *slog.Logger // nil: nowhere

	Token string      // empty: none is asked for, which only a loopback address may do
	TLS   *tls.Config // nil: in the clear, likewise

	MaxClients     int           // calls of DoGet and DoPut at once
	MaxConnections int           // of clients and of those that only act
	MaxMessage     int           // bytes of one message of a client
	MaxBatch       int64         // bytes of one batch for a client
	Memory         int64         // bytes of batches made and not sent, of all clients; each may have one batch
	Waiting        int64         // bytes of rollouts whose groups are incomplete; 0: groups.DefaultMemory
	Grace          time.Duration // for calls in hand when the server stops
}

// A Server serves one dataset.
type Server struct {
	flight.BaseFlightServer
	o        Options
	rpc      *grpc.Server
	counters counters
	clients  clients
	groups   *groups.Collector
	planning sync.Mutex // one plan is drawn at a time
	drawn    signal     // after each segment

	stopping context.Context // ends when the server is to stop
	stop     context.CancelFunc
}

// New returns a server that does not listen yet.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	orDefault(&o.MaxClients, DefaultMaxClients)
	orDefault(&o.MaxConnections, DefaultMaxConnections)
	orDefault(&o.MaxMessage, DefaultMaxMessage)
	orDefault(&o.MaxBatch, DefaultMaxBatch)
	orDefault(&o.Memory, DefaultMemory)
	orDefault(&o.Grace, DefaultGrace)
	s := &Server{o: o, clients: clients{most: o.MaxClients, memory: o.Memory}, groups: groups.New(o.History, o.Waiting)}
	s.stopping, s.stop = context.WithCancel(context.Background())
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(o.MaxMessage),
		grpc.MaxConcurrentStreams(uint32(o.MaxClients + 8)), // and some for actions
		grpc.MaxHeaderListSize(16 << 10),
		grpc.ConnectionTimeout(handshakeWithin),
		grpc.WriteBufferSize(1 << 20), grpc.ReadBufferSize(256 << 10),
		// A client that vanished without a word is noticed within a minute.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 30 * time.Second, Timeout: 20 * time.Second, MaxConnectionIdle: idleAfter}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.ChainStreamInterceptor(s.guardStream), grpc.ChainUnaryInterceptor(s.guardUnary),
	}
	if o.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(o.TLS)))
	}
	s.rpc = grpc.NewServer(options...)
	flight.RegisterFlightServiceServer(s.rpc, s)
	return s
}

func orDefault[T int | int64 | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// Serve answers on a listener until ctx ends; then calls in hand get the grace to finish what
// they are at. ErrUnsafe where the address is not this machine's own and a token or TLS is
// missing. It closes the listener.
func (s *Server) Serve(ctx context.Context, lis net.Listener) error {
	if err := s.o.Safe(lis.Addr()); err != nil {
		return errors.Join(err, lis.Close())
	}
	s.o.Log.Info("serving", "address", lis.Addr().String(), "dataset_id", s.o.Source.Manifest().ID, "tls", s.o.TLS != nil, "token", s.o.Token != "")
	failed := make(chan error, 1)
	capped := &cappedListener{Listener: lis, most: int64(s.o.MaxConnections), refused: &s.counters.refused}
	go func() { failed <- s.rpc.Serve(capped) }()
	select {
	case err := <-failed:
		s.stop()
		s.groups.Close()
		return err
	case <-ctx.Done():
	}
	s.o.Log.Info("stopping", "clients", s.clients.now())
	s.stop()
	hard := time.AfterFunc(s.o.Grace, s.rpc.Stop)
	s.rpc.GracefulStop()
	hard.Stop()
	s.groups.Close()
	s.o.Log.Info("stopped")
	if err := <-failed; !errors.Is(err, grpc.ErrServerStopped) { // it may have stopped before it began
		return err
	}
	return nil
}

// Safe returns ErrUnsafe where an address is not this machine's own and a token or TLS is missing.
func (o *Options) Safe(a net.Addr) error {
	if !isLoopback(a) && (o.Token == "" || o.TLS == nil) {
		return ErrUnsafe
	}
	return nil
}

// isLoopback reports whether an address can be reached from this machine alone.
func isLoopback(a net.Addr) bool {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	}
	return false
}
