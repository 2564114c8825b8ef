// Package faultfs is an in-memory dataset.FS for tests. It can fail or crash at any
// operation, it logs the operations, and after a crash it keeps only what was synced:
// the strictest behaviour that POSIX allows a disk.
package faultfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/longctx/pipeline/dataset"
)

// ErrCrashed is what every operation returns after a crash.
var ErrCrashed = errors.New("faultfs: crashed")

// An Op is one operation, as the log has it. Example: "rename: a.tmp -> a"
type Op string

// FS is an in-memory file system. Its zero value is not usable; see New.
type FS struct {
	mu      sync.Mutex
	root    *node
	log     []Op
	hook    func(i int, op Op) error
	count   int
	crashed bool
}

// node is a folder or a file. What is durable survives a crash.
type node struct {
	live, durable map[string]*node // folders
	data, synced  []byte           // files
}

func newDir() *node         { return &node{live: map[string]*node{}, durable: map[string]*node{}} }
func (n *node) isDir() bool { return n.live != nil }

// New returns an empty file system.
func New() *FS { return &FS{root: newDir()} }

// OnOp has hook called before every operation that changes something, with its number from 0.
// An error fails the operation; ErrCrashed fails it and all that follow.
func (f *FS) OnOp(hook func(i int, op Op) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook, f.count, f.log = hook, 0, nil
}

// Log returns the operations since New or OnOp; writes are left out.
func (f *FS) Log() []Op {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.log)
}

// Ops returns the number of operations since New or OnOp.
func (f *FS) Ops() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

// AfterCrash returns a new file system with what survived: synced data under synced names.
func (f *FS) AfterCrash() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &FS{root: f.root.survivor()}
}

// AfterKill returns a new file system with everything that was written: the process died, the machine did not.
func (f *FS) AfterKill() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &FS{root: f.root}
}

func (n *node) survivor() *node {
	if !n.isDir() {
		return &node{data: bytes.Clone(n.synced), synced: n.synced}
	}
	s := newDir()
	for name, child := range n.durable {
		s.live[name] = child.survivor()
	}
	s.durable = maps.Clone(s.live)
	return s
}

// Files returns the content of every file, by its path.
func (f *FS) Files() map[string][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	files := map[string][]byte{}
	var walk func(prefix string, n *node)
	walk = func(prefix string, n *node) {
		for name, child := range n.live {
			p := path.Join(prefix, name)
			if child.isDir() {
				walk(p, child)
			} else {
				files[p] = bytes.Clone(child.data)
			}
		}
	}
	walk("", f.root)
	return files
}

// step counts, logs and perhaps fails one operation. The lock is held.
func (f *FS) step(op Op) error {
	if f.crashed {
		return ErrCrashed
	}
	i := f.count
	f.count++
	if f.hook != nil {
		if err := f.hook(i, op); err != nil {
			f.crashed = errors.Is(err, ErrCrashed)
			return err
		}
	}
	if !strings.HasPrefix(string(op), "write:") {
		f.log = append(f.log, op)
	}
	return nil
}

func (f *FS) lookup(name string) *node {
	n := f.root
	if name == "." {
		return n
	}
	for part := range strings.SplitSeq(name, "/") {
		if n == nil || !n.isDir() {
			return nil
		}
		n = n.live[part]
	}
	return n
}

// parent returns the folder of name, made if it is not there.
func (f *FS) parent(name string) (*node, error) {
	n := f.root
	if dir := path.Dir(name); dir != "." {
		for part := range strings.SplitSeq(dir, "/") {
			child := n.live[part]
			if child == nil {
				child = newDir()
				n.live[part] = child
			}
			if !child.isDir() {
				return nil, &fs.PathError{Op: "mkdir", Path: dir, Err: errors.New("not a directory")}
			}
			n = child
		}
	}
	return n, nil
}

// Create implements dataset.FS.
func (f *FS) Create(name string) (dataset.Output, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.step(Op("create: " + name)); err != nil {
		return nil, err
	}
	dir, err := f.parent(name)
	if err != nil {
		return nil, err
	}
	n := dir.live[path.Base(name)]
	if n == nil {
		n = &node{}
		dir.live[path.Base(name)] = n
	}
	n.data = nil
	return &output{fs: f, name: name, n: n}, nil
}

// Rename implements dataset.FS.
func (f *FS) Rename(from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.step(Op(fmt.Sprintf("rename: %s -> %s", from, to))); err != nil {
		return err
	}
	n := f.lookup(from)
	if n == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	dir, err := f.parent(to)
	if err != nil {
		return err
	}
	if old := dir.live[path.Base(to)]; old != nil && old.isDir() && len(old.live) > 0 {
		return &fs.PathError{Op: "rename", Path: to, Err: fs.ErrExist}
	}
	dir.live[path.Base(to)] = n
	delete(f.lookup(path.Dir(from)).live, path.Base(from))
	return nil
}

// Remove implements dataset.FS.
func (f *FS) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lookup(name) == nil && !f.crashed {
		return nil
	}
	if err := f.step(Op("remove: " + name)); err != nil {
		return err
	}
	delete(f.lookup(path.Dir(name)).live, path.Base(name))
	return nil
}

// SyncDir implements dataset.FS.
func (f *FS) SyncDir(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.step(Op("sync dir: " + name)); err != nil {
		return err
	}
	for ; ; name = path.Dir(name) {
		n := f.lookup(name)
		if n == nil {
			return &fs.PathError{Op: "sync", Path: name, Err: fs.ErrNotExist}
		}
		n.durable = maps.Clone(n.live)
		if name == "." {
			return nil
		}
	}
}

type output struct {
	fs   *FS
	name string
	n    *node
}

func (o *output) Write(p []byte) (int, error) {
	o.fs.mu.Lock()
	defer o.fs.mu.Unlock()
	if err := o.fs.step(Op("write: " + o.name)); err != nil {
		return 0, err
	}
	o.n.data = append(o.n.data, p...)
	return len(p), nil
}

func (o *output) Sync() error {
	o.fs.mu.Lock()
	defer o.fs.mu.Unlock()
	if err := o.fs.step(Op("sync: " + o.name)); err != nil {
		return err
	}
	o.n.synced = bytes.Clone(o.n.data)
	return nil
}

func (o *output) Close() error { return nil }

// Open implements fs.FS.
func (f *FS) Open(name string) (fs.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.crashed {
		return nil, ErrCrashed
	}
	n := f.lookup(name)
	if n == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if !n.isDir() {
		return &input{info: info{path.Base(name), int64(len(n.data)), false}, Reader: bytes.NewReader(n.data)}, nil
	}
	var entries []fs.DirEntry
	for _, child := range slices.Sorted(maps.Keys(n.live)) {
		c := n.live[child]
		entries = append(entries, fs.FileInfoToDirEntry(info{child, int64(len(c.data)), c.isDir()}))
	}
	return &folder{info: info{path.Base(name), 0, true}, entries: entries}, nil
}

type input struct {
	info
	*bytes.Reader
}

func (i *input) Stat() (fs.FileInfo, error) { return i.info, nil }
func (i *input) Close() error               { return nil }
func (i *input) Size() int64                { return i.size }

type folder struct {
	info
	entries []fs.DirEntry
}

func (d *folder) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *folder) Close() error               { return nil }
func (d *folder) Read([]byte) (int, error)   { return 0, errors.New("is a directory") }
func (d *folder) ReadDir(n int) ([]fs.DirEntry, error) {
	all := d.entries
	if n <= 0 {
		d.entries = nil
		return all, nil
	}
	if len(all) == 0 {
		return nil, io.EOF
	}
	all = all[:min(n, len(all))]
	d.entries = d.entries[len(all):]
	return all, nil
}

type info struct {
	name string
	size int64
	dir  bool
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) IsDir() bool        { return i.dir }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) Sys() any           { return nil }
func (i info) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o777
	}
	return 0o666
}
