package service

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
	"github.com/longctx/pipeline/sample/stream"
	"github.com/longctx/pipeline/sample/stream/groups"
)

// guardStream checks the token of a call, keeps its panics to itself, and gives its error the
// status that clients see.
func (s *Server) guardStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
	defer func() { err = s.answer(stream.Context(), info.FullMethod, recover(), err) }()
	if err := s.authorize(stream.Context()); err != nil {
		return err
	}
	return handle(srv, stream)
}

// guardUnary is guardStream for calls with one answer.
func (s *Server) guardUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (out any, err error) {
	defer func() { err = s.answer(ctx, info.FullMethod, recover(), err) }()
	if err := s.authorize(ctx); err != nil {
		return nil, err
	}
	return handle(ctx, req)
}

// authorize compares the token of a call in constant time. Arrow's own bearer middleware panics
// on a header that is exactly "Bearer".
func (s *Server) authorize(ctx context.Context) error {
	if s.o.Token == "" {
		return nil
	}
	md, _ := metadata.FromIncomingContext(ctx)
	given := ""
	if values := md.Get("authorization"); len(values) == 1 {
		scheme, token, _ := strings.Cut(values[0], " ")
		if strings.EqualFold(scheme, "bearer") {
			given = strings.TrimSpace(token)
		}
	}
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(s.o.Token)) // of equal length
	if subtle.ConstantTimeCompare(a[:], b[:]) != 1 {
		s.counters.unauthorized.Add(1)
		return status.Error(codes.Unauthenticated, "the token is missing or wrong: send \"authorization: Bearer TOKEN\"")
	}
	return nil
}

// answer turns what became of a call into its status, and logs what went wrong.
func (s *Server) answer(ctx context.Context, method string, panicked any, err error) error {
	if panicked != nil {
		s.o.Log.Error("panic", "method", method, "panic", fmt.Sprintf("%T", panicked), "stack", string(debug.Stack()))
		err = status.Error(codes.Internal, "the server failed over this call")
	}
	if err == nil {
		return nil
	}
	code := codeOf(err)
	if ctx.Err() != nil {
		code = codes.Canceled // the client is gone
	}
	s.counters.failed.Add(1)
	s.o.Log.Warn("call failed", "method", method, "code", code.String(), "error", err.Error())
	if st, ok := status.FromError(err); ok && st.Code() == code {
		return err
	}
	return status.Error(code, err.Error())
}

// errBadRequest marks what the client could have known.
var errBadRequest = errors.New("bad request")

// codeOf is the one place where an error becomes a status.
func codeOf(err error) codes.Code {
	var invalid *history.InvalidError
	var row *groups.InvalidError
	switch st, ok := status.FromError(err); {
	case ok:
		return st.Code()
	case errors.Is(err, stream.ErrCursor):
		return codes.FailedPrecondition
	case errors.Is(err, errBadRequest), errors.As(err, &invalid), errors.As(err, &row), errors.Is(err, history.ErrMixed), errors.Is(err, stream.ErrLargeBatch):
		return codes.InvalidArgument
	case errors.Is(err, history.ErrConflict), errors.Is(err, groups.ErrConflict):
		return codes.AlreadyExists
	case errors.Is(err, groups.ErrFull):
		return codes.ResourceExhausted
	case errors.Is(err, groups.ErrTakenBack):
		return codes.Aborted
	case errors.Is(err, dataset.ErrCorrupt):
		return codes.DataLoss
	case errors.Is(err, fs.ErrNotExist):
		return codes.NotFound
	case errors.Is(err, context.Canceled):
		return codes.Canceled
	}
	return codes.Internal
}

func badRequest(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errBadRequest, fmt.Errorf(format, args...))
}

// errStopping tells a client to come back.
func errStopping() error {
	return status.Error(codes.Unavailable, "the server is stopping: go on from your cursor when it is back")
}
