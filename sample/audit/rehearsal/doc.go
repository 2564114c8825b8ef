// Package rehearsal makes reward histories as a training run would leave them, with what an
// audit should find in them: samples that are hard, mislabelled, solved or never drawn, a task
// whose scorer is broken, a judge that fails for a while, and retrospective samples.
//
// Its rule: options decide every byte, so that reports of a rehearsal can be golden files. It is
// for tests, for pictures and for trying out curricula; nothing in it is a measurement.
package rehearsal
