package curriculum

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
)

// written draws a plan with a history and writes it.
func written(t *testing.T) (*faultfs.FS, *Segment) {
	t.Helper()
	table := testTable(300, 200)
	c := DefaultConfig(2)
	c.Retrospective, c.Gates, c.Epochs, c.Seed = NameInverseMean, []string{"drop_solved", "quarantine_unlearnable=2"}, 2, 7
	s := whole(t, table, c, learn(t, table, c, randomHistory(table, 4, 6)...))
	fsys := faultfs.New()
	if err := s.Write(fsys, "plan.parquet"); err != nil {
		t.Fatal(err)
	}
	return fsys, s
}

func TestAPlanReadsBackAsItWasDrawn(t *testing.T) {
	fsys, s := written(t)
	plan, err := Open(fsys, "plan.parquet")
	if err != nil {
		t.Fatal(err)
	}
	if plan.Len() != int64(s.Len()) || !plan.Done() || plan.ID() != s.Header.PlanID || plan.Config().Seed != 7 {
		t.Errorf("%d positions, done %v, id %s", plan.Len(), plan.Done(), plan.ID())
	}
	if diff := cmp.Diff(&s.Header, plan.Segments()[0]); diff != "" {
		t.Error(diff)
	}
	for _, from := range []int64{0, 1, 250, plan.Len() - 1, plan.Len()} {
		var got []Entry
		for rows, err := range plan.Entries(from) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, slices.Clone(rows)...)
		}
		if diff := cmp.Diff(entries(s)[from:], got); diff != "" && len(got) > 0 {
			t.Errorf("from %d: %s", from, diff)
		}
	}
	var got []Refusal
	for rows, err := range plan.Refusals() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, slices.Clone(rows)...)
	}
	if diff := cmp.Diff(refusals(s), got); diff != "" {
		t.Error(diff)
	}
}

func TestTheSamePlanIsTheSameBytes(t *testing.T) {
	var files [2][2][]byte
	for i := range files {
		fsys, _ := written(t)
		for j, name := range []string{"plan.parquet", "plan.refused.parquet"} {
			data, err := fs.ReadFile(fsys, name)
			if err != nil {
				t.Fatal(err)
			}
			files[i][j] = data
		}
	}
	for j := range files[0] {
		if !bytes.Equal(files[0][j], files[1][j]) {
			t.Errorf("file %d differs", j)
		}
	}
}

func TestAPlanIsThereWholeOrNotAtAll(t *testing.T) {
	table := testTable(0, 50)
	c := DefaultConfig(2)
	for at := 0; ; at++ {
		fsys := faultfs.New()
		hit := false
		fsys.OnOp(func(i int, _ faultfs.Op) error {
			if i == at {
				hit = true
				return faultfs.ErrCrashed
			}
			return nil
		})
		err := whole(t, table, c, learn(t, table, c)).Write(fsys, "plan.parquet")
		if !hit {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		fsys = fsys.AfterCrash()
		if plan, openErr := Open(fsys, "plan.parquet"); openErr == nil {
			if plan.Len() != 50 {
				t.Errorf("crash at %d: %d positions", at, plan.Len())
			}
		} else if !errors.Is(openErr, fs.ErrNotExist) {
			t.Errorf("crash at %d: %v", at, openErr)
		} else if err == nil {
			t.Errorf("crash at %d: acknowledged and lost", at)
		}
	}
}

func TestDamageIsFound(t *testing.T) {
	fsys, _ := written(t)
	data, err := fs.ReadFile(fsys, "plan.parquet")
	if err != nil {
		t.Fatal(err)
	}
	read := func(data []byte) error {
		damaged := faultfs.New()
		if _, err := dataset.WriteFile(damaged, "plan.parquet", data); err != nil {
			t.Fatal(err)
		}
		plan, err := Open(damaged, "plan.parquet")
		if err != nil {
			return err
		}
		for _, err := range plan.Entries(0) {
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := read(data); err != nil {
		t.Fatal(err)
	}
	swapped := bytes.Replace(data, []byte(`"seed":7`), []byte(`"seed":8`), 1)
	if err := read(swapped); !errors.Is(err, dataset.ErrCorrupt) || !strings.Contains(err.Error(), "its config gives") {
		t.Errorf("another seed: %v", err)
	}
	for _, cut := range []int{0, 3, len(data) / 2, len(data) - 1} {
		if err := read(data[:cut]); !errors.Is(err, dataset.ErrCorrupt) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
}

func TestAPlanOfAnotherDatasetIsRefused(t *testing.T) {
	fsys, _ := written(t)
	plan, err := Open(fsys, "plan.parquet")
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.Check(&dataset.Manifest{ID: "other"}); err == nil {
		t.Error("a plan of another dataset passed")
	}
	other := testTable(3, 3)
	other.DatasetID = "ffff"
	if _, err := Resume(other, plan); err == nil {
		t.Error("a planner went on with another dataset")
	}
}

func TestSegmentsMustFollowEachOther(t *testing.T) {
	table := testTable(0, 60)
	c := DefaultConfig(2)
	c.Strategy = NameThompson
	p, err := New(table, c)
	if err != nil {
		t.Fatal(err)
	}
	k := learn(t, table, c)
	fsys := faultfs.New()
	var segments []*Segment
	for !p.Done() {
		s, err := p.Next(context.Background(), k, 20)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Write(fsys, "plans/plan.parquet"); err != nil {
			t.Fatal(err)
		}
		segments = append(segments, s)
	}
	if len(segments) != 3 {
		t.Fatalf("%d segments", len(segments))
	}
	plan, err := Open(fsys, "plans/plan.parquet")
	if err != nil || plan.Len() != 60 || !plan.Done() {
		t.Fatalf("%v, %v", plan, err)
	}
	segments[2].Header.Previous = "other"
	if err := segments[2].Write(fsys, "plans/plan.parquet"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(fsys, "plans/plan.parquet"); !errors.Is(err, dataset.ErrCorrupt) {
		t.Errorf("%v; want ErrCorrupt", err)
	}
}
