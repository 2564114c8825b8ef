// Package engine runs the splits of a build on a cluster that somebody else looks after: Ray or
// Slurm. It has no scheduler, no queue and no list of nodes of its own.
//
// Its rule: an engine only calls this program, `pipeline build --split LIST --attempt NAME`, and
// all that it may believe is what stands in the output folder afterwards. So a task may be run
// twice, late, or on a node that is dying, and nothing here has to know.
//
//	plan (here) ─▶ tasks of some splits ─▶ Ray tasks / a Slurm array ─▶ commit (here / a dependent job)
//
// The output folder must be on a file system that all nodes see under the same path, and so must
// the inputs. A task costs the start of this program and a look at the inputs' heads; SCALE.md
// of package build has figures.
package engine

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/longctx/pipeline/cmd/internal/build"
)

// Options say how tasks are run.
type Options struct {
	Address  string        // of the Ray cluster. Example: "10.0.0.1:6379"
	Args     []string      // more arguments of sbatch. Example: ["--partition=cpu"]
	CPUs     int           // of a task
	Timeout  time.Duration // of a try of a task
	Attempts int           // tries of a task that ends with an error; lost nodes do not count
	Poll     time.Duration // between two looks at Slurm's queue

	Program string // this binary
	Config  string // absolute path of the file with the options of a task
	Folder  string // absolute path of the working directory, on all nodes
	Output  string // absolute path of the output folder, on all nodes

	Progress *build.Progress
	Notice   func(text string) // a line for people; never nil
}

// WorkDir is where an engine keeps its files, in the output folder; a commit removes it.
const WorkDir = ".work/engine"

func (o *Options) work(name string) string {
	return filepath.Join(o.Output, filepath.FromSlash(WorkDir), name)
}

// A Problem is an error that somebody can do something about.
type Problem struct {
	What error
	Hint string
}

func (p *Problem) Error() string { return p.What.Error() }
func (p *Problem) Unwrap() error { return p.What }

func problem(hint, format string, args ...any) error {
	return &Problem{fmt.Errorf(format, args...), hint}
}

// failedTask says what is known of a task that failed too often.
func failedTask(task build.Task, tries int, where, why string, stderr []string) error {
	text := fmt.Sprintf("splits %s failed %s, last %s: %s", build.FormatSplits(task.Splits), times(tries), where, why)
	for _, line := range stderr {
		text += "\n    " + line
	}
	return problem("mend the cause and run the same command again: splits that are done stay done", "%s", text)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

const tailLines = 12

// tail returns the last lines of a text.
func tail(text string) []string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[max(0, len(lines)-tailLines):]
}

// A tailBuffer keeps the end of what is written to it.
type tailBuffer struct{ data []byte }

const tailBytes = 16 << 10

func (b *tailBuffer) Write(p []byte) (int, error) {
	b.data = append(b.data, p...)
	if extra := len(b.data) - tailBytes; extra > 0 {
		b.data = bytes.Clone(b.data[extra:])
	}
	return len(p), nil
}

// sleep waits, or ends with the context.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
