// Package stream feeds a training stage: a plan in, Arrow record batches out. FORMAT.md
// describes the batches, cursors and the cache; DESIGN.md why they are as they are.
//
// Its rule: the plan is the order, and the stream adds nothing to it. Ranks, workers, prefetch,
// the cache and how often a consumer came back decide who reads a position and when, never
// what comes next.
//
//	plan ──cut──▶ global batches ──share──▶ rows of one rank ──read──▶ record batch ──▶ Next
//	      lengths                 p mod R,      │   ids and texts       in order, and
//	      of shards               or by length  │                       bounded in bytes
//	                                            ├─▶ cache: one read of what is asked for
//	                                            └─▶ shard: one page of each column
//
// What it costs: 4 bytes a sample of each shard that the plan names, and the bytes prefetched.
// A row is copied once, from the page cache into its batch. The cache takes about 4 bytes a
// token on disk, beside the shards; it may be deleted at any time.
package stream
