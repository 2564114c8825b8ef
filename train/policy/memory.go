package policy

// A Memory is an estimate of the bytes that a training step holds at its peak, so that a stage
// can be refused with advice before it runs out.
type Memory struct {
	Weights     int64 // the weights, their gradients, and AdamW's two moments
	Attention   int64 // scores and weights of every layer and head, kept for the gradient: grows with time x time
	Activations int64 // everything else that layers keep
	Head        int64 // logits of the slots that are scored, and what the loss makes of them
}

// Total is the sum.
func (m Memory) Total() int64 { return m.Weights + m.Attention + m.Activations + m.Head }

// Memory estimates a training step over [rows, time] in which slots logits are made.
func (c *Config) Memory(rows, time, slots int) Memory {
	const float = 4
	// A block of queries keeps the scores of the keys up to its end.
	seen := (int64(time) + min(int64(time), blockTime)) / 2
	scores := int64(rows) * int64(time) * seen
	mask := int64(rows) * int64(time) * int64(time)
	tokens := int64(rows) * int64(time)
	heads := int64(c.Heads+2*c.KVHeads) * int64(c.HeadDim)
	layer := 6*int64(c.Hidden) + 3*heads + 5*int64(c.Intermediate)
	return Memory{
		Weights: 4 * float * c.Parameters(),
		// Each layer keeps its weights; scores, their sum with the mask, and two gradients live
		// for one layer at a time; the mask and what it is made of for all.
		Attention:   float * (scores*(int64(c.Layers)*int64(c.Heads)+4*int64(c.Heads)) + mask*4),
		Activations: float * tokens * layer * int64(c.Layers),
		Head:        float * int64(slots) * (6*int64(c.Vocab) + 2*int64(c.Hidden)),
	}
}
