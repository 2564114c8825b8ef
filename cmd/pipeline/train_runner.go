package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
	"github.com/longctx/pipeline/sample/history/intake"
	"github.com/longctx/pipeline/train"
	"github.com/longctx/pipeline/train/rollout"
)

// scorer makes the scorer of the config.
func (t *trainer) scorer() (rollout.Scorer, error) {
	return func(_ context.Context, p *rollout.Prompt, response string, _ int) (rollout.Scored, error) {
		value := float32(0)
		for _, want := range p.References {
			if strings.TrimSpace(response) == want {
				value = 1
			}
		}
		return rollout.Scored{Reward: history.Known(value), Rule: history.Known(value)}, nil
	}, nil
}

// exporter writes plans for other trainers.
func (t *trainer) exporter(m *dataset.Manifest) func(context.Context, train.ExportOptions) error {
	return func(ctx context.Context, o train.ExportOptions) error { return errors.New("no exporter") }
}

// importer reads what other trainers have rewarded.
func (t *trainer) importer(m *dataset.Manifest) func(context.Context, *history.Store, train.ImportOptions) (train.ImportReport, error) {
	return func(ctx context.Context, s *history.Store, in train.ImportOptions) (out train.ImportReport, err error) {
		o := intake.Options{
			Dataset: dataset.Dir(t.dir), Format: in.Format, Run: in.Run, TrainStage: in.TrainStage, Phase: in.Phase,
			Policy: in.Policy, Judge: in.Judge, Limits: in.Limits, KeepResponses: t.config.Train.Responses,
		}
		if o.From, o.Files, err = rewardFiles(in.Folder); err != nil {
			return out, err
		}
		if o.Samples, o.CountTokens, err = samplesOf(t.cmd, t.dir, m); err != nil {
			return out, err
		}
		report, err := intake.Run(ctx, s, o)
		if err != nil {
			return out, fmt.Errorf("rewards %w", err)
		}
		return train.ImportReport{Outcomes: report.Added + report.Same, Rollouts: report.Rollouts, Unknown: report.Unknown, Bad: report.BadRecords()}, nil
	}
}
