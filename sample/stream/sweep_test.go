package stream_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/longctx/pipeline/dataset/faultfs"
	"github.com/longctx/pipeline/sample/stream"
	"github.com/longctx/pipeline/sample/stream/streamtest"
)

// The cache may fail to be built, never be wrong: with it or without, the next source that warms
// it has the same files.
func TestSweepOfTheCache(t *testing.T) {
	build := func(fsys *faultfs.FS) error {
		src, err := stream.Open(fsys, stream.SourceOptions{Cache: true})
		if err != nil {
			return err
		}
		defer src.Close()
		return src.Warm()
	}
	prepare := func() *faultfs.FS {
		fsys := faultfs.New()
		streamtest.Dataset(t, fsys, streamtest.Spec{Phases: []int{9, 5}})
		for _, folder := range []string{"phases/phase-1", "phases/phase-2"} { // as a build's commit does
			if err := fsys.SyncDir(folder); err != nil {
				t.Fatal(err)
			}
		}
		return fsys
	}
	whole := prepare()
	whole.OnOp(nil)
	if err := build(whole); err != nil {
		t.Fatal(err)
	}
	want, ops := cacheFiles(t, whole), whole.Ops()
	for at := range ops {
		for _, fault := range []error{faultfs.ErrCrashed, errFull} {
			fsys := prepare()
			fsys.OnOp(func(i int, _ faultfs.Op) error {
				if i == at {
					return fault
				}
				return nil
			})
			_ = build(fsys) // a cache that cannot be built is no error
			fsys.OnOp(nil)
			survivors := []*faultfs.FS{fsys}
			if fault == faultfs.ErrCrashed {
				survivors = []*faultfs.FS{fsys.AfterKill(), fsys.AfterCrash()}
			}
			for _, left := range survivors {
				if err := build(left); err != nil {
					t.Fatalf("operation %d, %v: %v", at, fault, err)
				}
				sameCache(t, left, whole, want)
			}
		}
	}
	t.Logf("%d operations, each with an error, a kill and a power cut", ops)
}

var errFull = errors.New("no space left on device")

func sameCache(t *testing.T, got, want *faultfs.FS, names []string) {
	t.Helper()
	if there := cacheFiles(t, got); !slices.Equal(there, names) {
		t.Errorf("cache holds %q, not %q", there, names)
	}
	for _, name := range names {
		if !bytes.Equal(got.Files()[name], want.Files()[name]) {
			t.Errorf("%s has other bytes", name)
		}
	}
}
