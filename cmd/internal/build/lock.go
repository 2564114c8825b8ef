package build

import (
	"errors"
	"fmt"
)

// ErrLocked means that another process builds the same dataset.
var ErrLocked = errors.New("locked by another process")

// A Locker gives out locks that die with their process.
type Locker interface {
	// Lock takes the named lock without waiting, alone or shared. ErrLocked if it cannot.
	Lock(name string, shared bool) (release func(), err error)
}

const (
	lockAlone  = false
	lockShared = true
)

func lock(o Options, shared bool) (func(), error) { return lockName(o, ".lock", shared) }

// lockSplit keeps two processes from doing the same split at the same time.
func lockSplit(o Options, split int) (func(), error) {
	return lockName(o, fmt.Sprintf("%s/split-%05d.lock", workDir, split), lockAlone)
}

func lockName(o Options, name string, shared bool) (func(), error) {
	if o.Locker == nil {
		return func() {}, nil
	}
	return o.Locker.Lock(name, shared)
}
