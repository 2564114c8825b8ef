// Package audit gathers what a person should know of a dataset and its reward history: what is
// hard and why, what moved, what is missing, and what to look at first. DESIGN.md has the
// definitions.
//
// Its rule: every number says what it counts and how many stand behind it; what is not known is
// unknown, never 0; and the same dataset, snapshot and options give the same facts.
//
//	shards ────── ids, tasks, lengths ──┐
//	history ───── visits ───────────────┼──▶ Facts ──▶ terminal, JSON, CSV, HTML
//	history ───── rules, judges, tails ─┤
//	plans ─────── reasons ──────────────┘
//
// What it costs: one pass over the small columns of the shards, two over the history (the
// second reads every rollout, and with them responses that were kept), about 400 bytes for each
// sample and 72 for each visit. Texts are read of the samples with a part of their own only.
package audit
