package build

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
)

func write(t testing.TB, fsys dataset.FS, name string, data []byte) {
	t.Helper()
	if _, err := dataset.WriteFile(fsys, name, data); err != nil {
		t.Fatal(err)
	}
}

func TestFilesOfSomebodyElseInTheOutputAreNeverTouched(t *testing.T) {
	input := corpus(t, 40)
	fsys := faultfs.New()
	mine := []string{"samples/docs.jsonl", "quarantine/mine/notes.txt", "phases/phase-1/readme.txt", "history/manifest.json"}
	for _, name := range mine {
		write(t, fsys, name, []byte("precious"))
	}
	mustRun(t, options(fsys, input))
	o := options(fsys, input)
	o.Bucket.Phases, o.Force = []int32{600}, true
	mustRun(t, o)
	for _, name := range mine {
		if string(fsys.Files()[name]) != "precious" {
			t.Errorf("%s is gone", name)
		}
	}
	if _, ok := fsys.Files()["phases/phase-2/shard-00000.parquet"]; ok {
		t.Error("a shard of the dataset before is still there")
	}
}

func TestAFileOfSomebodyElseInTheWayIsNamed(t *testing.T) {
	fsys := faultfs.New()
	write(t, fsys, "phases/phase-1/shard-00000.parquet", []byte("precious"))
	_, err := Run(t.Context(), options(fsys, corpus(t, 40)))
	if !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "phases/phase-1/shard-00000.parquet") {
		t.Errorf("got %v", err)
	}
	if string(fsys.Files()["phases/phase-1/shard-00000.parquet"]) != "precious" {
		t.Error("it was replaced")
	}
}

// planned does a build up to the commit.
func planned(t *testing.T, input string) *faultfs.FS {
	t.Helper()
	fsys := faultfs.New()
	n, _, err := PlanOnly(t.Context(), options(fsys, input))
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, err := One(t.Context(), options(fsys, input), i); err != nil {
			t.Fatal(err)
		}
	}
	return fsys
}

func TestADamagedSplitIsDoneAgain(t *testing.T) {
	input := corpus(t, 100)
	want := faultfs.New()
	mustRun(t, options(want, input))
	const dir = ".work/split-00001/"
	for name := range planned(t, input).Files() {
		file, ok := strings.CutPrefix(name, dir)
		if !ok {
			continue
		}
		for how, damage := range map[string]func([]byte) []byte{
			"a flipped bit": func(b []byte) []byte { c := bytes.Clone(b); c[len(c)/2] ^= 1; return c },
			"cut off":       func(b []byte) []byte { return b[:len(b)/2] },
			"missing":       nil,
		} {
			fsys := planned(t, input)
			if damage == nil {
				if err := fsys.Remove(name); err != nil {
					t.Fatal(err)
				}
			} else {
				write(t, fsys, name, damage(fsys.Files()[name]))
			}
			if _, err := Commit(t.Context(), options(fsys, input)); err == nil || !strings.Contains(err.Error(), "the first is split 1") {
				t.Errorf("%s, %s: commit: %v", file, how, err)
			}
			mustRun(t, options(fsys, input))
			sameFiles(t, file+", "+how, fsys.Files(), want.Files())
		}
	}
}

func TestForceLeavesADamagedPlanBehind(t *testing.T) {
	input := corpus(t, 40)
	fsys := planned(t, input)
	write(t, fsys, planFile, []byte("{"))
	if _, err := Run(t.Context(), options(fsys, input)); !errors.Is(err, dataset.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
	o := options(fsys, input)
	o.Force = true
	mustRun(t, o)
}
