package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
)

// FS is the seam through which everything in a dataset is read and written: names are
// relative to the dataset's folder, with slashes. It exists so that tests can fail or
// crash any single operation (package faultfs).
type FS interface {
	fs.FS // Open; the files also implement io.ReaderAt
	// Create makes or empties a file for writing, and the folders above it.
	Create(name string) (Output, error)
	// Rename moves a file or a folder; a file already there is replaced.
	Rename(from, to string) error
	// Remove deletes a file or a whole folder. What is not there is no error.
	Remove(name string) error
	// SyncDir makes creations, renames and removals in a folder durable.
	SyncDir(name string) error
}

// An Output is a file being written.
type Output interface {
	io.WriteCloser
	Sync() error
}

// Dir is the FS of a folder of the operating system.
type Dir string

func (d Dir) path(name string) string { return filepath.Join(string(d), filepath.FromSlash(name)) }

// Open opens a file for reading.
func (d Dir) Open(name string) (fs.File, error) { return os.Open(d.path(name)) }

// Create makes or empties a file, and the folders above it.
func (d Dir) Create(name string) (Output, error) {
	p := d.path(name)
	f, err := os.OpenFile(p, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o666)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(p), 0o777); err != nil {
			return nil, err
		}
		f, err = os.OpenFile(p, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o666)
	}
	return f, err
}

// Rename moves a file or a folder, and makes the folders above the target.
func (d Dir) Rename(from, to string) error {
	err := os.Rename(d.path(from), d.path(to))
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(d.path(to)), 0o777); err != nil {
			return err
		}
		err = os.Rename(d.path(from), d.path(to))
	}
	return err
}

// Remove deletes a file or a folder with all that it holds.
func (d Dir) Remove(name string) error { return os.RemoveAll(d.path(name)) }

// SyncDir syncs a folder and those above it up to the dataset's own, so that folders
// that Create or Rename made are durable too.
func (d Dir) SyncDir(name string) error {
	for ; ; name = path.Dir(name) {
		if err := syncDir(d.path(name)); err != nil {
			return err
		}
		if name == "." {
			return syncDir(filepath.Dir(d.path(".")))
		}
	}
}

func syncDir(p string) error {
	f, err := os.Open(p)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // some network file systems cannot
		return err
	}
	return nil
}

// A HashedFile is a file being written, counted and hashed.
type HashedFile struct {
	fs   FS
	name string
	out  Output
	sum  hash.Hash
	n    int64
}

// CreateHashed begins a file. It is not safe against a crash by itself: its folder must
// appear by a rename after it is finished, or nothing may name it before.
func CreateHashed(fsys FS, name string) (*HashedFile, error) {
	out, err := fsys.Create(name)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", name, err)
	}
	return &HashedFile{fs: fsys, name: name, out: out, sum: sha256.New()}, nil
}

// Write implements io.Writer.
func (w *HashedFile) Write(p []byte) (int, error) {
	n, err := w.out.Write(p)
	w.sum.Write(p[:n])
	w.n += int64(n)
	return n, err
}

// Finish syncs the file's content and closes it.
func (w *HashedFile) Finish() (File, error) {
	if err := errors.Join(w.out.Sync(), w.out.Close()); err != nil {
		w.fs.Remove(w.name)
		return File{}, fmt.Errorf("sync %s: %w", w.name, err)
	}
	return File{Path: w.name, Bytes: w.n, SHA256: hex.EncodeToString(w.sum.Sum(nil))}, nil
}

// Abort throws away what was written.
func (w *HashedFile) Abort() {
	w.out.Close()
	w.fs.Remove(w.name)
}

// WriteFile writes a whole file so that it is there complete or not at all: aside, synced,
// renamed, folder synced.
func WriteFile(fsys FS, name string, data []byte) (File, error) {
	aside := name + ".tmp"
	w, err := CreateHashed(fsys, aside)
	if err != nil {
		return File{}, err
	}
	if _, err := w.Write(data); err != nil {
		w.Abort()
		return File{}, fmt.Errorf("write %s: %w", name, err)
	}
	f, err := w.Finish()
	if err != nil {
		return File{}, err
	}
	if err := fsys.Rename(aside, name); err != nil {
		fsys.Remove(aside)
		return File{}, err
	}
	f.Path = name
	return f, fsys.SyncDir(path.Dir(name))
}
