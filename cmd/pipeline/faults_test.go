package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// faultsOf says how often each verb meets each fault: $PIPELINE_FAULTS where it is set, as `make
// faults` does, else few.
func faultsOf(t *testing.T, few int) int {
	t.Helper()
	text := os.Getenv("PIPELINE_FAULTS")
	if text == "" {
		return few
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("PIPELINE_FAULTS=%s is not a number of faults", text)
	}
	return n
}

// A writer is a verb that writes. It runs in a copy of a prepared folder; after whatever fault, the
// same command again ends with the same files, byte by byte.
type writer struct {
	name string
	args string
	file string // what it writes, or the folder
}

// writers are the verbs that write. One line here gives a new verb all the faults.
var writers = []writer{
	{"build", "build --input docs.jsonl --tokenizer bytes --split-size 32KiB --phases 4000,20000 --output fresh", "fresh"},
	{"build --force", "build --input docs.jsonl --tokenizer bytes --split-size 32KiB --phases 3000,20000 --force --output data", "data"},
	{"ingest", "ingest --input docs.jsonl --split-size 32KiB --output fresh", "fresh"},
	{"rewards import", "rewards import data --from later.jsonl --run later", "data"},
	{"rewards compact", "rewards compact data", "data"},
	{"rewards export", "rewards export data --format parquet --output out/rewards.parquet", "out"},
	{"sample", "sample data --phase 2 --run third --retrospective inverse_mean --seed 7 --output drawn.parquet", "drawn.parquet"},
	{"stream", "stream data --plan plan.parquet --batch 5 --output all.arrows", "data"},
	{"export", "export data --plan plan.parquet --format verl --output out/verl.parquet", "out"},
	{"eval --rollouts", "eval --rollouts rollouts.jsonl --output scored", "scored"},
}

// faulty returns the writers that a test tries: all of them where $PIPELINE_FAULTS is set.
func faulty() []writer {
	if os.Getenv("PIPELINE_FAULTS") != "" {
		return writers
	}
	return slices.DeleteFunc(slices.Clone(writers), func(v writer) bool {
		return !slices.Contains([]string{"build --force", "rewards import", "stream", "eval --rollouts"}, v.name)
	})
}

// A world is a folder that verbs run in.
type world struct {
	exe  string
	home string // every copy is below it
	base string // never written
	n    int

	wanted map[string]map[string]string // what a verb leaves where nothing hinders it, by its name
	took   map[string]time.Duration     // and how long it takes
}

// newWorld prepares documents, a dataset with a history of three segments, a plan and responses.
func newWorld(t *testing.T) *world {
	t.Helper()
	exe, err := exec.LookPath("pipeline") // testscript puts this test binary there under that name
	if err != nil {
		exe = buildBinary(t)
	}
	w := &world{exe: exe, home: t.TempDir(), wanted: map[string]map[string]string{}, took: map[string]time.Duration{}}
	w.base = filepath.Join(w.home, "base")
	if err := os.Mkdir(w.base, 0o777); err != nil {
		t.Fatal(err)
	}
	var rewards, rollouts strings.Builder
	for i := range 60 {
		fmt.Fprintf(&rewards, `{"id":"lookup-%06d","rewards":[%d,0,1,null],"step":%d}`+"\n", i, i%2, i)
		fmt.Fprintf(&rollouts, `{"sample_id":"%d","data_source":"docmath","question":"q","answers":["7"],"response":"</think>Therefore, the answer is %d."}`+"\n", i/2, i%9)
	}
	for name, text := range map[string]string{"rewards.jsonl": rewards.String(), "later.jsonl": rewards.String(), "rollouts.jsonl": rollouts.String(), "bad.jsonl": "{}\n{\n"} {
		if err := os.WriteFile(filepath.Join(w.base, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range []string{
		"synth --samples 60 --tokens 200..1500 --task lookup --seed 3 --output docs.jsonl",
		"build --input docs.jsonl --tokenizer bytes --split-size 32KiB --phases 4000,20000 --output data",
		"rewards import data --from rewards.jsonl --run first", "rewards import data --from rewards.jsonl --run second",
		"rewards import data --from rewards.jsonl --run third", "sample data --phase 1 --run third --seed 7 --epochs 2 --output plan.parquet",
	} {
		w.must(t, w.base, args)
	}
	return w
}

// fresh returns a new copy of the folder.
func (w *world) fresh(t *testing.T) string {
	t.Helper()
	w.n++
	dir := filepath.Join(w.home, fmt.Sprint("copy-", w.n))
	if err := os.CopyFS(dir, os.DirFS(w.base)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (w *world) command(ctx context.Context, dir, args string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, w.exe, append([]string{"-q"}, strings.Fields(args)...)...)
	cmd.Dir = dir
	return cmd
}

func (w *world) must(t *testing.T, dir, args string) {
	t.Helper()
	if out, err := w.command(t.Context(), dir, args).CombinedOutput(); err != nil {
		t.Fatalf("pipeline %s: %v\n%s", args, err, out)
	}
}

// tree reads what a folder holds. The stream's cache is left out, which may be there or not; but
// what was written aside in it is not.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for name, data := range readTree(t, dir) {
		if !strings.HasPrefix(name, "data/cache/") || strings.HasSuffix(name, ".tmp") {
			files[name] = string(data)
		}
	}
	return files
}

// whole is what a verb leaves where nothing hinders it, and how long it takes.
func (w *world) whole(t *testing.T, v writer) (want map[string]string, took time.Duration) {
	t.Helper()
	if want, ok := w.wanted[v.name]; ok {
		return want, w.took[v.name]
	}
	dir := w.fresh(t)
	start := time.Now()
	w.must(t, dir, v.args)
	took = time.Since(start)
	want = tree(t, dir)
	w.wanted[v.name], w.took[v.name] = want, took
	if maps.Equal(want, tree(t, w.base)) && v.name != "stream" {
		t.Fatalf("%s writes nothing", v.name)
	}
	return want, took
}

// again runs the verb after a fault and compares what is there in the end.
func (w *world) again(t *testing.T, v writer, dir, after string, want map[string]string) {
	t.Helper()
	w.must(t, dir, v.args)
	got := tree(t, dir)
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if data, ok := got[name]; !ok || data != want[name] {
			t.Errorf("%s, after %s: %s: there %v, and with other bytes", v.name, after, name, ok)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s, after %s: %s was left behind", v.name, after, name)
		}
	}
}

// TestAfterAnyRealFaultAVerbEndsWithTheSameBytes lets real processes meet real faults.
func TestAfterAnyRealFaultAVerbEndsWithTheSameBytes(t *testing.T) {
	w := newWorld(t)
	t.Run("killed at random moments", w.kills)
	t.Run("four at once take turns or say that it is locked", w.crowd)
	t.Run("a clock that jumps", w.jumps)
	t.Run("a disk that is full", w.fullDisks)
	t.Run("a bit that flips is found by verify and by readers", w.flips)
	t.Run("a folder that may not be written", w.noPermission) // changes whose the files are: the last
}

// kills ends each verb with SIGKILL at random moments.
func (w *world) kills(t *testing.T) {
	n := faultsOf(t, 1)
	before := tree(t, w.base)
	r := rand.New(rand.NewPCG(uint64(n), 11))
	for _, v := range faulty() {
		want, took := w.whole(t, v)
		killed, halfway, done, tries := 0, 0, 0, 0
		for ; killed < n && tries < 40*n; tries++ {
			dir := w.fresh(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.Int64N(int64(took)+1)))
			err := w.command(ctx, dir, v.args).Run() // the end of ctx is SIGKILL
			cancel()
			if err == nil || ctx.Err() == nil {
				took = took * 9 / 10 // it is faster than the first time
				continue
			}
			killed++
			switch left := tree(t, dir); {
			case maps.Equal(left, want):
				done++
			case !maps.Equal(left, before):
				halfway++
			}
			w.again(t, v, dir, "a kill", want)
		}
		t.Logf("kill -9: %-16s %3d kills, %d of them met it writing, %d after its last write", v.name, killed, halfway, done)
		if killed < n {
			t.Errorf("%s: only %d of %d kills met it running", v.name, killed, n)
		}
	}
}

// crowd starts four of each verb that locks.
func (w *world) crowd(t *testing.T) {
	for _, v := range faulty() {
		if !slices.Contains([]string{"build", "build --force", "rewards import", "eval --rollouts"}, v.name) {
			continue
		}
		want, _ := w.whole(t, v)
		statuses := map[int]int{}
		for range faultsOf(t, 1) {
			dir := w.fresh(t)
			var cmds [4]*exec.Cmd
			var errs [4]bytes.Buffer
			for i := range cmds {
				cmds[i] = w.command(t.Context(), dir, v.args)
				cmds[i].Stderr = &errs[i]
				if err := cmds[i].Start(); err != nil {
					t.Fatal(err)
				}
			}
			for i, cmd := range cmds {
				_ = cmd.Wait() // its status says it
				status := cmd.ProcessState.ExitCode()
				if statuses[status]++; status != 0 && status != 11 {
					t.Errorf("%s: status %d: %s", v.name, status, errs[i].String())
				}
			}
			w.again(t, v, dir, "four at once", want)
		}
		t.Logf("four at once: %-16s %d done, %d locked", v.name, statuses[0], statuses[11])
	}
}

// jumps moves the times of all that a killed verb left, locks too, far
// away before the next run. An input's time is not moved: another time there is another file.
func (w *world) jumps(t *testing.T) {
	jumps := 0
	for _, v := range faulty() {
		want, took := w.whole(t, v)
		for _, at := range []time.Time{time.Unix(0, 0), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)} {
			dir := w.fresh(t)
			ctx, cancel := context.WithTimeout(t.Context(), took/2)
			_ = w.command(ctx, dir, v.args).Run() // killed, or not
			cancel()
			for name := range readTree(t, dir) {
				if !strings.Contains(name, "/") {
					continue
				}
				if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil {
					t.Fatal(err)
				}
			}
			jumps++
			w.again(t, v, dir, "a jump to "+at.Format("2006"), want)
		}
	}
	t.Logf("clock: %d jumps, to 1970 and to 2100", jumps)
}
