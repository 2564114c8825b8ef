package main

import (
	"context"
	"fmt"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/export"
	"github.com/longctx/pipeline/sample/history"
	"github.com/longctx/pipeline/sample/history/intake"
	"github.com/longctx/pipeline/tokenize"
	"github.com/longctx/pipeline/train"
	"github.com/longctx/pipeline/train/reward"
	"github.com/longctx/pipeline/train/rollout"
)

// scorer makes rule and judge of the config a scorer of rollouts, with the judge's verdicts kept in
// a file. close syncs it.
func (t *trainRun) scorer(verdicts string) (rollout.Scorer, func() error, error) {
	grader, closeCache, err := newGrader(&t.config.Reward, verdicts)
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context, p *rollout.Prompt, response string, tokens int) (rollout.Scored, error) {
		v, err := grader.Grade(ctx, reward.Request{
			DataSource: p.DataSource, Question: p.Question, Response: response, References: p.References, ResponseTokens: tokens,
		})
		if ctx.Err() != nil {
			return rollout.Scored{}, ctx.Err()
		}
		reason := v.Reason.String()
		if err != nil {
			reason = fmt.Sprintf("%s: %v", reason, err) // the reward is unknown, and the run goes on
		}
		return rollout.Scored{Reward: history.Number(v.Reward), Rule: history.Number(v.Rule), Judge: history.Number(v.Judge), Reason: reason}, nil
	}, closeCache, nil
}

// exporter writes plans for other trainers.
func (t *trainRun) exporter(m *dataset.Manifest) func(context.Context, train.ExportOptions) error {
	return func(ctx context.Context, o train.ExportOptions) error {
		format, ok := export.Lookup(o.Format)
		if !ok {
			return fmt.Errorf("unknown format %q", o.Format)
		}
		prompt, err := tokenize.PromptOfDataset(t.dir, m, "")
		if err != nil && !format.Lean {
			return err
		}
		_, err = export.Run(ctx, export.Options{
			Dataset: dataset.Dir(t.dir), Manifest: m, Plan: o.Plan, Prompt: prompt, Format: format, Output: o.Output, Name: o.Name, Force: true,
		})
		return err
	}
}

// importer reads what other trainers have rewarded.
func (t *trainRun) importer(m *dataset.Manifest) func(context.Context, *history.Store, train.ImportOptions) (train.ImportReport, error) {
	return func(ctx context.Context, s *history.Store, in train.ImportOptions) (out train.ImportReport, err error) {
		o := intake.Options{
			Dataset: dataset.Dir(t.dir), Format: in.Format, Run: in.Run, TrainStage: in.TrainStage, Phase: in.Phase, Step: in.Step,
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
