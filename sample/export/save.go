package export

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"path"

	"github.com/longctx/pipeline/dataset"
)

// asideSuffix ends the name of a file that is not whole yet.
const asideSuffix = ".tmp"

// Save writes a file so that it is there whole or not at all: aside, synced, renamed, folder
// synced. A file of this name with the same content stays, and same is true; one with other
// content is replaced only by force, else ErrExists. What is no regular file, such as a device, is
// refused: it would never be read to its end.
func Save(fsys dataset.FS, name string, force bool, write func(io.Writer) error) (f dataset.File, same bool, err error) {
	if info, err := fs.Stat(fsys, name); err == nil && !info.Mode().IsRegular() {
		return f, false, errors.New("it is there and no regular file, which alone can be replaced as a whole")
	}
	aside := name + asideSuffix
	out, err := dataset.CreateHashed(fsys, aside)
	if err != nil {
		return f, false, err
	}
	buffered := bufio.NewWriterSize(out, 1<<20)
	if err = write(buffered); err == nil {
		err = buffered.Flush()
	}
	if err != nil {
		out.Abort()
		return f, false, err
	}
	if f, err = out.Finish(); err != nil {
		return f, false, err
	}
	f.Path = name
	old, err := dataset.HashFile(fsys, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	case err == nil && old.SHA256 == f.SHA256:
		return f, true, fsys.Remove(aside)
	case err == nil && !force:
		err = ErrExists
	}
	if err == nil {
		err = fsys.Rename(aside, name)
	}
	if err != nil {
		return f, false, errors.Join(err, fsys.Remove(aside))
	}
	return f, false, fsys.SyncDir(path.Dir(name))
}
