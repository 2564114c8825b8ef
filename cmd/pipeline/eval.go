package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/train/eval"
	"github.com/longctx/pipeline/train/reward"
	"github.com/longctx/pipeline/train/reward/endpoint"
)

// evaluator is the verb eval with its options.
type evaluator struct {
	globals
	output, plan, template string
	phase                  int32
	limit                  int64
	rollouts               []string
	rescore                bool
	record                 bool
	run                    string
	patterns               bool
	paper, csv             bool
	config                 *cli.Config
}

func newEval(g *globals) *cobra.Command {
	var e evaluator
	cmd := &cobra.Command{
		Use:     "eval DATASET --endpoint URL --model NAME --output FOLDER [flags]",
		GroupID: "train",
		Short:   "Measure a policy: responses, rewards, intervals",
		Long: `Asks a policy behind an OpenAI-compatible server for n responses to each sample, scores
them by rule and judge, and reports Pass@1, pass@k and avg@n for each data_source and on
average, with 95% intervals (bootstrap over samples).

Responses are on disk before they count: after a kill, the same command goes on and asks
nothing twice. Where requests failed in spite of all retries it ends with status 3, and the
same command asks again. The keys of policy and judge, where they need any, come from
PIPELINE_API_KEY and ` + judgeKey + `.

With --record the rewards go into the dataset's history as a measurement before training:
difficulty for the start policy (` + "`pipeline sample --source start`" + `). With --rollouts it scores
responses that are there, and asks nobody.`,
		Example: `  pipeline eval data --endpoint http://127.0.0.1:8080/v1 --model qwen3-4b --n 16 --output runs/eval
  pipeline eval data --endpoint http://127.0.0.1:8080/v1 --model qwen3-4b --phase 1 --limit 200 --record --output runs/start
  pipeline eval data --rescore --scorer qwenlong-l1 --output runs/eval
  pipeline eval --rollouts step-20.jsonl --rollouts step-40.jsonl --patterns --output runs/patterns
  pipeline eval compare runs/eval runs/eval-later`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && len(e.rollouts) > 0 {
				return nil
			}
			return oneDataset(cmd, args)
		},
	}
	flags := cli.AddFlags(cmd, "eval", "reward")
	f := cmd.Flags()
	f.StringVarP(&e.output, "output", "o", "", "folder of the evaluation")
	f.Int32Var(&e.phase, "phase", 0, "only samples of this phase; 0: of all")
	f.StringVar(&e.plan, "plan", "", "only samples of this plan")
	f.Int64Var(&e.limit, "limit", 0, "so many samples at most, chosen by --seed; 0: all")
	f.StringVar(&e.template, "template", "", "file of the prompt template, where the dataset was built with one of your own")
	f.StringArrayVar(&e.rollouts, "rollouts", nil, "score the responses of this JSONL file instead; may be repeated")
	f.BoolVar(&e.rescore, "rescore", false, "score what the folder has, and ask the policy nothing")
	f.BoolVar(&e.record, "record", false, "write the rewards into the dataset's history, as phase 0")
	f.StringVar(&e.run, "run", "", "name of the run in the history (default: the model's)")
	f.BoolVar(&e.patterns, "patterns", false, "count reasoning patterns, by the judge or, without one, by phrases")
	f.BoolVar(&e.paper, "paper", false, "add the rows of QwenLong-L1's paper to the table")
	f.BoolVar(&e.csv, "csv", false, "print the table as CSV")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := flags.Load(cmd)
		if err != nil {
			return err
		}
		e.globals, e.config = *g, c
		dir := ""
		if len(args) > 0 {
			dir = args[0]
		}
		return explainEval(e.start(cmd, dir))
	}
	cmd.AddCommand(newEvalCompare(g))
	return cmd
}

// start claims the folder and goes the one way or the other.
func (e *evaluator) start(cmd *cobra.Command, dir string) error {
	switch {
	case e.output == "":
		return cli.Usage(errors.New("eval: no output; name a folder with --output"))
	case e.record && dir == "":
		return cli.Usage(errors.New("eval: --record needs the dataset whose history it writes"))
	case len(e.rollouts) > 0 && e.rescore:
		return cli.Usage(errors.New("eval: --rollouts and --rescore: only one of them can say what to score"))
	}
	release, err := cli.FileLocker(e.output).Lock(".lock", false)
	if err != nil {
		return cli.WithHint(fmt.Errorf("eval: %w", err), "another process evaluates into this folder; wait for it, or name another folder")
	}
	defer release()
	scoring, err := e.scoring()
	if err != nil {
		return err
	}
	defer scoring.close()
	if len(e.rollouts) > 0 {
		return e.given(cmd, dir, scoring)
	}
	return e.dataset(cmd, dir, scoring)
}

// dataset evaluates on the samples of a dataset.
func (e *evaluator) dataset(cmd *cobra.Command, dir string, s *scoring) error {
	ctx := cmd.Context()
	r, err := e.prepare(ctx, dir)
	if err != nil {
		return err
	}
	defer r.Log.Close()
	if err := r.Check(e.config.Reward.Judge != ""); err != nil {
		return cli.Usage(fmt.Errorf("eval %s: %w", dir, err))
	}
	var asked eval.Asked
	if !e.rescore {
		if asked, err = e.generate(cmd, r); err != nil {
			return fmt.Errorf("eval %s: %w", dir, err)
		}
	}
	var p eval.Progress
	stop := e.watch(cmd, &p, "responses scored")
	groups, file, err := r.Score(ctx, s.grader, s.workers, &p)
	stop()
	if err != nil {
		return fmt.Errorf("eval %s: score: %w", dir, err)
	}
	report := eval.NewReport(groups, r.Config.N, s.Scoring, r.Config.Seed)
	report.Config, report.Model, report.Damaged = &r.Config, r.Config.Model, r.Log.Damaged()
	if err := e.finish(cmd, report, groups, s, file); err != nil {
		return err
	}
	if e.record {
		m := eval.Measurement{
			Run: e.run, Policy: r.Config.Model, Judge: s.Judge, N: r.Config.N,
			Limits: eval.LimitsOf(&r.Config, r.Manifest.Phases[len(r.Manifest.Phases)-1].Max),
		}
		if m.Run == "" {
			m.Run = r.Config.Model
		}
		if err := e.remember(cmd, dir, m); err != nil {
			return err
		}
	}
	return e.verdict(report, asked)
}

// prepare opens what an evaluation of a dataset needs.
func (e *evaluator) prepare(ctx context.Context, dir string) (*eval.Run, error) {
	m, err := readManifest(dir)
	if err != nil {
		return nil, err
	}
	r := &eval.Run{Dataset: dataset.Dir(dir), Manifest: m, Output: dataset.Dir(e.output), Concurrency: e.config.Eval.Concurrency}
	if err := e.configure(r); err != nil {
		return nil, err
	}
	plan, err := e.readPlan(r)
	if err != nil {
		return nil, err
	}
	if r.Samples, err = eval.Select(ctx, r.Dataset, m, r.Config.Selection, plan); err != nil {
		return nil, explain(fmt.Errorf("eval %s: %w", dir, err))
	}
	if r.Template, r.Tokenizer, err = e.render(dir, r); err != nil {
		return nil, err
	}
	if r.Template != nil {
		r.Config.Template = r.Template.Text()
	}
	if r.Log, err = eval.OpenLog(r.Output, eval.ResponsesFolder); err != nil {
		return nil, explain(fmt.Errorf("eval: %w", err))
	}
	return r, nil
}

// configure sets what is asked: from the options, or with --rescore from the folder.
func (e *evaluator) configure(r *eval.Run) error {
	c := &e.config.Eval
	if e.rescore {
		before, err := eval.ReadConfig(r.Output)
		if err != nil {
			return fmt.Errorf("eval %s: %w", e.output, err)
		}
		r.Config = *before
		if before.DatasetID != r.Manifest.ID {
			return cli.Usage(fmt.Errorf("eval: %w", &eval.DiffersError{Option: "dataset", Before: before.DatasetID, Now: r.Manifest.ID}))
		}
		return nil
	}
	r.Config = eval.Config{
		DatasetID: r.Manifest.ID, Selection: eval.Selection{Phase: e.phase, Limit: e.limit, Seed: uint64(c.Seed)},
		Model: c.Model, API: c.API, N: c.N, PerRequest: c.PerRequest, Temperature: float64(c.Temperature), TopP: float64(c.TopP),
		MaxTokens: c.MaxTokens, ContextLength: c.ContextLength, Truncate: c.Truncate, Seed: uint64(c.Seed),
	}
	if e.limit < 0 {
		return cli.Usage(fmt.Errorf("eval: limit: %d is under 0", e.limit))
	}
	if c.Endpoint == "" {
		return cli.Usage(errors.New("eval: no endpoint; name one with --endpoint, such as http://127.0.0.1:8080/v1"))
	}
	if err := r.Config.Validate(); err != nil {
		return cli.Usage(fmt.Errorf("eval: %w", err))
	}
	client, err := endpoint.New(endpoint.Options{
		BaseURL: c.Endpoint, Model: c.Model, APIKey: os.Getenv(policyKey),
		Timeout: time.Duration(c.Timeout), Retries: orNone(c.Retries), Concurrency: max(c.Concurrency, 1),
	})
	if err != nil {
		return cli.Usage(fmt.Errorf("eval: endpoint: %w", err))
	}
	r.Policy = client
	return nil
}

// generate asks the policy, and tells what became of it.
func (e *evaluator) generate(cmd *cobra.Command, r *eval.Run) (eval.Asked, error) {
	if n := r.Log.Damaged(); n > 0 && !e.quiet {
		fmt.Fprintf(cmd.ErrOrStderr(), "pipeline: warning: %s cannot be read, as after a crash; their responses are asked again\n", counted(int64(n), "line"))
	}
	var p eval.Progress
	stop := e.watch(cmd, &p, "responses")
	asked, err := r.Generate(cmd.Context(), &p)
	stop()
	if err != nil && r.Log.Len() > 0 && !errors.Is(err, eval.ErrDiffers) {
		err = cli.WithHint(err, fmt.Sprintf("%s are safe in %s; the same command goes on from there", counted(int64(r.Log.Len()), "response"), e.output))
	}
	if errors.Is(err, eval.ErrDiffers) {
		err = cli.WithHint(cli.Usage(err), "give it the same options, or another --output; to score its responses in another way: --rescore")
	}
	if err == nil && !e.quiet && !e.json {
		fmt.Fprintf(cmd.ErrOrStderr(), "pipeline: %s came, %s were there\n", counted(asked.New, "response"), cli.Count(p.Resumed.Load()))
	}
	return asked, err
}

// watch shows progress until the returned function is called.
func (e *evaluator) watch(cmd *cobra.Command, p *eval.Progress, what string) (stop func()) {
	return cli.WatchCounts(cmd.Context(), cmd.ErrOrStderr(), e.quiet, func() cli.Counts {
		c := cli.Counts{Done: p.Done.Load() + p.Refused.Load(), Before: p.Resumed.Load(), Total: p.Total.Load(), Text: what}
		if n := p.Tokens.Load(); n > 0 {
			c.Text += ", " + cli.Count(n) + " tokens"
		}
		if n := p.Failed.Load(); n > 0 {
			c.Text += ", " + cli.Count(n) + " failed"
		}
		return c
	})
}

// counted writes a number with its noun.
func counted(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return cli.Count(n) + " " + noun
}

// verdict is status 3 where the report is not of all that was to be asked.
func (e *evaluator) verdict(r *eval.Report, asked eval.Asked) error {
	a := &r.Average
	switch {
	case a.Missing > 0:
		return cli.WithHint(fmt.Errorf("%w: %s missing, after %s", cli.ErrFindings, counted(a.Missing, "response"), counted(asked.Failed, "failed request")),
			"the same command asks for them again")
	case a.Null > 0 && e.config.Reward.Judge != "" && judgeFailed(r):
		return cli.WithHint(fmt.Errorf("%w: %s without a reward; they are left out of every rate", cli.ErrFindings, counted(a.Null, "response")),
			"where the judge did not answer, the same command asks it again")
	case a.Responses == 0:
		return fmt.Errorf("%w: no response, so there is nothing to report", cli.ErrFindings)
	}
	return nil
}

// judgeFailed reports whether the judge is why rewards are unknown.
func judgeFailed(r *eval.Report) bool {
	return slices.ContainsFunc(r.Reasons, func(n eval.Reason) bool { return n.Reason == reward.JudgeFailed.String() })
}

// explainEval adds the hint that belongs to an error.
func explainEval(err error) error {
	switch {
	case errors.Is(err, eval.ErrNoEval):
		return cli.WithHint(cli.Usage(err), "`pipeline eval DATASET --endpoint URL --model NAME --output FOLDER` makes one")
	case errors.Is(err, eval.ErrRefusedAll):
		return cli.WithHint(err, "look at --model, --api and "+policyKey+"; is the prompt longer than the server allows?")
	case errors.Is(err, eval.ErrDown):
		return cli.WithHint(err, "is the server there? The same command goes on when it is")
	}
	return err
}

// policyKey is the environment variable with the key of the policy's endpoint.
const policyKey = "PIPELINE_API_KEY"

func baseName(folder string) string { return filepath.Base(filepath.Clean(folder)) }
