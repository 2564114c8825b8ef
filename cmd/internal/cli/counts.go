package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Counts are how far some work has come that is counted in pieces.
type Counts struct {
	Done, Total int64
	Before      int64  // of those done, how many by an earlier run
	Text        string // what is counted, and what else there is to say
}

// left is how long the rest will take at the speed of this run.
func (c Counts) left(elapsed time.Duration) string {
	if now := c.Done - c.Before; now > 0 && c.Total > c.Done {
		rest := time.Duration(float64(elapsed) / float64(now) * float64(c.Total-c.Done))
		return ", " + rest.Round(time.Second).String() + " left"
	}
	return ""
}

// WatchCounts shows counts on w until the returned function is called: a bar on a terminal, a
// line every 30 s elsewhere, nothing if quiet.
func WatchCounts(ctx context.Context, w io.Writer, quiet bool, counts func() Counts) (stop func()) {
	if !IsTerminal(w) {
		return watch(ctx, w, quiet, func(elapsed time.Duration) {
			c := counts()
			fmt.Fprintf(w, "pipeline: %s of %s %s%s\n", Count(c.Done), Count(c.Total), c.Text, c.left(elapsed))
		}, func() {})
	}
	b := progressbar.NewOptions64(1,
		progressbar.OptionSetWriter(w),
		progressbar.OptionShowCount(),
		progressbar.OptionSetWidth(24),
		progressbar.OptionSetPredictTime(false), // it would count what an earlier run did
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionThrottle(0),
		progressbar.OptionEnableColorCodes(Color(w)),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetTheme(theme),
	)
	return watch(ctx, w, quiet, func(elapsed time.Duration) {
		c := counts()
		if c.Total == 0 {
			return
		}
		if b.GetMax64() != c.Total {
			b.ChangeMax64(c.Total)
		}
		b.Describe(c.Text + c.left(elapsed))
		_ = b.Set64(min(c.Done, c.Total-1))
	}, func() { _ = b.Clear() })
}
