// Package intake reads reward files of other programs into a history.
//
// Its rule: a record becomes an outcome of a sample that the dataset has, or goes to
// quarantine with its place and reason; and one import is in the history whole or not at all.
//
//	file ──lines──▶ records ──parser──▶ rollouts ──join──▶ outcomes ──▶ one transaction
//	                   └──────────────────┴──────────────────┴──▶ history/quarantine/*.jsonl
//
// Formats, one file each: jsonl.go (a group on a line) and verl.go (a rollout on a line, as
// trainer.rollout_data_dir dumps them).
//
// What it costs: the ids of the dataset's samples (about 100 bytes each), one line, and two
// batches of outcomes; for verl also the rewards of one step.
package intake
