package train

import (
	"context"

	"github.com/longctx/pipeline/train/policy"
	"github.com/longctx/pipeline/train/rollout"
)

// sampling says how responses are drawn.
type sampling struct {
	stage       string // part of the seed
	n           int    // responses of each prompt
	maxResponse int
	temperature float64
	topP        float64
	seed        uint64
}

// A decoder generates with the learner's weights, which it copies when they have changed.
type decoder struct {
	stale bool
}

func newDecoder(*Options, policy.Config) *decoder { return &decoder{stale: true} }

func (e *engine) generate(ctx context.Context, prompts []rollout.Prompt, s sampling) ([]rollout.Group, error) {
	panic("decoder")
}
