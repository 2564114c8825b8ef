// Package judge asks a model whether an answer is right, where the rule says that it is not.
//
// Its rule: a reward comes from the rule or from the judge's own last line, and from nothing that
// a response says. A judge that fails gives an unknown reward, never 0: an outage must not look
// like a hard sample. Equal questions are asked once, also by many goroutines at the same time.
package judge

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/singleflight"

	"github.com/longctx/pipeline/train/reward"
	"github.com/longctx/pipeline/train/reward/endpoint"
)

// maxTokens leaves room for a judge that reasons before it decides.
const maxTokens = 2048

// A Judge is a model that compares answers. It may be used by many goroutines.
type Judge struct {
	client *endpoint.Client
	cache  *Cache
	flight singleflight.Group
}

// New makes a judge of a model. Without a cache (nil) every question is asked.
func New(client *endpoint.Client, cache *Cache) *Judge { return &Judge{client: client, cache: cache} }

// Model is the name of the judge's model.
func (j *Judge) Model() string { return j.client.Model() }

// ErrUnclear means that the judge's last line is not a verdict.
var ErrUnclear = errors.New("the judge gave no verdict")

// Ask asks whether an answer to the request's question agrees with one of its references: it
// returns Known(1), Known(0), or unknown with the reason and an error that says why.
func (j *Judge) Ask(ctx context.Context, r reward.Request, answer string) (reward.Number, reward.Reason, error) {
	messages := prompt(r.Question, r.References, answer)
	k := keyOf(j.Model(), messages)
	yes, known := j.cache.get(k)
	if !known {
		var err error
		if yes, err = j.askOnce(ctx, k, messages); err != nil {
			if errors.Is(err, ErrUnclear) {
				return reward.Number{}, reward.JudgeUnclear, err
			}
			return reward.Number{}, reward.JudgeFailed, err
		}
	}
	if yes {
		return reward.Known(1), reward.Judged, nil
	}
	return reward.Known(0), reward.JudgedWrong, nil
}

// askOnce joins callers with the same question. One whose own context still holds does not fail
// because the context of the caller who asked has ended.
func (j *Judge) askOnce(ctx context.Context, k key, messages []endpoint.Message) (bool, error) {
	for {
		yes, err, shared := j.flight.Do(string(k[:]), func() (any, error) {
			if yes, known := j.cache.get(k); known {
				return yes, nil
			}
			yes, err := j.ask(ctx, messages)
			if err == nil {
				err = j.cache.put(k, yes)
			}
			return yes, err
		})
		if shared && errors.Is(err, context.Canceled) && ctx.Err() == nil {
			continue
		}
		return yes.(bool), err
	}
}

func (j *Judge) ask(ctx context.Context, messages []endpoint.Message) (bool, error) {
	reply, err := j.client.Complete(ctx, endpoint.Prompt{Messages: messages, MaxTokens: maxTokens})
	if err != nil {
		return false, fmt.Errorf("judge %s: %w", j.Model(), err)
	}
	c := reply.Completions[0]
	yes, ok := verdict(c.Text)
	if c.FinishReason == "length" || !ok {
		return false, fmt.Errorf("judge %s: %w: it ended with %q", j.Model(), ErrUnclear, lastLine(c.Text))
	}
	return yes, nil
}

// A Grader is rule and judge together: reward = max(rule, judge), the judge asked only where the
// rule says 0 (QwenLong-L1, arXiv 2505.17667 eq. 12-14).
type Grader struct {
	Rules *reward.Scorer
	Judge *Judge // nil: the rule alone
}

// Grade scores a response. The error is why the judge's reward is unknown; the verdict stands
// with it, and its reward is null. Only a context that has ended is worth stopping for.
func (g Grader) Grade(ctx context.Context, r reward.Request) (reward.Verdict, error) {
	v := g.Rules.Score(r)
	if g.Judge == nil || v.Rule != reward.Known(0) {
		return v, nil
	}
	answer := g.shown(r, v)
	if answer == "" {
		return v, nil // there is nothing to ask about
	}
	var err error
	v.Judge, v.Reason, err = g.Judge.Ask(ctx, r, answer)
	v.Reward = v.Judge
	return v, err
}

// shown is what the judge sees: the answer, or where the strict rule found none the end of the
// final text. An unfinished or endless answer is shown to nobody.
func (g Grader) shown(r reward.Request, v reward.Verdict) string {
	switch {
	case v.Reason == reward.NotFinished || v.Reason == reward.TooLong:
		return ""
	case v.Answer != "" || g.Rules.Name() == reward.QwenLongL1:
		return v.Answer
	}
	final, _ := reward.Final(r.Response)
	if n := len(final) - reward.MaxAnswer; n > 0 {
		final = strings.ToValidUTF8(final[n:], "")
	}
	return final
}
