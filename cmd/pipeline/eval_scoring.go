package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/tokenize"
	"github.com/longctx/pipeline/tokenize/bpe"
	"github.com/longctx/pipeline/tokenize/template"
	"github.com/longctx/pipeline/train/eval"
	"github.com/longctx/pipeline/train/reward/judge"
)

// scoring is rule and judge as the options have them.
type scoring struct {
	eval.Scoring
	grader  judge.Grader
	close   func() error // of the cache of verdicts
	workers int          // responses scored at the same time
}

// judgeCache is the file of the judge's verdicts in the folder of an evaluation.
const judgeCache = "judge.cache"

func (e *evaluator) scoring() (*scoring, error) {
	c := &e.config.Reward
	s := &scoring{Scoring: eval.Scoring{Scorer: c.Scorer, Judge: c.JudgeModel}, workers: runtime.GOMAXPROCS(0)}
	var err error
	if s.grader, s.close, err = newGrader(c, filepath.Join(e.output, judgeCache)); err != nil {
		return nil, fmt.Errorf("eval: %w", err)
	}
	if s.grader.Judge != nil {
		s.workers = max(s.workers, 2*c.JudgeConcurrency)
	}
	return s, nil
}

// readPlan opens the plan that chooses samples; nil without one.
func (e *evaluator) readPlan(r *eval.Run) (*curriculum.Plan, error) {
	if e.plan == "" {
		return nil, nil
	}
	p, err := openPlan(e.plan)
	if err != nil {
		return nil, err
	}
	if err := p.Check(r.Manifest); err != nil {
		return nil, cli.Usage(fmt.Errorf("eval: %w", err))
	}
	if !e.rescore {
		r.Config.Selection.Plan = p.ID()
	}
	return p, nil
}

// render returns what prompts are written with, and the dataset's tokenizer.
func (e *evaluator) render(dir string, r *eval.Run) (*template.PromptTemplate, *bpe.Tokenizer, error) {
	tok, err := tokenize.OfDataset(dir, r.Manifest)
	if err != nil {
		return nil, nil, explain(err)
	}
	if r.Config.API != eval.APIChat || e.rescore {
		return nil, tok, nil
	}
	name, text := r.Manifest.Template.Prompt, ""
	if e.template != "" {
		data, err := os.ReadFile(e.template)
		if err != nil {
			return nil, nil, cli.Usage(fmt.Errorf("eval: --template: %w", err))
		}
		name, text = filepath.Base(e.template), string(data)
	}
	t, err := template.ParsePrompt(name, text)
	if err != nil {
		return nil, nil, cli.WithHint(cli.Usage(fmt.Errorf("eval %s: %w", dir, err)), "the dataset was built with a template of its own: name its file with --template")
	}
	return t, tok, nil
}

// given scores responses that are there.
func (e *evaluator) given(cmd *cobra.Command, dir string, s *scoring) error {
	ctx := cmd.Context()
	var files []io.Reader
	for _, name := range e.rollouts {
		f, err := os.Open(name)
		if err != nil {
			return cli.Usage(fmt.Errorf("eval: --rollouts: %w", err))
		}
		defer f.Close()
		files = append(files, f)
	}
	out := dataset.Dir(e.output)
	if _, err := eval.ReadConfig(out); err == nil {
		return cli.WithHint(cli.Usage(fmt.Errorf("eval: %s holds an evaluation of its own responses", e.output)), "name another --output")
	}
	rollouts := eval.Given(e.rollouts, files)
	if dir != "" {
		m, err := readManifest(dir)
		if err != nil {
			return err
		}
		samples, err := eval.Select(ctx, dataset.Dir(dir), m, eval.Selection{}, nil)
		if err != nil {
			return explain(fmt.Errorf("eval %s: %w", dir, err))
		}
		r := &eval.Run{Dataset: dataset.Dir(dir), Manifest: m, Samples: samples}
		rollouts = r.Join(ctx, rollouts)
	}
	var p eval.Progress
	stop := e.watch(cmd, &p, "responses scored")
	groups, file, err := eval.ScoreGiven(ctx, out, s.grader, s.workers, rollouts, &p)
	stop()
	if err != nil {
		return fmt.Errorf("eval: score: %w", err)
	}
	report := eval.NewReport(groups, 0, s.Scoring, uint64(e.config.Eval.Seed))
	report.Model = e.config.Eval.Model
	if err := e.finish(cmd, report, groups, s, file); err != nil {
		return err
	}
	if e.record && len(report.Steps) > 0 {
		return cli.WithHint(cli.Usage(errors.New("eval: --record: these are responses of several steps, and no measurement before training")), "`pipeline rewards import` records what was trained on")
	}
	if e.record {
		m := eval.Measurement{Run: e.run, Policy: report.Model, Judge: s.Judge}
		if m.Run == "" {
			m.Run = baseName(e.output)
		}
		if err := e.remember(cmd, dir, m); err != nil {
			return err
		}
	}
	return e.verdict(report, eval.Asked{})
}
