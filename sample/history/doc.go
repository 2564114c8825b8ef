// Package history keeps the reward history of a dataset: what the policy scored on each
// sample, when, and under which limits. FORMAT.md describes the bytes.
//
// Its rule: an outcome that Append has acknowledged is never lost, never counted twice, and
// an unknown reward is never zero.
//
//	DIR/history/
//	  manifest.json                  names all that follows; written last
//	  segment-00000012.parquet       outcomes of one commit, never changed
//	  summary-00000012.parquet       per-sample sums, written by a compaction for other tools
//	  snapshots-00000012.json        ids of the snapshots before a compaction
//	  quarantine/*.jsonl             reward records that could not be used, with place and reason
//	  .lock                          held by the one process that writes
//
// One process writes (Open), any number read (Read, ReadAt) and take no lock: they see one
// Snapshot, whose id a plan can name and read again later.
//
// What it costs: a commit is two synced files and two synced folders, however many outcomes
// and callers share it. A reader holds one row group (16 MiB) and about 170 bytes for each
// sample it summarizes; a writer 16 bytes for each outcome of the runs it adds to.
package history
