package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/longctx/pipeline/cmd/internal/build"
	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
)

func newRewards(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "rewards",
		GroupID: "look",
		Short:   "The reward history of a dataset: import, export, compact",
		Long: `The reward history says what the policy scored on each sample, when, and under which
limits. It lies in DATASET/history as Parquet, survives a rebuild of the dataset, and is
what difficulty is estimated from.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return cli.Usage(fmt.Errorf("rewards has no verb %q: import, export or compact", args[0]))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRewardsImport(g), newRewardsExport(), newRewardsCompact(g))
	return cmd
}

// openHistory opens the history of a dataset for writing.
func openHistory(dir string) (*history.Store, error) {
	if _, err := readManifest(dir); err != nil {
		return nil, err
	}
	s, err := history.Open(dataset.Dir(dir), cli.FileLocker(dir))
	return s, explainHistory(err)
}

// explainHistory adds the hint that belongs to an error of the history.
func explainHistory(err error) error {
	switch {
	case errors.Is(err, build.ErrLocked):
		return cli.WithHint(err, "another process writes the reward history, perhaps a training run; wait for it")
	case errors.Is(err, history.ErrConflict):
		return cli.WithHint(err, "nothing was imported. If this is another run, name it with --run; if it is the same run after a resume, take back what came later with --resumed-at STEP")
	case errors.Is(err, history.ErrCompacted):
		return cli.WithHint(err, "a compaction dropped outcomes of it that a resumed run had superseded; leave --snapshot out to read the newest")
	case errors.Is(err, dataset.ErrCorrupt):
		return cli.WithHint(err, "the reward history is damaged; bring the file back from a copy, or move DATASET/history away and import again")
	}
	return err
}

func newRewardsExport() *cobra.Command {
	var format, output, snapshot string
	var phase int32
	var f history.Filter
	cmd := &cobra.Command{
		Use:   "export DATASET [flags]",
		Short: "Write the outcomes of the history",
		Long: `Writes the outcomes in the order they were recorded: as JSON lines that ` + "`rewards import`" + `
reads, or as one Parquet file with the columns of history/FORMAT.md.`,
		Example: `  pipeline rewards export data --format jsonl | head -1
  pipeline rewards export data --format parquet --run seed7 --output rewards.parquet`,
		Args: oneDataset,
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := readManifest(args[0]); err != nil {
				return err
			}
			snap, err := readSnapshot(args[0], snapshot)
			if err != nil {
				return explainHistory(err)
			}
			if cmd.Flags().Changed("phase") {
				f.MinPhase, f.MaxPhase, f.OnlyPhase0 = phase, phase, phase == 0
			}
			write := snap.ExportJSONL
			switch format {
			case "jsonl":
			case "parquet":
				write = snap.ExportParquet
			default:
				return cli.Usage(fmt.Errorf("rewards export: unknown format %q: jsonl or parquet", format))
			}
			export := func(w io.Writer) error {
				_, err := write(cmd.Context(), w, f)
				return err
			}
			if output == "-" {
				err = export(cmd.OutOrStdout())
			} else {
				err = writeFile(output, export)
			}
			if err != nil {
				return explainHistory(fmt.Errorf("rewards export: %w", err))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", "jsonl", "jsonl or parquet")
	cmd.Flags().StringVarP(&output, "output", "o", "-", "file to write, - for standard output")
	cmd.Flags().StringVar(&snapshot, "snapshot", "", "id of the snapshot to read; empty: the newest")
	cmd.Flags().StringSliceVar(&f.Runs, "run", nil, "only these runs")
	cmd.Flags().StringSliceVar(&f.TrainStages, "train-stage", nil, "only these training stages")
	cmd.Flags().Int32Var(&phase, "phase", 0, "only this phase; 0: measurements before training")
	return cmd
}

func readSnapshot(dir, id string) (*history.Snapshot, error) {
	if id == "" {
		return history.Read(dataset.Dir(dir))
	}
	return history.ReadAt(dataset.Dir(dir), id)
}

func newRewardsCompact(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "compact DATASET",
		Short: "Merge the history's small files and summarize each sample",
		Long: `Merges small segments into large ones, drops outcomes that a resumed run has superseded,
and writes a summary of each sample for tools that read Parquet. The newest snapshot keeps
its id; older ones stay readable, except those from which outcomes were dropped.`,
		Example: "  pipeline rewards compact data",
		Args:    oneDataset,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := openHistory(args[0])
			if err != nil {
				return err
			}
			defer s.Close()
			c, err := s.Compact(cmd.Context())
			if err != nil {
				return explainHistory(fmt.Errorf("rewards compact: %w", err))
			}
			if g.json {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{
					"message_type": "rewards_compact", "segments_before": c.Before, "segments_after": c.After,
					"dropped": c.Dropped, "summaries": c.Summarized,
				})
			}
			if !g.quiet {
				fmt.Fprintf(cmd.ErrOrStderr(), "pipeline: %d segments became %d, %s superseded outcomes dropped, %s summaries\n",
					c.Before, c.After, cli.Count(c.Dropped), cli.Count(c.Summarized))
			}
			return nil
		},
	}
}
