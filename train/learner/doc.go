// Package learner owns what changes while a policy is trained: its parameters, the state of
// AdamW, and the step. It computes losses, gradients and updates as GoMLX graphs.
//
//	Trees ──pack──▶ micro-batches ──loss graph──▶ gradients ──sum──▶ norm ──check──▶ update graph
//	(prompt and branches)  static shapes                              not finite: an error, nothing changed
//
// Its rules: the same state and the same trees give the same next state, bit for bit, on the
// pure-Go backend; an update happens whole or not at all. Padding, whatever its amount, changes
// no number beyond rounding. Nothing here knows where trees come from or what a reward is.
//
// What it costs: 16 bytes a parameter (weight, gradient, two moments) and the activations of one
// micro-batch; Config.Memory of policy estimates both. Each Shape compiles
// once.
package learner
