package curriculum

import (
	"context"
	"testing"

	"github.com/longctx/pipeline/dataset/faultfs"
	"github.com/longctx/pipeline/sample/history"
)

// A plan with refusals, drawn at once: its second file comes first, or not at all.
func TestSweepOfAPlan(t *testing.T) {
	table := testTable(60, 40)
	c := DefaultConfig(2)
	c.Retrospective, c.Gates, c.Seed = NameInverseMean, []string{"drop_solved"}, 7
	k := learn(t, table, c, randomHistory(table, 4, 6)...)
	faultfs.Sweep(t, faultfs.New, func(fsys *faultfs.FS) error {
		p, err := New(table, c)
		if err != nil {
			return err
		}
		s, err := p.Next(context.Background(), k, 0)
		if err != nil {
			return err
		}
		return s.Write(fsys, "plans/plan.parquet")
	})
}

// A plan that grows by segments goes on with the next segment that is not there.
func TestSweepOfAPlanThatGrows(t *testing.T) {
	table := testTable(0, 40)
	c := DefaultConfig(2)
	c.Strategy, c.Source = NameThompson, SourceRunning
	faultfs.Sweep(t, func() *faultfs.FS {
		fsys := faultfs.New()
		store, err := history.Open(fsys, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		if _, err := store.Append(context.Background(), randomHistory(testTable(40), 3, 5)); err != nil {
			t.Fatal(err)
		}
		return fsys
	}, func(fsys *faultfs.FS) error { return growOn(fsys, table, c, 16) })
}

// growOn draws what a plan lacks.
func growOn(fsys *faultfs.FS, table *Table, c Config, each int64) error {
	ctx := context.Background()
	p, err := New(table, c)
	if err != nil {
		return err
	}
	if plan, err := Open(fsys, "plan.parquet"); err == nil {
		if p, err = Resume(table, plan); err != nil {
			return err
		}
	}
	for !p.Done() {
		snap, err := history.Read(fsys)
		if err != nil {
			return err
		}
		if err := p.Follow(ctx, snap); err != nil {
			return err
		}
		k, err := Learn(ctx, snap, table, c)
		if err != nil {
			return err
		}
		s, err := p.Next(ctx, k, each)
		if err != nil {
			return err
		}
		if err := s.Write(fsys, "plan.parquet"); err != nil {
			return err
		}
	}
	return nil
}
