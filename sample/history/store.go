package history

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/longctx/pipeline/dataset"
)

// A Locker gives out locks that die with their process.
type Locker interface {
	// Lock takes the named lock without waiting, alone or shared.
	Lock(name string, shared bool) (release func(), err error)
}

// ErrClosed means that a Store was used after Close.
var ErrClosed = errors.New("history: closed")

// A Store adds to a dataset's history. Its methods may be called from many goroutines.
type Store struct {
	fsys    dataset.FS
	release func()
	files   atomic.Int64 // file numbers given out

	waiting sync.Mutex
	queue   []*request

	compacting   sync.Mutex     // one compaction at a time
	background   sync.WaitGroup // a compaction that an append began
	compactAfter int            // segments after which an append begins one

	commit  sync.Mutex // held by whoever changes the manifest; guards all below
	m       *manifest  // nil: a commit failed, and what is on disk has to be read again
	index   *index     // of the segments in loaded
	loaded  map[string]bool
	closed  bool
	behind  error // of the last background compaction
	tidying bool  // one is running
	epoch   int   // grows with each recover: files without a name are gone
}

// Open opens a dataset's history for writing: it takes the history's lock and removes what an
// interrupted writer left. fsys is the dataset's folder; locker may be nil where nobody else
// can write.
func Open(fsys dataset.FS, locker Locker) (*Store, error) {
	release := func() {}
	if locker != nil {
		var err error
		if release, err = locker.Lock(lockName, false); err != nil {
			return nil, fmt.Errorf("history: %w", err)
		}
	}
	s := &Store{fsys: fsys, release: release, compactAfter: manySegments}
	if err := s.recover(); err != nil {
		release()
		return nil, err
	}
	return s, nil
}

// Close waits for a background compaction and gives the lock back. Everything acknowledged is
// on disk already; the error is the compaction's.
func (s *Store) Close() error {
	s.background.Wait()
	s.commit.Lock()
	defer s.commit.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.release()
	return s.behind
}

// manySegments is how many segments an append leaves before it begins a compaction.
const manySegments = 256

// tidy begins a background compaction where there are many segments. The commit lock is held.
func (s *Store) tidy() {
	if len(s.m.Segments) < s.compactAfter || s.tidying || s.behind != nil {
		return
	}
	s.tidying = true
	s.background.Go(func() {
		_, err := s.compact(context.Background(), false)
		s.commit.Lock()
		defer s.commit.Unlock()
		s.tidying, s.behind = false, err
	})
}

// Snapshot returns the newest snapshot.
func (s *Store) Snapshot() (*Snapshot, error) {
	s.commit.Lock()
	defer s.commit.Unlock()
	if err := s.ready(); err != nil {
		return nil, err
	}
	return newSnapshot(s.fsys, s.m, s.m.Snapshot, s.m.Sequence), nil
}

// ready makes the store usable after a commit that failed. The commit lock is held.
func (s *Store) ready() error {
	if s.closed {
		return ErrClosed
	}
	if s.m != nil {
		return nil
	}
	return s.recover()
}

// recover reads what is on disk, removes what no manifest names, and makes sure that what the
// manifest says is durable: the last commit may have failed after its rename.
func (s *Store) recover() error {
	m, err := readManifest(s.fsys)
	if err != nil {
		return err
	}
	if err := sweep(s.fsys, m); err != nil {
		return fmt.Errorf("history: clean up: %w", err)
	}
	s.files.Store(max(s.files.Load(), m.Files))
	s.m, s.index, s.loaded = m, newIndex(), map[string]bool{}
	s.epoch++
	return nil
}

// sweep removes what an interrupted writer left behind.
func sweep(fsys dataset.FS, m *manifest) error {
	named := m.names()
	for _, dir := range []string{Folder, QuarantineFolder} {
		entries, err := fs.ReadDir(fsys, dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			ours := dir == Folder && isNumbered(e.Name()) && !slices.Contains(named, name)
			if ours || strings.HasSuffix(name, ".tmp") {
				if err := fsys.Remove(name); err != nil {
					return err
				}
			}
		}
		if err := fsys.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// isNumbered reports whether a file is one that a manifest has to name.
func isNumbered(base string) bool {
	for _, prefix := range []string{"segment-", "summary-", "snapshots-"} {
		if strings.HasPrefix(base, prefix) {
			return true
		}
	}
	return false
}

// fail forgets what is in memory: a commit failed, and only the disk knows how far it came.
func (s *Store) fail() { s.m, s.index, s.loaded = nil, nil, nil }

// install makes a manifest the history's. The commit lock is held.
func (s *Store) install(m *manifest) error {
	m.Files = s.files.Load()
	if err := m.write(s.fsys); err != nil {
		s.fail()
		return err
	}
	s.m = m
	return nil
}
