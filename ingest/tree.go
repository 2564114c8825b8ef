package ingest

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// A treeFS is a folder in which patterns look for files. They follow symbolic links; one that leads
// back to a folder above it is an error, where without it the same files would come again and
// again: two such links make a tree of 2^40 paths.
type treeFS struct {
	fs.FS
	folder string
}

// ReadDir implements fs.ReadDirFS.
func (t treeFS) ReadDir(name string) ([]fs.DirEntry, error) {
	here, err := os.Stat(filepath.Join(t.folder, filepath.FromSlash(name)))
	if err != nil {
		return nil, err
	}
	for above := name; above != "."; {
		above = path.Dir(above)
		info, err := os.Stat(filepath.Join(t.folder, filepath.FromSlash(above)))
		if err != nil {
			return nil, err
		}
		if os.SameFile(here, info) {
			return nil, fmt.Errorf("%s: a symbolic link leads back to the folder %s, which is above it", name, above)
		}
	}
	return fs.ReadDir(t.FS, name)
}
