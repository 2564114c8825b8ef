package ingest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPatternsFollowLinksButNotInCircles(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(t.TempDir(), "other")
	for _, folder := range []string{filepath.Join(dir, "a", "b"), other} {
		if err := os.MkdirAll(folder, 0o777); err != nil {
			t.Fatal(err)
		}
		write(t, folder, "docs.jsonl", []byte(good+"\n"))
	}
	if err := os.Symlink(other, filepath.Join(dir, "a", "link")); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	pattern := filepath.Join(dir, "**", "*.jsonl")
	files, err := resolve(pattern)
	if err != nil || len(files) != 2 {
		t.Errorf("%d files, %v; one is behind a link", len(files), err)
	}
	for _, name := range []string{"back", "again"} {
		if err := os.Symlink("..", filepath.Join(dir, "a", name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := resolve(pattern); err == nil || !strings.Contains(err.Error(), "leads back to the folder") {
		t.Errorf("a circle: %v", err)
	}
	if _, err := resolve(filepath.Join(dir, "a", "b", "*.jsonl")); err != nil {
		t.Errorf("beside the circle: %v", err)
	}
}
