package history

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/longctx/pipeline/dataset/faultfs"
)

// work does everything that a store does and returns what was acknowledged, in order. It goes
// on after failures until the file system has crashed.
func work(fsys *faultfs.FS) (acknowledged []Outcome, resumed bool) {
	s, err := Open(fsys, nil)
	if err != nil {
		if s, err = Open(fsys, nil); err != nil {
			return nil, false
		}
	}
	ctx := context.Background()
	appendOne := func(o Outcome) {
		for range 2 { // a caller tries again
			if _, err := s.Append(ctx, []Outcome{o}); err == nil {
				acknowledged = append(acknowledged, o)
				return
			}
		}
	}
	appendOne(group(1, 1, 1, 0))
	appendOne(group(2, 2, -1, 0))
	if tx, err := s.Begin(); err == nil {
		o := group(3, 3, 1, 1)
		if _, err := tx.Add(ctx, []Outcome{o}); err != nil {
			tx.Abort()
		} else if _, err := tx.Commit(); err == nil {
			acknowledged = append(acknowledged, o)
		}
	}
	s.Compact(ctx)
	if _, err := s.Resume(ctx, Cursor{Run: "run", TrainStage: "phase-1", Step: 3}); err == nil {
		resumed = true
		acknowledged = slices.DeleteFunc(acknowledged, func(o Outcome) bool { return o.Step >= 3 })
	}
	appendOne(group(4, 3, 0, 0))
	s.Compact(ctx)
	appendOne(group(5, 4, 0, 1))
	s.Close()
	return acknowledged, resumed
}

// check opens what a fault left and compares it with what was acknowledged.
func check(t *testing.T, fsys *faultfs.FS, acknowledged []Outcome, resumed bool) {
	t.Helper()
	s, err := Open(fsys, nil)
	if err != nil {
		t.Fatalf("open afterwards: %v", err)
	}
	got := readAll(t, fsys)
	for _, o := range acknowledged {
		// What Resume would take back may be gone although Resume has failed.
		if !slices.Contains(identities(got), o.Identity.String()) && (resumed || o.Step < 3) {
			t.Errorf("lost: %v; there: %q", o.Identity, identities(got))
		}
	}
	if ids := identities(got); len(slices.Compact(ids)) != len(got) {
		t.Errorf("doubled: %q", ids)
	}
	for name := range fsys.Files() {
		if strings.HasSuffix(name, ".tmp") {
			t.Errorf("left behind: %s", name)
		}
	}
	named := append(s.m.names(), manifestName)
	for name := range fsys.Files() {
		if !slices.Contains(named, name) {
			t.Errorf("nothing names %s", name)
		}
	}
	if err := Verify(context.Background(), fsys); err != nil {
		t.Error(err)
	}
	if _, err := s.Append(context.Background(), []Outcome{group(9, 9, 1)}); err != nil {
		t.Errorf("append afterwards: %v", err)
	}
}

func operations() int {
	fsys := faultfs.New()
	work(fsys)
	return fsys.Ops()
}

func TestAnOperationThatFailsLosesNothingAcknowledged(t *testing.T) {
	n := operations()
	for i := range n {
		fsys := faultfs.New()
		var failed faultfs.Op
		fsys.OnOp(func(at int, op faultfs.Op) error {
			if at == i {
				failed = op
				return errors.New("injected")
			}
			return nil
		})
		acknowledged, resumed := work(fsys)
		fsys.OnOp(nil)
		t.Run(fmt.Sprintf("%d %s, then the machine stops", i, failed), func(t *testing.T) { check(t, fsys.AfterCrash(), acknowledged, resumed) })
		t.Run(fmt.Sprintf("%d %s", i, failed), func(t *testing.T) { check(t, fsys, acknowledged, resumed) })
	}
}

func TestACrashAtAnyOperationLosesNothingAcknowledged(t *testing.T) {
	n := operations()
	for i := range n {
		fsys := faultfs.New()
		fsys.OnOp(func(at int, _ faultfs.Op) error {
			if at == i {
				return faultfs.ErrCrashed
			}
			return nil
		})
		acknowledged, resumed := work(fsys)
		t.Run(fmt.Sprintf("the machine stops at %d", i), func(t *testing.T) { check(t, fsys.AfterCrash(), acknowledged, resumed) })
		t.Run(fmt.Sprintf("the process dies at %d", i), func(t *testing.T) { check(t, fsys.AfterKill(), acknowledged, resumed) })
	}
}

func TestAppendSyncsBeforeItNames(t *testing.T) {
	fsys := faultfs.New()
	s := mustOpen(t, fsys)
	fsys.OnOp(nil)
	mustAppend(t, s, group(1, 1, 1))
	var log []string
	for _, op := range fsys.Log() {
		log = append(log, string(op))
	}
	want := `create: history/segment-00000001.parquet.tmp
sync: history/segment-00000001.parquet.tmp
rename: history/segment-00000001.parquet.tmp -> history/segment-00000001.parquet
sync dir: history
create: history/manifest.json.tmp
sync: history/manifest.json.tmp
rename: history/manifest.json.tmp -> history/manifest.json
sync dir: history`
	if got := strings.Join(log, "\n"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestCallersThatWaitShareACommit(t *testing.T) {
	fsys := faultfs.New()
	s := mustOpen(t, fsys)
	const callers = 40
	s.commit.Lock() // all of them wait
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			if _, err := s.Append(context.Background(), []Outcome{group(i, 1, 1, 0)}); err != nil {
				t.Error(err)
			}
			if i%4 == 0 { // one in four contradicts itself
				if _, err := s.Append(context.Background(), []Outcome{group(i, 1, 0, 0)}); !errors.Is(err, ErrConflict) {
					t.Errorf("error: %v", err)
				}
			}
		})
	}
	for waiting := 0; waiting < callers; {
		s.waiting.Lock()
		waiting = len(s.queue)
		s.waiting.Unlock()
	}
	s.commit.Unlock()
	wg.Wait()
	if n := len(readAll(t, fsys)); n != callers {
		t.Errorf("%d outcomes of %d callers", n, callers)
	}
	if n := len(s.m.Segments); n != 1 {
		t.Errorf("%d segments", n)
	}
}

func TestReadingGoesOnWhileAWriterAppends(t *testing.T) {
	fsys := faultfs.New()
	s := mustOpen(t, fsys)
	mustAppend(t, s, group(0, 0, 1, 0))
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 1; i < 30; i++ {
			mustAppend(t, s, group(i, int64(i), 1, 0))
			if i%10 == 0 {
				if _, err := s.Compact(context.Background()); err != nil {
					t.Error(err)
				}
			}
		}
	})
	wg.Go(func() {
		seen := 0
		for seen < 30 {
			n := len(readAll(t, fsys))
			if n < seen {
				t.Errorf("%d outcomes, there were %d before", n, seen)
			}
			seen = n
		}
	})
	wg.Wait()
}
