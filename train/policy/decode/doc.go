// Package decode generates: a float32 decoder with a cache of keys and values, written by hand
// because a graph has to be told its shapes and copies its cache at every token.
//
//	prompts ──prefill──▶ keys and values of the prompt, once for its G responses
//	                          │
//	      live responses ──step──▶ logits ──sample──▶ token, its log probability
//
// Its rule: a response is a function of (weights, prompt, seed, options). It does not depend on
// which other prompts are decoded with it, nor on the number of threads: a row's sums are made
// in the same order in every batch, and every response has its own stream of random numbers.
// Only a build with other vector instructions may round otherwise.
//
// One goroutine takes whole groups through all layers, so that no step waits for another
// goroutine; it refills its batch when responses end. Every product, also that with keys and
// values, is one kernel: rows times panels of 16 columns, which is why keys are stored with 16
// positions side by side.
//
// What it costs: a copy of the weights; 8 bytes x layers x key-value heads x head width for each
// token of a prompt and of a live response.
package decode
