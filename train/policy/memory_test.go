package policy_test

import "testing"

func TestTheEstimateOfMemoryGrowsWithWhatCosts(t *testing.T) {
	c := preset(t, "small", 2048)
	base := c.Memory(8, 512, 512)
	if longer := c.Memory(4, 1024, 512); longer.Attention <= base.Attention || longer.Activations != base.Activations {
		t.Errorf("half the rows of twice the time: %+v, before %+v", longer, base)
	}
	if more := c.Memory(8, 512, 1024); more.Head != 2*base.Head || more.Total() <= base.Total() {
		t.Errorf("twice the slots: %+v, before %+v", more, base)
	}
	if base.Weights != 16*c.Parameters() {
		t.Errorf("weights, gradients and moments take %d bytes for %d weights", base.Weights, c.Parameters())
	}
}
