package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/longctx/pipeline/dataset"
)

// A Store is the checkpoints of one run. One process writes; the caller holds the run's lock.
type Store struct {
	FS   dataset.FS
	Dir  string // folder of the checkpoints in FS; "." for its root
	Keep int    // how many of the newest stay; at least 1. The best one stays too
}

// A Content is one file of a checkpoint.
type Content struct {
	Path  string // Example: "model/config.json"
	Write func(io.Writer) error
}

// Bytes is a file whose content is at hand.
func Bytes(name string, data []byte) Content {
	return Content{name, func(w io.Writer) error { _, err := w.Write(data); return err }}
}

// Save writes the checkpoint of m.Step, then removes those that need not be kept. An error says
// that the new checkpoint may not be there; those before are. Files and format version of m are
// filled in. A whole checkpoint of that step stays as it is: a run that comes to a step again
// comes to the same state.
func (s *Store) Save(m Manifest, files []Content) error {
	name := dirName(m.Step)
	if _, err := s.At(m.Step); err == nil {
		return nil
	}
	if err := s.save(name, m, files); err != nil {
		return fmt.Errorf("save checkpoint %s: %w", name, err)
	}
	if err := s.retire(); err != nil {
		return fmt.Errorf("remove old checkpoints: %w", err)
	}
	return nil
}

func (s *Store) save(name string, m Manifest, files []Content) error {
	if err := s.sweep(); err != nil {
		return err
	}
	aside := s.path(name + asideSuffix)
	m.FormatVersion, m.Files = FormatVersion, nil
	for _, f := range files {
		written, err := write(s.FS, path.Join(aside, f.Path), f)
		if err != nil {
			return err
		}
		m.Files = append(m.Files, written)
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	for _, dir := range folders(aside, files) {
		if err := s.FS.SyncDir(dir); err != nil {
			return err
		}
	}
	if _, err := dataset.WriteFile(s.FS, path.Join(aside, manifestName), append(text, '\n')); err != nil {
		return err
	}
	// The run has been at this step before, and took an older checkpoint since this one was damaged.
	if err := s.discard(name); err != nil {
		return err
	}
	if err := s.FS.Rename(aside, s.path(name)); err != nil {
		return err
	}
	return s.FS.SyncDir(s.Dir)
}

func write(fsys dataset.FS, name string, f Content) (dataset.File, error) {
	out, err := dataset.CreateHashed(fsys, name)
	if err != nil {
		return dataset.File{}, err
	}
	if err := f.Write(out); err != nil {
		out.Abort()
		return dataset.File{}, fmt.Errorf("write %s: %w", f.Path, err)
	}
	written, err := out.Finish()
	written.Path = f.Path
	return written, err
}

// folders are the folders that the files are in, each once, the deepest first.
func folders(root string, files []Content) []string {
	dirs := []string{root}
	for _, f := range files {
		for dir := path.Dir(f.Path); dir != "."; dir = path.Dir(dir) {
			dirs = append(dirs, path.Join(root, dir))
		}
	}
	slices.SortFunc(dirs, func(a, b string) int { return strings.Compare(b, a) })
	return slices.Compact(dirs)
}

// retire removes all but the newest Keep and the best. What is damaged does not count as kept,
// and goes when Keep newer ones are there.
func (s *Store) retire() error {
	steps, err := s.steps()
	if err != nil {
		return err
	}
	best := s.best(steps)
	kept := 0
	for _, step := range steps {
		if kept >= max(1, s.Keep) && step != best {
			if err := s.discard(dirName(step)); err != nil {
				return err
			}
			continue
		}
		if _, err := readManifest(s.FS, s.path(dirName(step))); err == nil {
			kept++
		}
	}
	return s.sweep()
}

// best is the step with the highest score, the later of equals; -1 if none has one.
func (s *Store) best(steps []int64) int64 {
	best, score := int64(-1), 0.0
	for _, step := range steps { // the newest first
		m, err := readManifest(s.FS, s.path(dirName(step)))
		if err == nil && m.Score != nil && (best < 0 || *m.Score > score) {
			best, score = step, *m.Score
		}
	}
	return best
}

// discard renames a checkpoint away before it is removed file by file: half a checkpoint never
// has the name of one.
func (s *Store) discard(name string) error {
	if _, err := fs.Stat(s.FS, s.path(name)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	gone := s.path(name + ".gone" + asideSuffix)
	if err := s.FS.Remove(gone); err != nil {
		return err
	}
	if err := s.FS.Rename(s.path(name), gone); err != nil {
		return err
	}
	return s.FS.Remove(gone)
}

// sweep removes what a Save that failed has left.
func (s *Store) sweep() error {
	entries, err := s.entries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) && strings.HasSuffix(e.Name(), asideSuffix) {
			if err := s.FS.Remove(s.path(e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) path(name string) string { return path.Join(s.Dir, name) }

func (s *Store) entries() ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(s.FS, s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}

// steps are those of all checkpoints, damaged ones too, the newest first.
func (s *Store) steps() (steps []int64, err error) {
	entries, err := s.entries()
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if step, ok := stepOf(e.Name()); ok {
			steps = append(steps, step)
		}
	}
	slices.Sort(steps)
	slices.Reverse(steps)
	return steps, nil
}
