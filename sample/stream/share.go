package stream

import (
	"cmp"
	"slices"

	"github.com/longctx/pipeline/sample/history"
)

// A slot is one position of a plan, and where its sample lies.
type slot struct {
	position int64
	id       history.SampleID
	epoch    int32
	origin   int32 // phase of the sample
	shard    int32 // index in Source.shards
	row      int32
	length   int32 // prompt tokens; unknown (0) until measured
}

// share returns the slots of one rank, in the order of the plan: position p belongs to rank
// p mod ranks or, balanced, to the rank that balance gives it to.
func share(batch []slot, rank, ranks int, balanced bool) []slot {
	if ranks == 1 {
		return slices.Clone(batch)
	}
	of := make([]slot, 0, len(batch)/ranks+1)
	var owner []int32
	if balanced {
		owner = balance(batch, ranks)
	}
	for i, s := range batch {
		r := int(s.position % int64(ranks))
		if balanced {
			r = int(owner[i])
		}
		if r == rank {
			of = append(of, s)
		}
	}
	return of
}

// balance gives each slot of a batch to a rank by longest processing time first (Graham 1969):
// the longest sample left goes to the rank with the fewest tokens. No rank gets more than its
// share of the rows, rounded up. It is a function of positions and lengths alone.
func balance(batch []slot, ranks int) []int32 {
	order := make([]int32, len(batch))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(batch[b].length, batch[a].length), cmp.Compare(batch[a].position, batch[b].position))
	})
	most := (len(batch) + ranks - 1) / ranks
	full := len(batch) - (most-1)*ranks // ranks that may hold most; the others one fewer
	tokens, rows := make([]int64, ranks), make([]int, ranks)
	owner := make([]int32, len(batch))
	for _, i := range order {
		best := -1
		for r := range ranks {
			if rows[r] == most || rows[r] == most-1 && full == 0 {
				continue
			}
			if best < 0 || tokens[r] < tokens[best] {
				best = r
			}
		}
		owner[i] = int32(best)
		tokens[best] += int64(batch[i].length)
		if rows[best]++; rows[best] == most {
			full--
		}
	}
	return owner
}
