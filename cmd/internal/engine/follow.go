package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/longctx/pipeline/cmd/internal/build"
	"github.com/longctx/pipeline/dataset"
)

// ErrNotRunning means that there is no build to follow.
var ErrNotRunning = errors.New("no build of this output is with Slurm")

// Running returns the build that Slurm has and has not finished. ErrNotRunning.
func Running(ctx context.Context, o Options) (SlurmJob, error) {
	var job SlurmJob
	data, err := os.ReadFile(o.work(jobFile))
	if errors.Is(err, fs.ErrNotExist) {
		return job, ErrNotRunning
	}
	if err != nil {
		return job, err
	}
	if err := json.Unmarshal(data, &job); err != nil {
		return job, fmt.Errorf("read %s: %w: %w", o.work(jobFile), dataset.ErrCorrupt, err)
	}
	states, err := queue(ctx, job)
	if err == nil && len(states) == 0 {
		err = ErrNotRunning
	}
	return job, err
}

// queue returns the states of a build's jobs that Slurm has not finished.
// Example: ["RUNNING None", "PENDING Dependency"]
func queue(ctx context.Context, job SlurmJob) ([]string, error) {
	out, err := call(ctx, "squeue", "--me", "--noheader", "--format=%F %T %r")
	if err != nil {
		return nil, err
	}
	var states []string
	for line := range strings.Lines(out) {
		id, state, _ := strings.Cut(strings.TrimSpace(line), " ")
		if id == job.Commit || id == job.Array && id != "" {
			states = append(states, state)
		}
	}
	slices.Sort(states)
	return slices.Compact(states), nil
}

// looks is how often an empty queue is asked again: file systems that remember names, and a
// controller that starts again, may both be behind.
const looks = 3

// Follow waits until Slurm has finished a build, and returns nil if the dataset is there. The
// end of ctx leaves the jobs alone.
func Follow(ctx context.Context, o Options, job SlurmJob) error {
	gone, silent := 0, 0
	shown := ""
	before, err := build.Done(dataset.Dir(o.Output))
	if err != nil {
		return err
	}
	for {
		states, err := queue(ctx, job)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			if silent++; silent == 20*looks {
				return err
			}
		case len(states) == 0:
			if gone++; gone == looks {
				return o.ended(job)
			}
		default:
			gone, silent = 0, 0
			if text := strings.Join(states, ", "); text != shown {
				o.Notice("slurm: " + text)
				shown = text
			}
		}
		if err := o.progress(job, before); err != nil {
			return err
		}
		if gone > 0 && build.Committed(dataset.Dir(o.Output)) {
			return nil
		}
		if err := sleep(ctx, o.Poll); err != nil {
			return err
		}
	}
}

func (o *Options) progress(job SlurmJob, before int) error {
	n, err := build.Done(dataset.Dir(o.Output))
	if err != nil || n < before {
		return err
	}
	var splits, bytes int64
	for _, t := range job.Tasks {
		splits += int64(len(t.Splits))
		bytes += t.Bytes
	}
	done := min(int64(n), splits)
	o.Progress.SplitsTotal.Store(splits)
	o.Progress.BytesTotal.Store(bytes)
	o.Progress.SplitsDone.Store(done)
	o.Progress.BytesDone.Store(bytes * done / max(splits, 1))
	return nil
}

// ended says how a build ended whose jobs have left the queue.
func (o *Options) ended(job SlurmJob) error {
	if build.Committed(dataset.Dir(o.Output)) {
		return nil
	}
	marks, err := filepath.Glob(filepath.Join(globQuote(o.work("")), "failed-*"))
	if err != nil {
		return err
	}
	for _, mark := range marks {
		task, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(mark), "failed-"))
		if err != nil || task < 0 || task >= len(job.Tasks) {
			continue
		}
		var tries, status int
		text, _ := os.ReadFile(mark)
		_, _ = fmt.Sscan(string(text), &tries, &status)
		return failedTask(job.Tasks[task], tries, "in job "+job.Array+"_"+strconv.Itoa(task), fmt.Sprintf("exit status %d", status), o.logTail(fmt.Sprintf("task-%d.log", task)))
	}
	text := fmt.Sprintf("engine slurm: %s ended, and there is no dataset: cancelled, over a limit of Slurm, or without a node that sees %s", job, o.Output)
	for _, line := range o.logTail("commit.log") {
		text += "\n    " + line
	}
	return problem("see the logs in "+o.work("")+" and `scontrol show job "+job.Commit+"`, then run the same command again: splits that are done stay done", "%s", text)
}

func (o *Options) logTail(name string) []string {
	data, err := os.ReadFile(o.work(name))
	if err != nil || len(strings.TrimSpace(string(data))) == 0 {
		return nil
	}
	return tail(string(data))
}
