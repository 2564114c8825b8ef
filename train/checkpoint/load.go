package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/longctx/pipeline/dataset"
)

// ErrNone says that a run has no checkpoint that can be used.
var ErrNone = errors.New("there is no checkpoint")

// A Checkpoint is one that is whole: its files have the hashes of its manifest.
type Checkpoint struct {
	Manifest
	Files fs.FS // its folder
	Dir   string
}

// A Damage is a checkpoint that was passed over.
type Damage struct {
	Dir    string // Example: "checkpoints/step-00000120"
	Reason error
}

func (d Damage) String() string { return fmt.Sprintf("%s is damaged: %v", d.Dir, d.Reason) }

// Latest returns the newest checkpoint that is whole, and those newer that are damaged, so that
// the caller can say that it went further back. Without any it is ErrNone.
func (s *Store) Latest() (*Checkpoint, []Damage, error) {
	steps, err := s.steps()
	if err != nil {
		return nil, nil, err
	}
	var damaged []Damage
	for _, step := range steps {
		c, err := s.At(step)
		if err == nil {
			return c, damaged, nil
		}
		damaged = append(damaged, Damage{s.path(dirName(step)), err})
	}
	return nil, damaged, ErrNone
}

// Best returns the checkpoint with the highest score, the later of equals.
func (s *Store) Best() (*Checkpoint, error) {
	steps, err := s.steps()
	if err != nil {
		return nil, err
	}
	best := s.best(steps)
	if best < 0 {
		return nil, ErrNone
	}
	return s.At(best)
}

// At returns the checkpoint of a step after it has read and hashed all of it.
func (s *Store) At(step int64) (*Checkpoint, error) {
	dir := s.path(dirName(step))
	m, err := readManifest(s.FS, dir)
	if err != nil {
		return nil, err
	}
	for _, f := range m.Files {
		if err := verify(s.FS, dir, f); err != nil {
			return nil, err
		}
	}
	sub, err := fs.Sub(s.FS, dir)
	if err != nil {
		return nil, err
	}
	return &Checkpoint{m, sub, dir}, nil
}

func verify(fsys fs.FS, dir string, want dataset.File) error {
	f, err := fsys.Open(path.Join(dir, want.Path))
	if err != nil {
		return fmt.Errorf("file %q: %w", want.Path, err)
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	switch {
	case err != nil:
		return fmt.Errorf("file %q: %w", want.Path, err)
	case n != want.Bytes:
		return fmt.Errorf("file %q: manifest says %d bytes, file has %d", want.Path, want.Bytes, n)
	case hex.EncodeToString(sum.Sum(nil)) != want.SHA256:
		return fmt.Errorf("file %q: checksum mismatch: manifest says %.12s, file has %.12s", want.Path, want.SHA256, hex.EncodeToString(sum.Sum(nil)))
	}
	return nil
}
