package engine

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/longctx/pipeline/cmd/internal/build"
)

//go:embed driver.py
var driver string

// raySpec is all that the driver is told.
type raySpec struct {
	Address  string    `json:"address"`
	Program  string    `json:"program"`
	SHA256   string    `json:"sha256"` // of the program
	Config   string    `json:"config"`
	Folder   string    `json:"folder"`
	CPUs     int       `json:"cpus"`
	Timeout  float64   `json:"timeout"` // seconds
	Attempts int       `json:"attempts"`
	Tasks    []rayTask `json:"tasks"`
}

type rayTask struct {
	Splits string `json:"splits"` // as ParseSplits reads it
}

// rayEvent is a line of the driver.
type rayEvent struct {
	Event  string   `json:"event"` // nodes, done, retry, failed, error, end
	Kind   string   `json:"kind"`  // of an error
	Detail string   `json:"detail"`
	Task   int      `json:"task"`
	Tries  int      `json:"tries"`
	Node   string   `json:"node"`
	Why    string   `json:"why"`
	Stderr []string `json:"stderr"`
	Nodes  int      `json:"nodes"`
	CPUs   float64  `json:"cpus"`
	Report struct {
		Samples int64 `json:"samples"`
		Tokens  int64 `json:"tokens"`
		Drops   int64 `json:"drops"`
	} `json:"report"`
}

// stopWait is how long the driver may take to cancel its tasks.
const stopWait = 20 * time.Second

// Ray does tasks on a Ray cluster and returns when all are done, or one has failed too often.
// The end of ctx cancels them.
func Ray(ctx context.Context, o Options, work build.Work) error {
	python, err := exec.LookPath("python3")
	if err != nil {
		return problem("install Python 3 and `pip install ray`, the version of the cluster", "engine ray: there is no python3 here")
	}
	spec, err := o.raySpec(work)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	cmd := exec.CommandContext(running, python, "-u", "-c", driver)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this process, which tells the driver
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopWait
	var stderr tailBuffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe() // its end tells the driver that this process has died
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("engine ray: %w", err)
	}
	go func() { _, _ = in.Write(append(spec, '\n')) }() // a driver that does not read dies, which Wait tells
	r := rayRun{options: o, work: work, done: make([]bool, len(work.Tasks))}
	readErr := r.read(out)
	if readErr != nil {
		out.Close() // a driver that goes on writing does not wait for a reader
		stop()
	}
	waitErr := cmd.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if readErr != nil {
		return readErr
	}
	return r.judge(waitErr, string(stderr.data))
}

func (o *Options) raySpec(work build.Work) ([]byte, error) {
	sum, err := hashFile(o.Program)
	if err != nil {
		return nil, fmt.Errorf("engine ray: this program: %w", err)
	}
	s := raySpec{
		Address: o.Address, Program: o.Program, SHA256: sum, Config: o.Config, Folder: o.Folder,
		CPUs: o.CPUs, Timeout: o.Timeout.Seconds(), Attempts: o.Attempts,
	}
	for _, t := range work.Tasks {
		s.Tasks = append(s.Tasks, rayTask{build.FormatSplits(t.Splits)})
	}
	return json.Marshal(s)
}

func hashFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return hex.EncodeToString(sum.Sum(nil)), err
}

// rayRun is what the driver has told so far.
type rayRun struct {
	options Options
	work    build.Work
	done    []bool // [tasks]
	ended   bool
}

// read takes events until the driver closes its output, or one of them is a failure.
func (r *rayRun) read(out io.Reader) error {
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var e rayEvent
			if jsonErr := json.Unmarshal(line, &e); jsonErr != nil {
				return fmt.Errorf("engine ray: the driver wrote %.200q, which is no event", line)
			}
			if err := r.take(e); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("engine ray: read the driver's events: %w", err)
		}
	}
}

func (r *rayRun) take(e rayEvent) error {
	if e.Task < 0 || e.Task >= len(r.work.Tasks) {
		return fmt.Errorf("engine ray: the driver speaks of task %d of %d", e.Task, len(r.work.Tasks))
	}
	task := r.work.Tasks[e.Task]
	switch e.Event {
	case "nodes":
		r.options.Notice(fmt.Sprintf("ray: %d tasks for %d nodes with %g CPUs", len(r.work.Tasks), e.Nodes, e.CPUs))
	case "done":
		if !r.done[e.Task] {
			r.done[e.Task] = true
			r.count(task, e)
		}
	case "retry":
		r.options.Notice(fmt.Sprintf("ray: splits %s again: %s%s", build.FormatSplits(task.Splits), e.Why, lastLine(e.Stderr)))
	case "failed":
		return failedTask(task, e.Tries, "on node "+e.Node, e.Why, e.Stderr)
	case "error":
		return r.problem(e)
	case "end":
		r.ended = true
	}
	return nil
}

func lastLine(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return ": " + lines[len(lines)-1]
}

func (r *rayRun) count(task build.Task, e rayEvent) {
	p := r.options.Progress
	p.SplitsDone.Add(int64(len(task.Splits)))
	p.BytesDone.Add(task.Bytes)
	p.Samples.Add(e.Report.Samples)
	p.Tokens.Add(e.Report.Tokens)
	p.Drops.Add(e.Report.Drops)
}

// problem says what an error of the driver means, and what to do.
func (r *rayRun) problem(e rayEvent) error {
	switch e.Kind {
	case "no_ray":
		return problem("`pip install ray`, the version of the cluster, for the python3 that comes first in PATH", "engine ray: %s", e.Detail)
	case "version":
		return problem("install the cluster's versions of ray (2.x) and Python here", "engine ray: %s", e.Detail)
	case "unreachable":
		return problem("name the address of a running cluster with --engine-address; `ray start --head` starts one, `ray status` shows it",
			"engine ray: no cluster at %s: %s", r.options.Address, e.Detail)
	case "cpus":
		return problem("ask for fewer with --task-cpus", "engine ray: no node has the %d CPUs of a task: %s", r.options.CPUs, e.Detail)
	case "unshared":
		return problem("--output and the inputs must be on a file system that all nodes see under the same path",
			"engine ray: node %s does not see %s", e.Detail, r.options.Config)
	}
	return fmt.Errorf("engine ray: %s: %s", e.Kind, e.Detail)
}

// judge decides whether a driver that has closed its output has done its work.
func (r *rayRun) judge(wait error, stderr string) error {
	if r.ended && wait == nil {
		return nil
	}
	text := "engine ray: the driver ended before its tasks"
	if wait != nil {
		text += " (" + wait.Error() + ")"
	}
	for _, line := range tail(stderr) {
		text += "\n    " + line
	}
	return problem("run the same command again: splits that are done stay done", "%s", text)
}
