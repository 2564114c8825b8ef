package train

import (
	"context"
	"slices"

	"github.com/longctx/pipeline/tokenize/bpe"
	"github.com/longctx/pipeline/train/policy"
	"github.com/longctx/pipeline/train/policy/decode"
	"github.com/longctx/pipeline/train/rollout"
)

// generate rolls prompts out with the weights as they are. The decoder has a copy of its own,
// taken anew after updates.
func (e *engine) generate(ctx context.Context, prompts []rollout.Prompt, o rollout.Options) ([]rollout.Group, error) {
	if e.stale {
		w, err := e.learner.Weights()
		if err != nil {
			return nil, err
		}
		if e.generator.Decoder == nil {
			e.generator.Decoder, err = decode.New(e.learner.Config(), w)
		} else {
			err = e.generator.Decoder.Load(w)
		}
		if err != nil {
			return nil, err
		}
		e.stale = false
	}
	return e.generator.Generate(ctx, prompts, o)
}

// stops returns the ids that end a response: those that the policy names, and the one that the
// build has put behind the responses of SFT samples.
func stops(c *policy.Config, t *bpe.Tokenizer) []int32 {
	ids := slices.Clone(c.EOS)
	if id, ok := t.TokenID(endOfText); ok && !slices.Contains(ids, id) {
		ids = append(ids, id)
	}
	return ids
}
