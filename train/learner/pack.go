package learner

import (
	"cmp"
	"fmt"
	"slices"
)

// A Shape is the static shape of a micro-batch: one compiled graph for each.
type Shape struct {
	Rows   int // sequences side by side
	Length int // tokens of a row
	Slots  int // predicted tokens of a row
}

func (s Shape) String() string { return fmt.Sprintf("%d x %d, %d slots", s.Rows, s.Length, s.Slots) }

// A Packing says how trees become micro-batches.
type Packing struct {
	// MicroTokens is the most tokens, padding included, of a micro-batch; a longer row runs alone.
	MicroTokens int
	// Join puts short trees into the rows of long ones, kept apart by the mask. It saves padding
	// and pays for attention across the whole row: worth it where the feed-forward layers dominate.
	Join bool
}

// bucketUp rounds up to 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, ...: at most a third is padding, and the
// number of shapes grows with the logarithm of the longest.
func bucketUp(n int) int {
	for p := 1; ; p *= 2 {
		switch {
		case n <= p:
			return p
		case p > 1 && n <= p+p/2:
			return p + p/2
		}
	}
}

// row is the trees that share one sequence, by their index.
type row struct {
	trees         []int
	length, slots int
}

// micro is the rows of one micro-batch.
type micro struct {
	shape Shape
	rows  []row
}

// pack lays trees out in micro-batches: longest first, ties in their given order, each in the
// first row that has room. The layout depends on nothing but the trees and the packing.
func pack(trees []Tree, p Packing) []micro {
	order := make([]int, len(trees))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(trees[b].Len(), trees[a].Len()) })

	var micros []micro
	for len(order) > 0 {
		length := bucketUp(trees[order[0]].Len())
		end := len(order)
		if !p.Join {
			end = 1
			for end < len(order) && bucketUp(trees[order[end]].Len()) == length {
				end++
			}
		}
		micros = append(micros, split(fill(trees, order[:end], length), length, p.MicroTokens)...)
		order = order[end:]
	}
	return micros
}

// fill puts each tree into the first row with room.
func fill(trees []Tree, order []int, length int) (rows []row) {
	open := 0 // rows before it are full
	for _, i := range order {
		n := trees[i].Len()
		at := open
		for at < len(rows) && rows[at].length+n > length {
			at++
		}
		if at == len(rows) {
			rows = append(rows, row{})
		}
		r := &rows[at]
		r.trees, r.length, r.slots = append(r.trees, i), r.length+n, r.slots+trees[i].Slots()
		for open < len(rows) && rows[open].length == length {
			open++
		}
	}
	return rows
}

// split cuts rows into micro-batches of even size within the budget of tokens.
func split(rows []row, length, microTokens int) (micros []micro) {
	most := max(1, microTokens/length)
	n := (len(rows) + most - 1) / most
	for i := range n {
		part := rows[len(rows)*i/n : len(rows)*(i+1)/n]
		slots := 0
		for _, r := range part {
			slots = max(slots, r.slots)
		}
		micros = append(micros, micro{
			shape: Shape{Rows: min(bucketUp(len(part)), most), Length: length, Slots: bucketUp(max(slots, 1))},
			rows:  part,
		})
	}
	return micros
}
