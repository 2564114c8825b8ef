package train

import "github.com/longctx/pipeline/train/policy"

// bytes estimates what the largest update of a stage takes: the weights, their gradients and
// moments, and one micro-batch of the longest rows.
func (s *Stage) bytes(c *policy.Config, micro int) int64 {
	group := max(s.GroupSize, 1)
	length := int(s.MaxPrompt) + group*int(s.MaxResponse)
	rows := max(1, micro/length)
	m := c.Memory(rows, length, rows*group*int(s.MaxResponse))
	if s.KL > 0 {
		return m.Total() + 4*c.Parameters()
	}
	return m.Total()
}
