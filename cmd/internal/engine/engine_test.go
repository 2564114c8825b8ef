package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/cmd/internal/build"
)

// A cluster is a folder with a program that only notes how it is called, and misbehaves as a
// script says.
type cluster struct {
	Options
	notes   *[]string
	program string
}

// newCluster makes a program of a shell script, which gets the splits in $splits.
func newCluster(t *testing.T, script string) cluster {
	t.Helper()
	top, err := os.MkdirTemp("", "engine-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // tasks of a build that failed may still be dying
		for range 100 {
			if err = os.RemoveAll(top); err == nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Error(err)
	})
	dir := filepath.Join(top, `it's "here" $HOME`) // what a shell could misread
	c := cluster{notes: new([]string), program: filepath.Join(dir, "my pipeline")}
	var mu sync.Mutex
	c.Options = Options{
		CPUs: 1, Timeout: 20 * time.Second, Attempts: 3, Poll: 20 * time.Millisecond, Address: "auto",
		Program: c.program, Folder: dir, Output: filepath.Join(dir, "out"), Progress: new(build.Progress),
		Notice: func(s string) { mu.Lock(); defer mu.Unlock(); *c.notes = append(*c.notes, s) },
	}
	c.Config = c.work("pipeline.toml")
	script = `#!/bin/bash
while [ $# -gt 0 ]; do
  case $1 in --split) splits=$2; shift ;; --attempt) attempt=$2; shift ;; --commit) commit=yes ;; esac
  shift
done
if [ -n "$commit" ]; then touch out/manifest.json; rm -rf out/.work; exit; fi
echo "$splits $attempt" >>calls
` + script + "\necho '{\"samples\": 10, \"tokens\": 1000}'\n"
	for name, text := range map[string]string{c.program: script, c.Config: "# options\n", filepath.Join(dir, "out/.work/plan.json"): "{}"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// calls returns the splits that the program was asked for, sorted, and checks that no two
// attempts have one name.
func (c *cluster) calls(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(c.Folder, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	var splits []string
	names := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		s, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		if names[name] || name == "" {
			t.Errorf("two attempts have the name %q", name)
		}
		names[name] = true
		splits = append(splits, s)
	}
	slices.Sort(splits)
	return splits
}

var work = build.Work{Tasks: []build.Task{{Splits: []int{0, 1, 2}, Bytes: 300}, {Splits: []int{5}, Bytes: 50}, {Splits: []int{7, 9}, Bytes: 200}}}

var allSplits = []string{"0..2", "5", "7,9"}

// useRay puts the small Ray where python3 finds it.
func useRay(t *testing.T, mode string) {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("no python3 here")
	}
	folder, err := filepath.Abs("testdata/fakeray")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PYTHONPATH", folder)
	t.Setenv("PYTHONDONTWRITEBYTECODE", "1")
	t.Setenv("FAKE_RAY", mode)
}

func TestRayDoesEveryTaskOnce(t *testing.T) {
	useRay(t, "")
	c := newCluster(t, "")
	if err := Ray(t.Context(), c.Options, work); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(allSplits, c.calls(t)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if p := c.Progress; p.SplitsDone.Load() != 6 || p.BytesDone.Load() != 550 || p.Samples.Load() != 30 || p.Tokens.Load() != 3000 {
		t.Errorf("progress %d splits, %d bytes, %d samples, %d tokens", p.SplitsDone.Load(), p.BytesDone.Load(), p.Samples.Load(), p.Tokens.Load())
	}
}

func TestRayTriesAgainWhatWasLostOrFailedOrHung(t *testing.T) {
	once := `[ "$splits" = 5 ] && [ ! -e "before" ] && touch before && `
	for name, c := range map[string]struct{ mode, script, note string }{
		"lost workers":     {"lost", "", "its worker or node was lost"},
		"an error":         {"", once + "{ echo oops >&2; exit 7; }", "exit status 7: oops"},
		"a task that hung": {"", once + "sleep 60", "no end after 2 s"},
	} {
		t.Run(name, func(t *testing.T) {
			useRay(t, c.mode)
			cl := newCluster(t, c.script)
			cl.Timeout = 2 * time.Second
			if err := Ray(t.Context(), cl.Options, work); err != nil {
				t.Fatal(err)
			}
			if got := slices.Compact(cl.calls(t)); !slices.Equal(got, allSplits) {
				t.Errorf("calls %q", got)
			}
			if !strings.Contains(strings.Join(*cl.notes, "\n"), c.note) {
				t.Errorf("notes %q, want %q", *cl.notes, c.note)
			}
		})
	}
}

func TestRayErrorsSayWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		mode, script string
		change       func(*Options)
		want, hint   string
	}{
		"no ray":           {mode: "missing", want: "No module named 'ray'", hint: "pip install ray"},
		"old ray":          {mode: "old", want: "ray 1.13.0 is installed", hint: "2.x"},
		"another version":  {mode: "mismatch", want: "Version mismatch", hint: "cluster's versions"},
		"no cluster":       {mode: "refuse", want: "no cluster at auto", hint: "--engine-address"},
		"a closed port":    {change: func(o *Options) { o.Address = "127.0.0.1:1" }, want: "no cluster at 127.0.0.1:1", hint: "--engine-address"},
		"too many CPUs":    {change: func(o *Options) { o.CPUs = 3 }, want: "no node has the 3 CPUs of a task", hint: "--task-cpus"},
		"fails always":     {script: "echo line one >&2; echo the disk is full >&2; exit 1", want: "failed 3 times, last on node 10.0.0.7: exit status 1\n    line one\n    the disk is full", hint: "stay done"},
		"a mistake":        {script: "exit 2", want: "failed once", hint: "stay done"},
		"lost always":      {mode: "always", want: "failed 20 times", hint: "stay done"},
		"no shared folder": {change: func(o *Options) { o.Folder = "/no/such/folder" }, want: "node 10.0.0.7 does not see", hint: "all nodes"},
	} {
		t.Run(name, func(t *testing.T) {
			useRay(t, c.mode)
			cl := newCluster(t, c.script)
			if c.change != nil {
				c.change(&cl.Options)
			}
			err := Ray(t.Context(), cl.Options, work)
			wantProblem(t, err, c.want, c.hint)
		})
	}
}

func wantProblem(t *testing.T, err error, want, hint string) {
	t.Helper()
	p, ok := errors.AsType[*Problem](err)
	if !ok || !strings.Contains(err.Error(), want) || !strings.Contains(p.Hint, hint) {
		t.Errorf("got %v (%+v), want %q and the hint %q", err, p, want, hint)
	}
}

// fakePython makes a python3 of a shell script.
func fakePython(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "python3"), []byte("#!/bin/sh\n"+script), 0o777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
}

func TestADriverThatMisbehavesIsNoSuccess(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"nothing":         {"exit 0", "the driver ended before its tasks"},
		"a crash":         {`echo "Segmentation fault" >&2; exit 139`, "Segmentation fault"},
		"half a line":     {`printf '{"event": "do'`, "which is no event"},
		"garbage":         {"echo hello; sleep 60", `wrote "hello\n", which is no event`},
		"a strange task":  {`echo '{"event": "done", "task": 17}'`, "speaks of task 17 of 3"},
		"an end, but bad": {`echo '{"event": "end"}'; exit 3`, "exit status 3"},
	} {
		t.Run(name, func(t *testing.T) {
			fakePython(t, c.script)
			if err := Ray(t.Context(), newCluster(t, "").Options, work); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	t.Run("no python", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		wantProblem(t, Ray(t.Context(), newCluster(t, "").Options, work), "there is no python3 here", "pip install ray")
	})
}

func TestCancellingEndsRaysTasks(t *testing.T) {
	useRay(t, "")
	c := newCluster(t, "touch started; sleep 60; touch survived")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(filepath.Join(c.Folder, "started")); err == nil {
				cancel()
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	if err := Ray(ctx, c.Options, work); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// useSlurm puts the small Slurm first in PATH.
func useSlurm(t *testing.T, mode string) (calls func() string) {
	t.Helper()
	folder, err := filepath.Abs("testdata/fakeslurm")
	if err != nil {
		t.Fatal(err)
	}
	jobs := t.TempDir()
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
	t.Setenv("FAKE_JOBS", jobs)
	t.Setenv("FAKE_SLURM", mode)
	return func() string {
		data, _ := os.ReadFile(filepath.Join(jobs, "calls"))
		return string(data)
	}
}

func TestSlurmRunsAnArrayAndACommit(t *testing.T) {
	for _, mode := range []string{"", "twice"} {
		calls := useSlurm(t, mode)
		c := newCluster(t, "sleep 0.5") // long enough to be seen in the queue
		c.Args = []string{"--partition=cpu", "--comment=two words"}
		if n, err := MaxSlurmTasks(t.Context()); n != 1000 || err != nil {
			t.Errorf("%d tasks, %v", n, err)
		}
		job, err := Submit(t.Context(), c.Options, work)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Running(t.Context(), c.Options); err != nil || again.Commit != job.Commit {
			t.Errorf("running: %+v, %v", again, err)
		}
		if err := Follow(t.Context(), c.Options, job); err != nil {
			t.Fatal(err)
		}
		if got := slices.Compact(c.calls(t)); !slices.Equal(got, allSplits) {
			t.Errorf("calls %q", got)
		}
		for _, want := range []string{"--requeue", "--array=0-2", "--dependency=afterok:" + job.Array, "--kill-on-invalid-dep=yes", "--partition=cpu --comment=two words"} {
			if !strings.Contains(calls(), want) {
				t.Errorf("sbatch was not given %s:\n%s", want, calls())
			}
		}
		if _, err := Running(t.Context(), c.Options); !errors.Is(err, ErrNotRunning) {
			t.Errorf("after the end: %v", err)
		}
	}
}

func TestSlurmTriesATaskAgain(t *testing.T) {
	useSlurm(t, "")
	c := newCluster(t, `[ "$splits" = 5 ] && { n=$(cat n 2>/dev/null); echo "x$n" >n; [ "$n" = xx ] || { [ "$n" = x ] && sleep 60; exit 7; }; }`)
	c.Timeout = time.Second
	job, err := Submit(t.Context(), c.Options, work)
	if err != nil {
		t.Fatal(err)
	}
	if err := Follow(t.Context(), c.Options, job); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"0..2", "5", "5", "5", "7,9"}, c.calls(t)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestSlurmErrorsSayWhatToDo(t *testing.T) {
	for name, c := range map[string]struct{ mode, script, want, hint string }{
		"fails always": {"", `[ "$splits" = 5 ] && { echo the disk is full >&2; exit 1; }`, "splits 5 failed 3 times, last in job 1_1: exit status 1\n    the disk is full", "stay done"},
		"a mistake":    {"", `[ "$splits" = 5 ] && exit 2`, "splits 5 failed once", "stay done"},
		"cancelled":    {"cancel", "", "ended, and there is no dataset", "scontrol show job"},
		"refused":      {"refuse", "", "invalid partition specified: nowhere", "--engine-args"},
	} {
		t.Run(name, func(t *testing.T) {
			useSlurm(t, c.mode)
			cl := newCluster(t, c.script)
			job, err := Submit(t.Context(), cl.Options, work)
			if err == nil {
				err = Follow(t.Context(), cl.Options, job)
			}
			wantProblem(t, err, c.want, c.hint)
		})
	}
	t.Run("garbage", func(t *testing.T) {
		useSlurm(t, "garbage")
		if _, err := Submit(t.Context(), newCluster(t, "").Options, work); err == nil || !strings.Contains(err.Error(), "no job number") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no sbatch", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		_, err := MaxSlurmTasks(t.Context())
		wantProblem(t, err, "there is no sbatch here", "another --engine")
	})
}

func TestQuotingIsSafe(t *testing.T) {
	for _, s := range []string{"", "a b", "it's", `"$HOME" \ ` + "`id`", "a\nb", "*"} {
		out, err := exec.Command("bash", "-c", "printf %s "+quote(s)).Output()
		if err != nil || string(out) != s {
			t.Errorf("%q came back as %q, %v", s, out, err)
		}
	}
}

func TestATailIsTheEnd(t *testing.T) {
	var b tailBuffer
	for i := range 10_000 {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	got := tail(string(b.data))
	if len(got) != tailLines || got[len(got)-1] != "line 9999" || len(b.data) > tailBytes {
		t.Errorf("%d bytes kept, tail %q", len(b.data), got)
	}
}
