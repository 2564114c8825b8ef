package history

import (
	"context"
	"testing"

	"github.com/longctx/pipeline/dataset/faultfs"
)

// prepared has three segments, of which a resume takes a part back.
func prepared(t *testing.T) *faultfs.FS {
	t.Helper()
	fsys := faultfs.New()
	s := mustOpen(t, fsys)
	mustAppend(t, s, group(1, 1, 1, 0))
	mustAppend(t, s, group(2, 2, 1, 1))
	mustAppend(t, s, group(3, 3, 0, 0))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return fsys
}

func sweepStore(t *testing.T, work func(*Store) error) {
	t.Helper()
	faultfs.Sweep(t, func() *faultfs.FS { return prepared(t) }, func(fsys *faultfs.FS) error {
		s, err := Open(fsys, nil)
		if err != nil {
			return err
		}
		defer s.Close()
		return work(s)
	})
}

func TestSweepOfAnAppend(t *testing.T) {
	sweepStore(t, func(s *Store) error {
		_, err := s.Append(context.Background(), []Outcome{group(4, 4, 1, 0)})
		return err
	})
}

func TestSweepOfATransaction(t *testing.T) {
	sweepStore(t, func(s *Store) error {
		tx, err := s.Begin()
		if err != nil {
			return err
		}
		if _, err := tx.Add(context.Background(), []Outcome{group(4, 4, 1, 0), group(5, 4, -1, 0)}); err != nil {
			tx.Abort()
			return err
		}
		_, err = tx.Commit()
		return err
	})
}

func TestSweepOfACompaction(t *testing.T) {
	sweepStore(t, func(s *Store) error {
		_, err := s.Compact(context.Background())
		return err
	})
}
