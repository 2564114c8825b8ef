package learner

import (
	"fmt"
)

// A Tree is one prompt and the branches that continue it. The prompt is computed once, however
// many branches it has: a token sees the earlier tokens of its own branch and of the prompt.
//
//	prompt  p0 p1 p2 p3
//	branch            a0 a1 a2        positions go on at 4 in every branch
//	branch            b0 b1
//	row     p0 p1 p2 p3 a0 a1 a2 b0 b1
type Tree struct {
	Prompt   []int32 // token ids; at least one
	Branches []Branch
}

// A Branch is one continuation of a prompt: a rollout, or the response of a sample.
type Branch struct {
	Tokens []int32
	// Given is how many of the first tokens are part of the question, and have no loss: several
	// questions about one document share its tokens.
	Given int

	Advantage float32 // of the response; RL only
	// Logprobs are those of the response's tokens (without the given ones) under the policy that
	// wrote it, from Learner.Logprobs; RL only. Nil: it is the policy that learns, and the ratio is 1.
	Logprobs []float32
	// Reference are those of the frozen reference; nil: there is no KL term.
	Reference []float32
}

// Response returns the tokens that carry loss.
func (b *Branch) Response() []int32 { return b.Tokens[b.Given:] }

// Len is the number of tokens of a tree in a row.
func (t *Tree) Len() int {
	n := len(t.Prompt)
	for i := range t.Branches {
		n += len(t.Branches[i].Tokens)
	}
	return n
}

// Slots is the number of tokens that are predicted.
func (t *Tree) Slots() int {
	n := 0
	for i := range t.Branches {
		n += len(t.Branches[i].Response())
	}
	return n
}

// check refuses what no graph could train on.
func (t *Tree) check(vocabulary int) error {
	if len(t.Prompt) == 0 {
		return fmt.Errorf("the prompt is empty")
	}
	if err := checkIDs("prompt", t.Prompt, vocabulary); err != nil {
		return err
	}
	for i := range t.Branches {
		b := &t.Branches[i]
		if err := checkIDs(fmt.Sprintf("branch %d", i), b.Tokens, vocabulary); err != nil {
			return err
		}
		if b.Given < 0 || b.Given > len(b.Tokens) {
			return fmt.Errorf("branch %d: %d of %d tokens are given", i, b.Given, len(b.Tokens))
		}
		n := len(b.Response())
		if b.Logprobs != nil && len(b.Logprobs) != n {
			return fmt.Errorf("branch %d: %d logprobs for %d tokens", i, len(b.Logprobs), n)
		}
		if b.Reference != nil && len(b.Reference) != n {
			return fmt.Errorf("branch %d: %d reference logprobs for %d tokens", i, len(b.Reference), n)
		}
	}
	return nil
}

func checkIDs(what string, ids []int32, vocabulary int) error {
	for i, id := range ids {
		if id < 0 || int(id) >= vocabulary {
			return fmt.Errorf("%s: token %d has id %d, the vocabulary has %d", what, i, id, vocabulary)
		}
	}
	return nil
}
