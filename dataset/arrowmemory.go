package dataset

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow/memory"
)

// A BoundedAllocator panics where a buffer is asked for that no sound message can want: damaged
// Arrow metadata may ask for anything, and the library knows no other way to refuse. Readers that
// use it recover.
type BoundedAllocator struct {
	Max int64 // bytes of one buffer
}

// Allocate makes a buffer.
func (b BoundedAllocator) Allocate(size int) []byte {
	b.check(size)
	return memory.DefaultAllocator.Allocate(size)
}

// Reallocate makes a buffer with the beginning of another.
func (b BoundedAllocator) Reallocate(size int, old []byte) []byte {
	b.check(size)
	return memory.DefaultAllocator.Reallocate(size, old)
}

// Free gives a buffer back.
func (b BoundedAllocator) Free(old []byte) { memory.DefaultAllocator.Free(old) }

func (b BoundedAllocator) check(size int) {
	if size < 0 || int64(size) > b.Max {
		panic(fmt.Sprintf("a buffer of %d bytes", size))
	}
}
