package history

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
)

func mustCompact(t testing.TB, s *Store) Compacted {
	t.Helper()
	c, err := s.Compact(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCompactionKeepsOutcomesAndSnapshots(t *testing.T) {
	fsys := faultfs.New()
	s := mustOpen(t, fsys)
	var ids []string
	var all []Outcome
	for i := range 12 {
		all = append(all, group(i%5, int64(i), 1, -1, 0))
		ids = append(ids, mustAppend(t, s, all[i]).Snapshot)
		if i == 4 || i == 9 {
			mustCompact(t, s)
		}
	}
	before, _ := s.Snapshot()
	c := mustCompact(t, s)
	if diff := cmp.Diff(Compacted{Before: 3, After: 1, Summarized: 5}, c); diff != "" {
		t.Error(diff)
	}
	after, err := Read(fsys)
	if err != nil || after.ID() != before.ID() {
		t.Errorf("the newest snapshot was %s, is %s (%v)", before.ID(), after.ID(), err)
	}
	for i, id := range ids {
		snap, err := ReadAt(fsys, id)
		if err != nil {
			t.Fatal(err)
		}
		wantOutcomes(t, outcomesOf(t, snap, Filter{}), all[:i+1])
	}
	// A reader that began before the compaction can go on.
	wantOutcomes(t, outcomesOf(t, before, Filter{}), all)
	// Nothing to do: nothing is written.
	fsys.OnOp(nil)
	if c := mustCompact(t, s); c.Before != 1 || fsys.Ops() != 0 {
		t.Errorf("%+v, %v", c, fsys.Log())
	}
	if a := mustAppend(t, s, all...); a.Same != 12 {
		t.Errorf("after a compaction the history does not know its outcomes: %+v", a)
	}
}

func TestACompactionDoesNotMakeTheStoreForget(t *testing.T) {
	fsys := faultfs.New()
	s := mustOpen(t, fsys)
	mustAppend(t, s, group(1, 1, 1, 0))
	mustAppend(t, s, group(1, 2, 1, 0))
	s.Close()
	s = mustOpen(t, fsys) // nothing is in memory
	mustAppend(t, s, group(2, 9, 1, 0))
	mustCompact(t, s)
	if a := mustAppend(t, s, group(1, 1, 1, 0)); a.Same != 1 {
		t.Errorf("%+v", a)
	}
}

func TestCompactionEndsTheSnapshotsThatItDropsOutcomesOf(t *testing.T) {
	fsys := faultfs.New()
	s := mustOpen(t, fsys)
	first := mustAppend(t, s, group(1, 1, 1, 0), group(2, 2, 0, 0)).Snapshot
	if _, err := s.Resume(context.Background(), Cursor{Run: "run", TrainStage: "phase-1", Step: 2}); err != nil {
		t.Fatal(err)
	}
	resumed, _ := s.Snapshot()
	last := mustAppend(t, s, group(2, 2, 1, 1)).Snapshot
	if c := mustCompact(t, s); c.Dropped != 1 {
		t.Errorf("%+v", c)
	}
	if _, err := ReadAt(fsys, first); !errors.Is(err, ErrCompacted) {
		t.Errorf("error: %v", err)
	}
	for id, want := range map[string][]Outcome{
		resumed.ID(): {group(1, 1, 1, 0)},
		last:         {group(1, 1, 1, 0), group(2, 2, 1, 1)},
	} {
		snap, err := ReadAt(fsys, id)
		if err != nil {
			t.Fatal(err)
		}
		wantOutcomes(t, outcomesOf(t, snap, Filter{}), want)
	}
}

func TestCompactionOfWhatIsAllSupersededLeavesNothing(t *testing.T) {
	fsys := faultfs.New()
	s := mustOpen(t, fsys)
	mustAppend(t, s, group(1, 1, 1, 0))
	if _, err := s.Resume(context.Background(), Cursor{Run: "run", TrainStage: "phase-1"}); err != nil {
		t.Fatal(err)
	}
	mustCompact(t, s)
	if got := readAll(t, fsys); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
	if err := Verify(context.Background(), fsys); err != nil {
		t.Error(err)
	}
}

func TestTheSummaryFileSaysWhatSummariesDo(t *testing.T) {
	fsys := faultfs.New()
	s := mustOpen(t, fsys)
	judged := group(1, 3, 0, 0, 0, 0)
	judged.Judge = "judge"
	mustAppend(t, s, group(1, 1, 1, 0, 0.5), group(2, 1, -1), group(1, 2, 1, 1), judged)
	mustCompact(t, s)
	rows := []summaryRow{}
	for batch, err := range dataset.ReadRows[summaryRow](fsys, s.m.Compaction.Summary.Path) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, batch...)
	}
	if len(rows) != 3 {
		t.Fatalf("%d rows: one for each sample and measurement", len(rows))
	}
	r := rows[0]
	if r.SampleID != sampleID(1).String() || r.Visits != 2 || r.Known != 5 || *r.Mean != 0.7 || *r.LastMean != 1 || r.Judge != "" || r.LastStep != 2 {
		t.Errorf("%+v", r)
	}
	if r := rows[1]; r.Mean != nil || r.Unknown != 1 || r.Lower != 0 || r.Upper != 1 {
		t.Errorf("%+v", r)
	}
	if r := rows[2]; r.Judge != "judge" || *r.Mean != 0 || r.Upper < 0.4 {
		t.Errorf("%+v", r)
	}
}

func TestManySegmentsAreCompactedInTheBackground(t *testing.T) {
	fsys := faultfs.New()
	s := mustOpen(t, fsys)
	s.compactAfter = 8
	var all []Outcome
	for i := range 40 {
		all = append(all, group(i, int64(i), 1, 0))
		mustAppend(t, s, all[i])
	}
	s.background.Wait()
	mustAppend(t, s, all[0]) // known, so nothing more to write
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantOutcomes(t, readAll(t, fsys), all)
	m, err := readManifest(fsys)
	if err != nil || m.Compaction == nil || len(m.Segments) > 40 {
		t.Errorf("%d segments, compaction %+v, %v", len(m.Segments), m.Compaction, err)
	}
}

// TestAnySequenceOfChangesKeepsEverySnapshot runs random appends, resumes, compactions and
// reopenings against a plain list.
func TestAnySequenceOfChangesKeepsEverySnapshot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fsys := faultfs.New()
		s, err := Open(fsys, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		model := []Outcome{}
		was := map[string][]string{} // identities of each snapshot
		for range rapid.IntRange(1, 8).Draw(t, "changes") {
			switch rapid.SampledFrom([]string{"append", "append", "resume", "compact", "reopen"}).Draw(t, "change") {
			case "append":
				for _, o := range drawOutcomes(t, 6) {
					a, err := s.Append(ctx, []Outcome{o})
					switch {
					case errors.Is(err, ErrConflict):
					case err != nil:
						t.Fatal(err)
					case a.Added == 1:
						model = append(model, o)
					}
				}
			case "resume":
				c := Cursor{Run: "run", TrainStage: rapid.SampledFrom([]string{"phase-1", "phase-2"}).Draw(t, "stage"), Step: rapid.Int64Range(0, 6).Draw(t, "step")}
				if _, err := s.Resume(ctx, c); err != nil {
					t.Fatal(err)
				}
				kept := []Outcome{}
				for _, o := range model {
					if o.TrainStage != c.TrainStage || o.Step < c.Step {
						kept = append(kept, o)
					}
				}
				model = kept
			case "compact":
				if _, err := s.Compact(ctx); err != nil {
					t.Fatal(err)
				}
			case "reopen":
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if s, err = Open(fsys, nil); err != nil {
					t.Fatal(err)
				}
			}
			snap, err := s.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			was[snap.ID()] = identities(model)
		}
		for id, want := range was {
			snap, err := ReadAt(fsys, id)
			if errors.Is(err, ErrCompacted) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			got := []Outcome{}
			for o, err := range snap.Outcomes(ctx, Filter{}) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, *o)
			}
			if diff := cmp.Diff(want, identities(got)); diff != "" {
				t.Fatalf("snapshot %s:\n%s", id, diff)
			}
		}
		if err := Verify(ctx, fsys); err != nil {
			t.Fatal(err)
		}
	})
}

func TestDamageIsNamed(t *testing.T) {
	make := func(t *testing.T) (*faultfs.FS, string) {
		fsys := faultfs.New()
		s := mustOpen(t, fsys)
		mustAppend(t, s, group(1, 1, 1, 0), group(2, 1, 0, 0))
		return fsys, s.m.Segments[0].Path
	}
	write := func(t *testing.T, fsys dataset.FS, name string, data []byte) {
		t.Helper()
		if _, err := dataset.WriteFile(fsys, name, data); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("any byte of a segment", func(t *testing.T) {
		fsys, name := make(t)
		good, err := fs.ReadFile(fsys, name)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(good); i += 7 {
			bad := append([]byte(nil), good...)
			bad[i] ^= 0x41
			write(t, fsys, name, bad)
			if err := Verify(context.Background(), fsys); !errors.Is(err, dataset.ErrCorrupt) {
				t.Fatalf("byte %d: %v", i, err)
			}
			snap, err := Read(fsys)
			if err != nil {
				t.Fatal(err)
			}
			for _, err := range snap.Outcomes(context.Background(), Filter{}) { // no panic
				if err != nil && (!errors.Is(err, dataset.ErrCorrupt) || !strings.Contains(err.Error(), name)) {
					t.Fatalf("byte %d: %v", i, err)
				}
			}
			snap.Summarize(context.Background(), SummaryOptions{Mix: MixAll})
		}
		write(t, fsys, name, good[:len(good)-3])
		if _, err := readFirst(fsys); !errors.Is(err, dataset.ErrCorrupt) {
			t.Errorf("a segment that is cut off: %v", err)
		}
		if err := fsys.Remove(name); err != nil {
			t.Fatal(err)
		}
		if _, err := readFirst(fsys); !errors.Is(err, dataset.ErrCorrupt) {
			t.Errorf("a segment that is missing: %v", err)
		}
	})
	t.Run("the manifest", func(t *testing.T) {
		fsys, _ := make(t)
		good, err := fs.ReadFile(fsys, manifestName)
		if err != nil {
			t.Fatal(err)
		}
		for name, bad := range map[string][]byte{
			"cut off": good[:len(good)/2], "longer": append(append([]byte(nil), good...), 'x'),
			"changed": []byte(strings.Replace(string(good), `"rows": 2`, `"rows": 3`, 1)), "unknown key": []byte(`{"formatversion2": 1}`),
		} {
			write(t, fsys, manifestName, bad)
			if _, err := Read(fsys); !errors.Is(err, dataset.ErrCorrupt) {
				t.Errorf("%s: %v", name, err)
			}
		}
		write(t, fsys, manifestName, []byte(`{"format_version": 99}`))
		if _, err := Read(fsys); err == nil || !strings.Contains(err.Error(), "format version 99") {
			t.Errorf("a version of the future: %v", err)
		}
	})
}

func readFirst(fsys dataset.FS) (*Outcome, error) {
	snap, err := Read(fsys)
	if err != nil {
		return nil, err
	}
	for o, err := range snap.Outcomes(context.Background(), Filter{}) {
		return o, err
	}
	return nil, nil
}
