package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/longctx/pipeline/cmd/internal/build"
)

// IsTerminal reports whether a writer is a terminal that a person looks at.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Color reports whether to write colours to w. NO_COLOR is kept.
func Color(w io.Writer) bool { return os.Getenv("NO_COLOR") == "" && IsTerminal(w) }

const (
	drawEvery = 150 * time.Millisecond
	logEvery  = 30 * time.Second
)

// Watch shows the progress of a build on w until the returned function is called: a bar on a
// terminal, a line every 30 s elsewhere, nothing if quiet.
func Watch(ctx context.Context, w io.Writer, p *build.Progress, quiet bool) (stop func()) {
	show, finish := logLine(w), func() {}
	if IsTerminal(w) {
		show, finish = bar(w)
	}
	return watch(ctx, w, quiet, func(elapsed time.Duration) { show(p, elapsed) }, finish)
}

// watch calls show again and again, more often on a terminal, until the returned function is
// called; then finish.
func watch(ctx context.Context, w io.Writer, quiet bool, show func(elapsed time.Duration), finish func()) (stop func()) {
	if quiet {
		return func() {}
	}
	every := logEvery
	if IsTerminal(w) {
		every = drawEvery
	}
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		defer finish()
		start := time.Now()
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				show(time.Since(start))
			case <-done:
				return
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		close(done)
		<-stopped
	}
}

func rates(p *build.Progress, elapsed time.Duration) string {
	s := max(elapsed.Seconds(), 1e-3)
	text := fmt.Sprintf("%s samples/s, %s tokens/s, %s drops",
		Count(int64(float64(p.Samples.Load())/s)), Count(int64(float64(p.Tokens.Load())/s)), Count(p.Drops.Load()))
	if n := p.Resumed.Load(); n > 0 {
		text += fmt.Sprintf(", %d splits from before", n)
	}
	return text
}

// theme is how bars look.
var theme = progressbar.Theme{Saucer: "█", SaucerHead: "█", SaucerPadding: "░", BarStart: "│", BarEnd: "│"}

func bar(w io.Writer) (show func(*build.Progress, time.Duration), finish func()) {
	b := progressbar.NewOptions64(1,
		progressbar.OptionSetWriter(w),
		progressbar.OptionShowBytes(true),
		progressbar.OptionSetWidth(24),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(0),
		progressbar.OptionEnableColorCodes(Color(w)),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetTheme(theme),
	)
	return func(p *build.Progress, elapsed time.Duration) {
			total := p.BytesTotal.Load()
			if total == 0 {
				return
			}
			if b.GetMax64() != total {
				b.ChangeMax64(total)
			}
			b.Describe(rates(p, elapsed))
			_ = b.Set64(min(p.BytesDone.Load(), total-1))
		}, func() {
			_ = b.Clear()
		}
}

func logLine(w io.Writer) func(*build.Progress, time.Duration) {
	return func(p *build.Progress, elapsed time.Duration) {
		done, total := p.BytesDone.Load(), max(p.BytesTotal.Load(), 1)
		fmt.Fprintf(w, "pipeline: %d%% of %s, split %d of %d, %s\n",
			100*min(done, total)/total, Bytes(total), p.SplitsDone.Load(), p.SplitsTotal.Load(), rates(p, elapsed))
	}
}
