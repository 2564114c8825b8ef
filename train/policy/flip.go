package policy

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// slowTranspose is the width up to which a product with the identity is faster than a
// transpose on the Go backend: it moves a value in about 11 ns, and its AVX-512 product does
// some 600 operations in that time.
const slowTranspose = 256

// flip swaps the last two axes of x, [a, b] or [rows, a, b]. Where the backend transposes one
// value at a time it multiplies by the identity instead, which is exact: each sum has one term
// that is not zero.
func flip(x *Node) *Node {
	last := x.Rank() - 1
	width := x.Shape().Dim(last)
	if x.Graph().Backend().String() != "go" || width > slowTranspose {
		return Transpose(x, last-1, last)
	}
	one := identity(x.Graph(), width)
	if last == 1 {
		return DotGeneral(one, []int{1}, nil, x, []int{1}, nil)
	}
	one = BroadcastPrefix(one, x.Shape().Dim(0))
	return DotGeneral(one, []int{2}, []int{0}, x, []int{2}, []int{0})
}

// identity is the matrix [n, n].
func identity(g *Graph, n int) *Node {
	shape := shapes.Make(dtypes.Int32, n, n)
	return ConvertDType(Equal(Iota(g, shape, 0), Iota(g, shape, 1)), dtypes.Float32)
}
