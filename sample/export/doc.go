// Package export writes the samples of a plan, in its order, as files that trainers read by
// themselves. FORMAT.md describes the columns; DESIGN.md why they are as they are.
//
// Its rules: each position of the plan is one row, in the plan's order; the prompt is what the
// build rendered and counted, before the chat template; every row says which sample and which
// position it is, so that rewards find their way back; the same dataset and plan give the same
// bytes; and a file is there whole or not at all.
//
//	plan ──window──▶ places, sorted by shard and row ──read──▶ texts ──back in order──▶ format ──▶ file
//
// What it costs: the texts of a window (Options.Memory), and for each window one decoding of
// the pages that hold its rows. A plan whose texts fit into one window reads its shards once.
package export
