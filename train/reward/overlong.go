package reward

// Overlong returns what a response of so many tokens adds to its reward: 0 up to maxTokens -
// cacheTokens, falling to -1 at maxTokens, -1 beyond (DAPO, arXiv 2503.14476 eq. 13). It is for
// the optimizer only: the history and every difficulty keep the unshaped reward.
func Overlong(tokens, maxTokens, cacheTokens int) float32 {
	switch soft := maxTokens - cacheTokens; {
	case tokens <= soft:
		return 0
	case tokens >= maxTokens:
		return -1
	default:
		return float32(soft-tokens) / float32(cacheTokens)
	}
}
