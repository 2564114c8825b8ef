package build

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
)

var update = flag.Bool("update", false, "rewrite golden files")

func exportAll(reflect.Type) bool { return true }

func decodeReject(t testing.TB, line string) dataset.Reject {
	t.Helper()
	var r dataset.Reject
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// oneWorker makes the order of operations the same in every run, and the build small: it runs
// some hundred times.
func oneWorker(out dataset.FS, input string) Options {
	o := options(out, input)
	o.Workers = 1
	o.Ingest.SplitBytes = 9 << 10
	o.Bucket.Phases = []int32{500}
	return o
}

// countOps runs a build on a fresh file system and returns its files and number of operations.
func countOps(t *testing.T, input string) (want map[string][]byte, ops int) {
	t.Helper()
	fsys := faultfs.New()
	mustRun(t, oneWorker(fsys, input))
	return fsys.Files(), fsys.Ops()
}

var errFault = errors.New("injected: no space left on device")

func TestEveryOperationMayFailOnce(t *testing.T) {
	input := corpus(t, 40)
	want, ops := countOps(t, input)
	if ops < 60 {
		t.Fatalf("only %d operations: too few to show anything", ops)
	}
	for n := range ops {
		fsys := faultfs.New()
		failed := faultfs.Op("")
		fsys.OnOp(func(i int, op faultfs.Op) error {
			if i == n {
				failed = op
				return errFault
			}
			return nil
		})
		_, err := Run(t.Context(), oneWorker(fsys, input))
		if failed == "" {
			continue // the order of workers' operations differs a little
		}
		if err == nil && !strings.HasPrefix(string(failed), "remove: ") {
			t.Errorf("operation %d (%s) failed and the build did not say so", n, failed)
		}
		if err != nil && !errors.Is(err, errFault) {
			t.Errorf("operation %d (%s): the error lost its cause: %v", n, failed, err)
		}
		fsys.OnOp(nil)
		mustRun(t, oneWorker(fsys, input))
		sameFiles(t, fmt.Sprintf("after operation %d (%s) failed", n, failed), fsys.Files(), want)
	}
}

func TestEveryOperationMayBeTheLastBeforeACrash(t *testing.T) {
	input := corpus(t, 40)
	want, ops := countOps(t, input)
	for n := range ops {
		fsys := faultfs.New()
		last := faultfs.Op("")
		fsys.OnOp(func(i int, op faultfs.Op) error {
			if i == n {
				last = op
				return faultfs.ErrCrashed
			}
			return nil
		})
		if _, err := Run(t.Context(), oneWorker(fsys, input)); err == nil && last != "" {
			t.Errorf("crash at operation %d (%s) and the build did not notice", n, last)
		}
		for how, survivor := range map[string]*faultfs.FS{"power cut": fsys.AfterCrash(), "kill": fsys.AfterKill()} {
			if m, err := dataset.ReadManifest(survivor); err == nil {
				if _, err := dataset.Verify(t.Context(), survivor); err != nil {
					t.Errorf("%s at operation %d (%s): manifest %s is there, and %v", how, n, last, m.ID, err)
				}
			}
			mustRun(t, oneWorker(survivor, input))
			sameFiles(t, fmt.Sprintf("after a %s at operation %d (%s)", how, n, last), survivor.Files(), want)
		}
	}
}

func TestACrashDuringAForcedRebuildLeavesOldOrNew(t *testing.T) {
	input := corpus(t, 30)
	change := func(fsys dataset.FS) Options {
		o := oneWorker(fsys, input)
		o.Bucket.Phases, o.Force = []int32{700}, true
		return o
	}
	clean := faultfs.New()
	mustRun(t, change(clean))
	prepared := func() *faultfs.FS {
		fsys := faultfs.New()
		mustRun(t, oneWorker(fsys, input))
		return fsys
	}
	probe := prepared()
	probe.OnOp(nil)
	mustRun(t, change(probe))
	for n := range probe.Ops() {
		fsys := prepared()
		fsys.OnOp(func(i int, _ faultfs.Op) error {
			if i == n {
				return faultfs.ErrCrashed
			}
			return nil
		})
		_, _ = Run(t.Context(), change(fsys))
		survivor := fsys.AfterCrash()
		if _, err := dataset.Verify(t.Context(), survivor); err != nil && !errors.Is(err, dataset.ErrNoManifest) {
			t.Errorf("crash at operation %d: %v", n, err)
		}
		mustRun(t, change(survivor))
		sameFiles(t, fmt.Sprintf("crash at operation %d", n), survivor.Files(), clean.Files())
	}
}

func TestTheOperationLogIsTheDurabilityProtocol(t *testing.T) {
	fsys := faultfs.New()
	o := oneWorker(fsys, corpus(t, 30))
	o.Ingest.SplitBytes = 1 << 20
	mustRun(t, o)
	var b strings.Builder
	for _, op := range fsys.Log() {
		fmt.Fprintln(&b, op)
	}
	const golden = "testdata/oplog.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
