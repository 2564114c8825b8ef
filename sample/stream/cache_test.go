package stream_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/stream"
	"github.com/longctx/pipeline/sample/stream/streamtest"
)

func cacheFiles(t *testing.T, fsys fs.FS) []string {
	t.Helper()
	entries, err := fs.ReadDir(fsys, "cache")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, "cache/"+e.Name())
	}
	return names
}

func TestTheCacheChangesNoRow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamtest.Spec{Phases: []int{50, 30}, Shards: 2, Longest: 3000}, false)
	p := w.plan(t, 2, 3)
	o := stream.Options{Plans: []*curriculum.Plan{p}, Batch: 7}
	got, _ := read(t, w.src, o, -1)
	w.wantPlan(t, got, 0, p)

	building := w.open(t, true)
	got, _ = read(t, building, o, -1)
	w.wantPlan(t, got, 0, p)
	if err := building.Warm(); err != nil {
		t.Fatal(err)
	}
	got, _ = read(t, building, o, -1)
	w.wantPlan(t, got, 0, p)

	got, _ = read(t, w.open(t, true), o, -1) // files that were there already
	w.wantPlan(t, got, 0, p)
}

func TestWhatTheCacheHasIsNotReadFromTheShards(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamtest.Spec{Phases: []int{50}, Shards: 2}, true)
	if err := w.src.Warm(1); err != nil {
		t.Fatal(err)
	}
	p := w.plan(t, 1, 3)
	if err := w.fsys.Remove("phases"); err != nil {
		t.Fatal(err)
	}
	o := stream.Options{Plans: []*curriculum.Plan{p}, Batch: 7}
	for _, src := range []*stream.Source{w.src, w.open(t, true)} {
		got, _ := read(t, src, o, -1)
		w.wantPlan(t, got, 0, p)
	}
}

func TestADamagedCacheIsBuiltAnewAndChangesNoRow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamtest.Spec{Phases: []int{40}}, true)
	if err := w.src.Warm(); err != nil {
		t.Fatal(err)
	}
	p := w.plan(t, 1, 3)
	name := cacheFiles(t, w.fsys)[0]
	sound := w.fsys.Files()[name]
	for at := 0; at < len(sound); at += 397 {
		bad := slices.Clone(sound)
		bad[at] ^= 0x55
		for _, data := range [][]byte{bad, sound[:at]} {
			if _, err := dataset.WriteFile(w.fsys, name, data); err != nil {
				t.Fatal(err)
			}
			src, err := stream.Open(w.fsys, stream.SourceOptions{Cache: true})
			if err != nil {
				t.Fatal(err)
			}
			got, _ := read(t, src, stream.Options{Plans: []*curriculum.Plan{p}, Batch: 8}, -1)
			w.wantPlan(t, got, 0, p)
			if err := src.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestTheCacheMayBeDeletedWhileItIsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamtest.Spec{Phases: []int{40}}, true)
	if err := w.src.Warm(); err != nil {
		t.Fatal(err)
	}
	p := w.plan(t, 1, 3)
	if err := w.fsys.Remove("cache"); err != nil {
		t.Fatal(err)
	}
	got, _ := read(t, w.src, stream.Options{Plans: []*curriculum.Plan{p}, Batch: 8}, -1)
	w.wantPlan(t, got, 0, p)
}

func TestADiskThatCannotBeWrittenHasNoCache(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamtest.Spec{Phases: []int{40}, Shards: 2}, false)
	p := w.plan(t, 1, 3)
	ops := 0
	for fail := 0; fail <= ops; fail++ {
		w.fsys.OnOp(func(i int, _ faultfs.Op) error {
			ops = max(ops, i)
			if i >= fail {
				return errors.New("read-only file system")
			}
			return nil
		})
		src, err := stream.Open(w.fsys, stream.SourceOptions{Cache: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := src.Warm(); err != nil {
			t.Fatal(err)
		}
		got, _ := read(t, src, stream.Options{Plans: []*curriculum.Plan{p}, Batch: 8}, -1)
		w.wantPlan(t, got, 0, p)
		if err := src.Close(); err != nil {
			t.Fatal(err)
		}
		w.fsys.OnOp(nil)
		if err := w.fsys.Remove("cache"); err != nil {
			t.Fatal(err)
		}
	}
	if ops < 4 {
		t.Fatalf("only %d operations", ops)
	}
}

func TestFilesOfOtherDatasetsAreSweptFromTheCache(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamtest.Spec{Phases: []int{9}}, false)
	if _, err := dataset.WriteFile(w.fsys, "cache/0123456789abcdef0123456789abcdef.rows", []byte("x")); err != nil {
		t.Fatal(err)
	}
	src := w.open(t, true)
	if err := src.Warm(); err != nil {
		t.Fatal(err)
	}
	if names := cacheFiles(t, w.fsys); len(names) != 1 || strings.Contains(names[0], "0123456789abcdef") {
		t.Errorf("cache holds %q", names)
	}
}

func TestWhatAKilledBuilderWroteAsideIsSweptAndThatOfALivingOneIsNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamtest.Spec{Phases: []int{9}}, true)
	if err := w.src.Warm(); err != nil {
		t.Fatal(err)
	}
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Skip("no process to be gone: ", err)
	}
	whole := cacheFiles(t, w.fsys)[0]
	living := fmt.Sprintf("%s.%d.tmp", whole, os.Getppid())
	for _, name := range []string{fmt.Sprintf("%s.%d.tmp", whole, dead.Process.Pid), living, whole + ".tmp"} {
		if _, err := dataset.WriteFile(w.fsys, name, []byte("half")); err != nil {
			t.Fatal(err)
		}
	}
	w.open(t, true)
	if names := cacheFiles(t, w.fsys); !slices.Equal(names, []string{whole, living}) {
		t.Errorf("cache holds %q", names)
	}
}

func TestADamagedShardIsAnErrorAndNeverAPanic(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamtest.Spec{Phases: []int{20}}, false)
	p := w.plan(t, 1, 3)
	name := w.m.Shards[0].Path
	sound := w.fsys.Files()[name]
	whole, _ := read(t, w.src, stream.Options{Plans: []*curriculum.Plan{p}, Batch: 8}, -1)
	refused := 0
	for at := 0; at < len(sound); at += 131 {
		bad := slices.Clone(sound)
		bad[at] ^= 0xff
		if _, err := dataset.WriteFile(w.fsys, name, bad); err != nil {
			t.Fatal(err)
		}
		for _, cache := range []bool{false, true} {
			src, err := stream.Open(w.fsys, stream.SourceOptions{Cache: cache})
			if err != nil {
				t.Fatal(err)
			}
			if err := src.Warm(); err != nil {
				t.Fatal(err)
			}
			if len(cacheFiles(t, w.fsys)) > 0 {
				t.Fatal("a damaged shard is in the cache")
			}
			err = readUntilError(t, src, p, whole)
			if err != nil {
				refused++
			}
			if err != nil && !errors.Is(err, dataset.ErrCorrupt) {
				t.Fatalf("byte %d: %v; want ErrCorrupt", at, err)
			}
			if err := src.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if refused == 0 {
		t.Error("no damage was found")
	}
}

// readUntilError reads a plan; ids and samples of what can be read must be the sound ones.
func readUntilError(t *testing.T, src *stream.Source, p *curriculum.Plan, whole []row) error {
	t.Helper()
	r, err := src.NewReader(t.Context(), stream.Options{Plans: []*curriculum.Plan{p}, Batch: 8})
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		b, err := r.Next()
		if err != nil {
			if _, ended := r.End(); ended {
				return nil
			}
			return err
		}
		for _, got := range rowsOf(t, b.Record) {
			if want := whole[got.Position]; got.ID != want.ID || !slices.Equal(got.IDs, want.IDs) {
				t.Errorf("position %d: other ids than the sound shard has", got.Position)
			}
		}
		b.Release()
	}
}
