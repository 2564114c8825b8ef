package faultfs

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// errInjected is the failure of one operation, after which the others work.
var errInjected = errors.New("injected: input/output error")

// Sweep lets work meet a fault at each of its operations, one at a time: the operation fails, the
// process is killed, the power is cut. Each time work then runs again, and must end with the files
// of a run that was left alone, byte for byte, and no others. Where work says that it succeeded in
// spite of the fault, those files must be there at once.
//
// prepare returns what work begins with. Sweep returns the number of operations.
func Sweep(t testing.TB, prepare func() *FS, work func(*FS) error) int {
	t.Helper()
	whole := prepare()
	whole.OnOp(nil)
	if err := work(whole); err != nil {
		t.Fatalf("where nothing fails: %v", err)
	}
	want, ops := whole.Files(), whole.Ops()
	if ops < 4 {
		t.Fatalf("only %d operations: nothing is swept", ops)
	}
	for at := range ops {
		for _, fault := range []error{errInjected, ErrCrashed} {
			fsys := prepare()
			var failed Op
			fsys.OnOp(func(i int, op Op) error {
				if i != at {
					return nil
				}
				failed = op
				return fault
			})
			err := work(fsys)
			fsys.OnOp(nil)
			after := map[string]*FS{"went on": fsys}
			if errors.Is(fault, ErrCrashed) {
				if err == nil && failed != "" && !strings.HasPrefix(string(failed), "remove: ") {
					t.Errorf("operation %d (%s): a crash that nobody has noticed", at, failed)
				}
				after = map[string]*FS{"the process was killed": fsys.AfterKill(), "the power was cut": fsys.AfterCrash()}
			}
			for how, left := range after {
				what := fmt.Sprintf("operation %d (%s) failed, and %s", at, failed, how)
				if err == nil {
					compare(t, what+", unreported", left.Files(), want)
				}
				if err := work(left); err != nil {
					t.Errorf("%s: again: %v", what, err)
				}
				compare(t, what, left.Files(), want)
			}
		}
	}
	t.Logf("%d operations, each with an error, a kill and a power cut", ops)
	return ops
}

func compare(t testing.TB, what string, got, want map[string][]byte) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if data, ok := got[name]; !ok || string(data) != string(want[name]) {
			t.Errorf("%s: %s is there: %v, and not as it should be", what, name, ok)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: %s was left behind", what, name)
		}
	}
}
