package main

import (
	"bytes"
	"context"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestKilledAtRandomMomentsEndsWithTheSameBytes kills a real build with SIGKILL, over and
// over, and compares what it leaves in the end with a build that was left alone.
func TestKilledAtRandomMomentsEndsWithTheSameBytes(t *testing.T) {
	exe, err := exec.LookPath("pipeline") // testscript puts this test binary there under that name
	if err != nil {
		exe = buildBinary(t)
	}
	kills := faultsOf(t, 6)
	dir := t.TempDir()
	input := filepath.Join(dir, "docs.jsonl")
	pipeline(t, exe, "synth", "--samples", "300", "--tokens", "500..6000", "--seed", "3", "--output", input)
	args := func(out string) []string {
		return []string{"-q", "build", "--input", input, "--tokenizer", "bytes", "--split-size", "512KiB", "--phases", "8000,20000", "--output", out}
	}
	want := filepath.Join(dir, "want")
	start := time.Now()
	pipeline(t, exe, args(want)...)
	whole := time.Since(start)

	got := filepath.Join(dir, "got")
	r := rand.New(rand.NewPCG(1, 9))
	killed := 0
	for tries := 0; killed < kills; tries++ {
		if tries > 40*kills {
			t.Fatalf("only %d of %d kills met a running build", killed, kills)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.Int64N(int64(whole))))
		err := exec.CommandContext(ctx, exe, args(got)...).Run() // the end of ctx is SIGKILL
		if ctx.Err() != nil && err != nil {
			killed++
		}
		cancel()
		if _, err := os.Stat(filepath.Join(got, "manifest.json")); err == nil {
			// Killed after the manifest: the next run only tidies up. Compare, and begin anew.
			pipeline(t, exe, args(got)...)
			sameTree(t, got, want)
			if err := os.RemoveAll(got); err != nil {
				t.Fatal(err)
			}
		}
	}
	pipeline(t, exe, args(got)...)
	sameTree(t, got, want)
	t.Logf("kill -9: %-16s %3d kills, one after the other", "build", kills)
}

// buildBinary builds the program as a user would get it.
func buildBinary(t *testing.T) string {
	t.Helper()
	exe := filepath.Join(t.TempDir(), "pipeline")
	if out, err := exec.Command("go", "build", "-o", exe, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return exe
}

func pipeline(t *testing.T, exe string, args ...string) {
	t.Helper()
	if out, err := exec.Command(exe, args...).CombinedOutput(); err != nil {
		t.Fatalf("pipeline %q: %v\n%s", args, err, out)
	}
}

// sameTree compares two folders file by file, and that no other file is there.
func sameTree(t *testing.T, got, want string) {
	t.Helper()
	a, b := readTree(t, got), readTree(t, want)
	if d := cmp.Diff(keys(b), keys(a)); d != "" {
		t.Fatalf("files (-want +got):\n%s", d)
	}
	for name := range b {
		if !bytes.Equal(a[name], b[name]) {
			t.Errorf("%s differs", name)
		}
	}
}

func keys(m map[string][]byte) map[string]bool {
	k := map[string]bool{}
	for name := range m {
		k[name] = true
	}
	return k
}

func readTree(t *testing.T, root string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err == nil {
			files[rel], err = os.ReadFile(p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
