package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/longctx/pipeline/cmd/internal/build"
	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/cmd/internal/report"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/tokenize"
	"github.com/longctx/pipeline/train"
	"github.com/longctx/pipeline/train/metrics"
)

// trainRun is the verb train.
type trainRun struct {
	*globals
	cmd    *cobra.Command
	config *cli.Config
	dir    string // of the dataset
	run    string // folder of the run
}

func newTrain(g *globals) *cobra.Command {
	var stage string
	var dry bool
	cmd := &cobra.Command{
		Use:     "train --config pipeline.toml [flags]",
		GroupID: "train",
		Short:   "Train on the curriculum, from warm-up to the last phase",
		Long: `Runs the stages of [[train.stage]] in their order: kind "sft" imitates the responses of SFT
samples, "rl" learns from rewards by GRPO or DAPO, "measure" records the difficulty of the
policy as it is. Each stage ends with an evaluation on samples that no plan draws, and a
checkpoint; the plan of the next is drawn from the rewards recorded so far.

Stopped at any moment and run again, it goes on where it stopped, bit for bit.
A stage with runner = "verl" exports its plan, runs its command and reads the rewards back.`,
		Example: `  pipeline train --config pipeline.toml
  pipeline train --config pipeline.toml --stage phase-2 --dry-run
  pipeline train --config pipeline.toml --run seed-2 --seed 2`,
		Args: noArgs,
	}
	flags := cli.AddFlags(cmd, "train", "reward")
	cmd.Flags().StringVar(&stage, "stage", "", "run this stage and no other")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what each stage will take, and stop")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := flags.Load(cmd)
		if err != nil {
			return err
		}
		t := trainRun{globals: g, cmd: cmd, config: c, dir: cmp.Or(c.Train.Data, c.Output), run: filepath.Join(c.Train.Runs, c.Train.Run)}
		o, closeScorer, err := t.options(dry)
		if err != nil {
			return explainTrain(err)
		}
		o.Only = stage
		if dry {
			return t.look(cmd.Context(), o)
		}
		return errors.Join(t.train(cmd.Context(), o), closeScorer())
	}
	return cmd
}

// options completes the options of a run with what only the program has. A dry run opens nothing
// that it would have to write.
func (t *trainRun) options(dry bool) (o train.Options, closeScorer func() error, err error) {
	if o, err = t.config.TrainOptions(); err != nil {
		return o, nil, err
	}
	m, err := readManifest(t.dir)
	if err != nil {
		return o, nil, err
	}
	if o.Tokenizer, err = tokenize.OfDataset(t.dir, m); err != nil {
		return o, nil, err
	}
	if o.Path, err = filepath.Abs(t.dir); err != nil {
		return o, nil, err
	}
	if o.FolderAt, err = filepath.Abs(t.run); err != nil {
		return o, nil, err
	}
	verdicts := ""
	if !dry && t.config.Reward.Judge != "" {
		verdicts = filepath.Join(t.run, "judge.cache")
	}
	if o.Score, closeScorer, err = t.scorer(verdicts); err != nil {
		return o, nil, err
	}
	o.Judge = t.config.Reward.JudgeModel
	o.Dataset, o.Folder = dataset.Dir(t.dir), dataset.Dir(t.run)
	o.Locker, o.History = cli.FileLocker(t.run), cli.FileLocker(t.dir)
	if d := t.config.Train.Eval.Dataset; d != "" {
		o.Eval.Dataset = dataset.Dir(d)
	}
	o.Now, o.Export, o.Import = time.Now, t.exporter(m), t.importer(m)
	return o, closeScorer, nil
}

func (t *trainRun) train(ctx context.Context, o train.Options) error {
	v := newTrainView(t.cmd.ErrOrStderr(), t.config.Train.LogEvery, t.quiet || t.json)
	o.Watch = v.show
	if t.json {
		out := json.NewEncoder(t.cmd.OutOrStdout())
		o.Watch = func(e train.Event) { _ = out.Encode(eventMessage(e)) }
	}
	done, err := train.Run(ctx, o)
	v.close()
	err = errors.Join(err, t.page(&done))
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return cli.WithHint(err, "run the same command again: it goes on where it stopped")
		}
		return explainTrain(fmt.Errorf("train %s: %w", t.run, err))
	}
	if t.json {
		return json.NewEncoder(t.cmd.OutOrStdout()).Encode(map[string]any{"message_type": "train", "report": done})
	}
	if !t.quiet {
		printTrained(t.cmd.OutOrStdout(), &done, t.run)
	}
	return nil
}

// page writes the curves of a run beside it.
func (t *trainRun) page(r *train.Report) error {
	if len(r.Stages) == 0 {
		return nil
	}
	records, err := metrics.Read(dataset.Dir(t.run), ".")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(t.run, "report.html"), func(w io.Writer) error {
		return report.WriteTraining(w, report.Training{Report: r, Records: records})
	})
}

// eventMessage is an event as a line of JSON.
func eventMessage(e train.Event) map[string]any {
	msg := map[string]any{"message_type": "note", "text": e.Text, "warning": e.Warn}
	switch {
	case e.Record != nil:
		msg = map[string]any{"message_type": "step", "record": e.Record, "done": e.Done, "steps": e.Steps}
	case e.Eval != nil:
		msg = map[string]any{"message_type": "evaluation", "evaluation": e.Eval}
	}
	if e.Stage != nil {
		msg["train_stage"] = e.Stage.Name
	}
	return msg
}

// explainTrain adds the hint that belongs to an error.
func explainTrain(err error) error {
	switch {
	case errors.Is(err, train.ErrOptions):
		return cli.Usage(err)
	case errors.Is(err, train.ErrDiffers):
		return cli.WithHint(cli.Usage(err), "name another run with --run, or remove the folder to begin anew")
	case errors.Is(err, train.ErrMemory):
		return cli.WithHint(err, "lower --micro-tokens, group_size or max_response, take a smaller model, or say with --memory what may be used")
	case errors.Is(err, train.ErrNoSignal):
		return cli.WithHint(err, "where an answer type is missing, name it in [reward] types; else the checkpoint before is kept: change the schedule and go on from it under another --run, with --model")
	case errors.Is(err, train.ErrGuard):
		return cli.WithHint(err, "look at steps.jsonl; lower lr, or set the guard to warn")
	case errors.Is(err, build.ErrLocked):
		return cli.WithHint(err, "another process trains this run or writes this dataset's history; wait for it")
	}
	return explainHistory(err)
}
