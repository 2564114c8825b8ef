package stream

import (
	"math/bits"
	"sync"
	"unsafe"
)

// idMemory gives out the memory of token ids and takes it back when a batch is released, so
// that gigabytes a second do not go through the garbage collector. A batch that is never
// released is collected like any other memory.
var idMemory = new(recycler)

// recycler is an Arrow allocator. Sizes are rounded up to eighths of a power of two.
type recycler struct{ free [64 * 8]sync.Pool }

const leastRecycled = 64 << 10

// Allocate returns memory whose content is anything.
func (r *recycler) Allocate(size int) []byte {
	if size < leastRecycled {
		return make([]byte, size)
	}
	class, rounded := sizeClass(size)
	if p, ok := r.free[class].Get().(unsafe.Pointer); ok {
		return unsafe.Slice((*byte)(p), rounded)[:size]
	}
	return make([]byte, rounded)[:size]
}

// Reallocate grows or shrinks memory, and keeps its content.
func (r *recycler) Reallocate(size int, b []byte) []byte {
	if size <= cap(b) {
		return b[:size]
	}
	grown := r.Allocate(size)
	copy(grown, b)
	r.Free(b)
	return grown
}

// Free takes memory back.
func (r *recycler) Free(b []byte) {
	if c := cap(b); c >= leastRecycled {
		if class, rounded := sizeClass(c); rounded == c {
			r.free[class].Put(unsafe.Pointer(unsafe.SliceData(b)))
		}
	}
}

// sizeClass returns the class of a size and the size of its members.
func sizeClass(size int) (class, rounded int) {
	exp := bits.Len(uint(size - 1)) // 2^(exp-1) < size <= 2^exp
	step := 1 << (exp - 4)
	eighth := (size - 1<<(exp-1) + step - 1) / step // 1 to 8
	return exp*8 + eighth - 1, 1<<(exp-1) + eighth*step
}
