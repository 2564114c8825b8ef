package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"github.com/longctx/pipeline/cmd/internal/build"
)

// FileLocker gives out locks on files below a folder. The operating system takes them back
// when the process dies, however it dies.
type FileLocker string

// Lock implements build.Locker.
func (d FileLocker) Lock(name string, shared bool) (func(), error) {
	p := filepath.Join(string(d), filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(p), 0o777); err != nil {
		return nil, fmt.Errorf("output: %w", err)
	}
	l := flock.New(p, flock.SetPermissions(0o666)) // less the umask, like all that a build writes
	take := l.TryLock
	if shared {
		take = l.TryRLock
	}
	ok, err := take()
	if err != nil {
		return nil, fmt.Errorf("output: lock: %w", err)
	}
	if !ok {
		return nil, fmt.Errorf("output %s: %w", d, build.ErrLocked)
	}
	return func() { l.Unlock() }, nil
}
