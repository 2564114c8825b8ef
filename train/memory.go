package train

import "github.com/longctx/pipeline/train/policy"

// bytes estimates what the largest update of a stage takes.
func (s *Stage) bytes(c *policy.Config, micro int) int64 {
	length := int64(s.MaxPrompt) + int64(max(s.GroupSize, 1))*int64(s.MaxResponse)
	rows := max(1, int64(micro)/length)
	scores := rows * int64(c.Heads) * length * length * int64(c.Layers)
	widths := rows * length * int64(c.Layers) * int64(8*c.Hidden+4*c.Intermediate)
	logits := rows * int64(max(s.GroupSize, 1)) * int64(s.MaxResponse) * int64(c.Vocab)
	return 16*c.Parameters() + 4*(3*scores+3*widths+4*logits)
}
