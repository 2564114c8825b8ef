package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/train/reward"
	"github.com/longctx/pipeline/train/reward/endpoint"
	"github.com/longctx/pipeline/train/reward/judge"
)

// judgeKey is the environment variable with the key of the judge's endpoint. A key is never an
// option: options are seen by other users and written to configs.
const judgeKey = "PIPELINE_JUDGE_API_KEY"

// newScorer makes the rule of the options.
func newScorer(c *cli.RewardConfig) (*reward.Scorer, error) {
	o := reward.Options{Scorer: c.Scorer, Types: map[string]reward.Type{}, Tolerance: float64(c.Tolerance), ExtraWords: c.ExtraWords, RequireThink: c.RequireThink}
	if o.Tolerance == 0 {
		o.Tolerance = -1
	}
	if o.ExtraWords == 0 {
		o.ExtraWords = -1
	}
	for source, name := range c.Types {
		t, err := reward.ParseType(name)
		if err != nil {
			return nil, cli.Usage(fmt.Errorf("reward.types.%s: %w", source, err))
		}
		o.Types[source] = t
	}
	s, err := reward.New(o)
	if err != nil {
		return nil, cli.Usage(err)
	}
	return s, nil
}

// newGrader makes rule and judge of the options. The verdicts of the judge are kept in the file
// cache, if it has a name. close syncs it.
func newGrader(c *cli.RewardConfig, cache string) (g judge.Grader, closeCache func() error, err error) {
	none := func() error { return nil }
	if g.Rules, err = newScorer(c); err != nil {
		return g, none, err
	}
	switch {
	case (c.Judge == "") != (c.JudgeModel == ""):
		return g, none, cli.Usage(errors.New("--judge and --judge-model: one needs the other"))
	case c.Judge == "":
		return g, none, nil
	}
	client, err := judgeClient(c)
	if err != nil {
		return g, none, err
	}
	var verdicts *judge.Cache
	if cache != "" {
		if verdicts, err = judge.OpenCache(cache); err != nil {
			return g, none, err
		}
	}
	g.Judge = judge.New(client, verdicts)
	return g, verdicts.Close, nil
}

// judgeClient makes the client of the judge's endpoint.
func judgeClient(c *cli.RewardConfig) (*endpoint.Client, error) {
	client, err := endpoint.New(endpoint.Options{
		BaseURL: c.Judge, Model: c.JudgeModel, APIKey: os.Getenv(judgeKey),
		Timeout: time.Duration(c.JudgeTimeout), Retries: orNone(c.JudgeRetries), Concurrency: max(c.JudgeConcurrency, 1),
	})
	if err != nil {
		return nil, cli.Usage(fmt.Errorf("--judge: %w", err))
	}
	return client, nil
}

// orNone makes 0 retries what it says; to an endpoint it is the default.
func orNone(retries int) int {
	if retries == 0 {
		return -1
	}
	return retries
}
