// Package curriculum plans a phase: which samples, in which order, and why. DESIGN.md has the
// formulas, the format of a plan and the figures.
//
// Its rule: a plan is a pure function of (manifest, history snapshot, config, seed), to the
// byte; every sample in reach is drawn or refused, with a reason; and an unknown reward is
// never taken for zero.
//
//	samples of the phase ──gates──▶ strategy ──┐
//	                                           ├──▶ order ──▶ plan.parquet
//	samples before it ─────gates──▶ retrospective strategy   plan.refused.parquet
//
// A strategy says which samples and with which weight; gates refuse. Both take the rewards
// that come while a phase runs, and a Planner grows the plan by segments: each is drawn from
// one snapshot, and carries the state from which the next goes on.
//
// What it costs: about 130 bytes for each sample in reach and epoch, one pass over them and one
// sort for each segment, and a microsecond of CPU for each row that is written.
package curriculum
