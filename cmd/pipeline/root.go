package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/dataset"
)

// globals are the options that every verb has.
type globals struct {
	quiet bool
	json  bool
}

func newRoot() *cobra.Command {
	var g globals
	root := &cobra.Command{
		Use:   "pipeline",
		Short: "Length-phased, difficulty-aware curricula for RL of long-context reasoning",
		Long: `pipeline turns long documents with questions into a curriculum for reinforcement
learning of long-context reasoning, as QwenLong-L1 describes it (arXiv 2505.17667).

    documents + questions ──ingest──▶ samples ──tokenize──▶ ids ──bucket──▶ phase shards`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			err := cli.Usage(fmt.Errorf("unknown verb %q", args[0]))
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				err = cli.WithHint(err, "did you mean `pipeline "+near[0]+"`?")
			}
			return err
		},
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version(),
	}
	root.PersistentFlags().BoolVarP(&g.quiet, "quiet", "q", false, "no progress, no summary")
	root.PersistentFlags().BoolVar(&g.json, "json", false, "one JSON object a line on standard output")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return cli.Usage(err) })
	root.SuggestionsMinimumDistance = 2
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddGroup(
		&cobra.Group{ID: "build", Title: "Build a dataset:"},
		&cobra.Group{ID: "look", Title: "Look at it:"},
		&cobra.Group{ID: "train", Title: "Train and measure:"},
	)
	root.AddCommand(
		newBuild(&g), newStage(&g, dataset.StageIngest), newStage(&g, dataset.StageTokenize), newStage(&g, dataset.StageBucket), newSynth(),
		newInspect(&g), newDiff(&g), newAudit(&g), newVerify(&g), newEncode(), newRewards(&g), newSample(&g), newStream(&g), newServe(&g),
		newExport(&g), newScore(&g), newEval(&g), newTrain(&g), newPDFText(),
	)
	return root
}

// version is what the build of the binary says of itself.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			v = fmt.Sprintf("%s %.12s", v, s.Value)
		}
	}
	return fmt.Sprintf("%s, dataset format %d", v, dataset.FormatVersion)
}

// noArgs refuses arguments as a mistake of the command line.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return cli.Usage(fmt.Errorf("%s takes no argument, and %q is one", cmd.Name(), args[0]))
	}
	return nil
}

// oneDataset wants the folder of a dataset.
func oneDataset(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return cli.Usage(fmt.Errorf("%s takes the folder of one dataset, not %d arguments", cmd.Name(), len(args)))
	}
	return nil
}

// readManifest reads the manifest of the dataset in a folder.
func readManifest(dir string) (*dataset.Manifest, error) {
	m, err := dataset.ReadManifest(dataset.Dir(dir))
	if err != nil {
		return nil, explain(fmt.Errorf("dataset %s: %w", dir, err))
	}
	return m, nil
}
