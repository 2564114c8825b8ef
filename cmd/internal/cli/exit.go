package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/longctx/pipeline/cmd/internal/build"
	"github.com/longctx/pipeline/dataset"
)

// Exit statuses.
const (
	ExitDone        = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitFindings    = 3 // finished, but a person should look
	ExitNoDataset   = 10
	ExitLocked      = 11
	ExitCorrupt     = 12
	ExitInterrupted = 130
)

// ErrFindings means that the work is finished, but found what a person should look at.
var ErrFindings = errors.New("findings")

// ErrUsage means that the command line or the config is wrong.
var ErrUsage = errors.New("usage")

type usageError struct{ error }

func (e usageError) Is(target error) bool { return target == ErrUsage }
func (e usageError) Unwrap() error        { return e.error }

// Usage marks an error as one of the command line.
func Usage(err error) error { return usageError{err} }

type hintError struct {
	error
	hint string
}

func (e hintError) Unwrap() error { return e.error }

// WithHint adds how to go on. A hint that is there already is nearer to the cause and stays.
func WithHint(err error, hint string) error {
	if _, has := errors.AsType[hintError](err); has || err == nil {
		return err
	}
	return hintError{err, hint}
}

// Status is the one place where an error becomes an exit status.
func Status(err error) int {
	switch {
	case err == nil, errors.Is(err, ErrPrinted):
		return ExitDone
	case errors.Is(err, ErrFindings):
		return ExitFindings
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	case errors.Is(err, build.ErrLocked):
		return ExitLocked
	case errors.Is(err, dataset.ErrNoManifest):
		return ExitNoDataset
	case errors.Is(err, dataset.ErrCorrupt):
		return ExitCorrupt
	case errors.Is(err, ErrUsage), errors.Is(err, build.ErrDiffers):
		return ExitUsage
	}
	return ExitFailed
}

// Report writes an error and its hint.
func Report(w io.Writer, err error) {
	if err == nil || errors.Is(err, ErrPrinted) {
		return
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(w, "pipeline: interrupted")
	} else {
		fmt.Fprintf(w, "pipeline: error: %v\n", err)
	}
	if h, ok := errors.AsType[hintError](err); ok {
		fmt.Fprintf(w, "pipeline: hint: %s\n", h.hint)
	}
}
