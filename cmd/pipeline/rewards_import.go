package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
	"github.com/longctx/pipeline/sample/history/intake"
	"github.com/longctx/pipeline/tokenize"
	"github.com/longctx/pipeline/tokenize/bpe"
)

// importFlags are the options of rewards import.
type importFlags struct {
	from        string
	rangeText   string
	temperature string
	maxBad      string
	resumedAt   int64
	options     intake.Options
}

func newRewardsImport(g *globals) *cobra.Command {
	var f importFlags
	o := &f.options
	cmd := &cobra.Command{
		Use:   "import DATASET --from FILE|FOLDER [flags]",
		Short: "Record rewards that another program has written",
		Long: `Reads rewards, finds their samples, and records them in the dataset's history: all of
them, or on an error none. Importing the same rewards again changes nothing.

  jsonl  a group on a line: {"sample_id" or "id" (the input's own), "rewards": [0, 1, null], ...}
         and if known rule_rewards, judge_rewards, response_lengths, stop_reasons, responses,
         step, position, phase, train_stage, run, policy, judge, max_prompt, max_response,
         temperature, time
  verl   the dumps of trainer.rollout_data_dir: a rollout on a line of {step}.jsonl. Samples are
         found by sample_id if the dump has it, else by the prompt

Records that cannot be used go to history/quarantine, with their place and reason.`,
		Example: `  pipeline rewards import data --from rewards.jsonl --run baseline --policy qwen3-4b
  pipeline rewards import data --from rollouts/ --format verl --run seed7 --train-stage phase-1 --phase 1
  pipeline rewards import data --from scores.jsonl --range -1..1
  pipeline rewards import data --from rollouts/ --run seed7 --resumed-at 120`,
		Args: oneDataset,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.parse(cmd); err != nil {
				return cli.Usage(fmt.Errorf("rewards import: %w", err))
			}
			return f.run(cmd, g, args[0])
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "", "file, or folder of .jsonl files, to read")
	flags.StringVar(&o.Format, "format", intake.FormatAuto, "auto, jsonl or verl")
	flags.StringVar(&o.Run, "run", "", "run of records that do not say one; {policy} in it stands for theirs (default: the name of the file or folder)")
	flags.StringVar(&o.TrainStage, "train-stage", "", "training stage of records that do not say one")
	flags.Int32Var(&o.Phase, "phase", 0, "phase of records that do not say one; 0: measured before training")
	flags.Int64Var(&o.Step, "step", 0, "step of records that do not say one")
	flags.StringVar(&o.Policy, "policy", "", "policy of records that do not say one")
	flags.StringVar(&o.Judge, "judge", "", "judge of records that do not say one")
	flags.Int32Var(&o.Limits.MaxPrompt, "max-prompt", 0, "longest prompt that the policy saw, in tokens; 0: not said")
	flags.Int32Var(&o.Limits.MaxResponse, "max-response", 0, "longest response that it could write, in tokens; 0: not said")
	flags.StringVar(&f.temperature, "temperature", "", "sampling temperature; empty: not said")
	flags.StringVar(&f.rangeText, "range", "0..1", "LOW..HIGH of the rewards in the files; they are mapped to 0..1 in proportion")
	flags.StringVar(&o.RewardField, "reward-field", "score", "verl: field of the unshaped reward, such as acc")
	flags.BoolVar(&o.KeepResponses, "keep-responses", false, "record the text of the responses too")
	flags.Int64Var(&f.resumedAt, "resumed-at", -1, "the run was resumed at this step: take back first what it recorded there and later")
	flags.StringVar(&f.maxBad, "max-bad", "1%", "share of bad records above which the import ends with status 3")
	return cmd
}

// parse reads the flags that are text.
func (f *importFlags) parse(cmd *cobra.Command) error {
	if f.from == "" {
		return errors.New("nothing to read; name a file or a folder with --from")
	}
	low, high, ok := strings.Cut(f.rangeText, "..")
	r := &f.options.Range
	var err, err2 error
	r.Low, err = strconv.ParseFloat(low, 64)
	r.High, err2 = strconv.ParseFloat(high, 64)
	if !ok || err != nil || err2 != nil || !(r.Low < r.High) {
		return fmt.Errorf("--range: %q is not LOW..HIGH, such as -1..1", f.rangeText)
	}
	if f.temperature != "" {
		t, err := strconv.ParseFloat(f.temperature, 32)
		if err != nil || !(t >= 0) {
			return fmt.Errorf("--temperature: %q is not a temperature", f.temperature)
		}
		f.options.Limits.Temperature = history.Known(float32(t))
	}
	o := &f.options
	if o.Phase < 0 || o.Step < 0 || o.Limits.MaxPrompt < 0 || o.Limits.MaxResponse < 0 || cmd.Flags().Changed("resumed-at") && f.resumedAt < 0 {
		return errors.New("--phase, --step, --max-prompt, --max-response and --resumed-at are not negative")
	}
	if !slices.Contains([]string{intake.FormatAuto, intake.FormatJSONL, intake.FormatVerl}, o.Format) {
		return fmt.Errorf("--format: unknown format %q: auto, jsonl or verl", o.Format)
	}
	return new(cli.Share).UnmarshalText([]byte(f.maxBad))
}

func (f *importFlags) run(cmd *cobra.Command, g *globals, dir string) error {
	m, err := readManifest(dir)
	if err != nil {
		return err
	}
	o := f.options
	if o.From, o.Files, err = rewardFiles(f.from); err != nil {
		return fmt.Errorf("rewards import: %w", err)
	}
	if o.Run == "" {
		o.Run = runOf(f.from)
	}
	if f.resumedAt >= 0 {
		o.Resumed = &history.Cursor{Run: o.Run, TrainStage: o.TrainStage, Step: f.resumedAt}
	}
	o.Dataset = dataset.Dir(dir)
	if o.Samples, o.CountTokens, err = samplesOf(cmd, dir, m); err != nil {
		return explain(fmt.Errorf("rewards import: %w", err))
	}
	s, err := history.Open(o.Dataset, cli.FileLocker(dir))
	if err != nil {
		return explainHistory(err)
	}
	defer s.Close()
	report, err := intake.Run(cmd.Context(), s, o)
	if err != nil {
		return explainHistory(fmt.Errorf("rewards %w", err))
	}
	if err := f.print(cmd, g, dir, report); err != nil {
		return err
	}
	var allowed cli.Share
	if err := allowed.UnmarshalText([]byte(f.maxBad)); err != nil {
		return err
	}
	if report.BadShare() > float64(allowed) {
		return cli.WithHint(fmt.Errorf("%w: %s of %s reward records are bad, over --max-bad", cli.ErrFindings, cli.Count(report.BadRecords()), cli.Count(report.Records)),
			"see "+filepath.Join(dir, filepath.FromSlash(report.Quarantine))+"; the other rewards are recorded")
	}
	return nil
}

// samplesOf prepares finding samples: by their ids, and where the dataset has tokens by what a
// trainer's dump says of their prompts.
func samplesOf(cmd *cobra.Command, dir string, m *dataset.Manifest) (*intake.Samples, func(string) int, error) {
	var decode func([]int32) (string, error)
	var count func(string) int
	if m.Tokenizer != nil {
		var tok *bpe.Tokenizer
		load := func() (err error) {
			if tok == nil {
				tok, err = tokenize.OfDataset(dir, m)
			}
			return err
		}
		decode = func(ids []int32) (string, error) {
			if err := load(); err != nil {
				return "", err
			}
			return tok.Decode(ids, bpe.DecodeOptions{SkipSpecial: true})
		}
		count = func(text string) int {
			if load() != nil {
				return history.UnknownLength
			}
			return tok.Count(text, bpe.Options{})
		}
	}
	samples, err := intake.LoadSamples(cmd.Context(), dataset.Dir(dir), m, decode)
	return samples, count, err
}

// rewardFiles returns a file, or the .jsonl files of a folder: those named by a number, which
// trainers name by their step, in its order.
func rewardFiles(from string) (fs.FS, []string, error) {
	info, err := os.Stat(from)
	if err != nil {
		return nil, nil, fmt.Errorf("--from %s: %w", from, errors.Unwrap(err))
	}
	if !info.IsDir() {
		return os.DirFS(filepath.Dir(from)), []string{filepath.Base(from)}, nil
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return nil, nil, err
	}
	var files []string
	for _, e := range entries {
		if !e.IsDir() && strings.HasSuffix(e.Name(), ".jsonl") {
			files = append(files, e.Name())
		}
	}
	if len(files) == 0 {
		return nil, nil, fmt.Errorf("--from %s: no .jsonl files in this folder", from)
	}
	number := func(name string) int64 {
		n, err := strconv.ParseInt(strings.TrimSuffix(name, ".jsonl"), 10, 64)
		if err != nil {
			return -1
		}
		return n
	}
	slices.SortFunc(files, func(a, b string) int { return cmp.Or(cmp.Compare(number(a), number(b)), cmp.Compare(a, b)) })
	return os.DirFS(from), files, nil
}

// runOf names a run by the file or folder that its rewards came from.
func runOf(from string) string {
	abs, err := filepath.Abs(from)
	if err != nil {
		abs = from
	}
	base := filepath.Base(abs)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

func (f *importFlags) print(cmd *cobra.Command, g *globals, dir string, r intake.Report) error {
	if g.json {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{
			"message_type": "rewards_import", "snapshot": r.Snapshot, "files": len(r.Files), "records": r.Records, "bad": r.Bad,
			"added": r.Added, "same": r.Same, "superseded": r.Superseded, "rollouts": r.Rollouts, "unknown": r.Unknown, "quarantine": r.Quarantine,
		})
	}
	if g.quiet {
		return nil
	}
	w := cmd.ErrOrStderr()
	printBad(w, dir, r)
	if r.Superseded > 0 {
		fmt.Fprintf(w, "pipeline: took back %s outcomes from step %d on\n", cli.Count(r.Superseded), f.resumedAt)
	}
	if r.Added == 0 && r.Superseded == 0 && r.Same > 0 {
		_, err := fmt.Fprintf(w, "pipeline: all %s outcomes are in the history already: nothing changed\n", cli.Count(r.Same))
		return err
	}
	text := fmt.Sprintf("recorded %s outcomes", cli.Count(r.Added))
	if r.Same > 0 {
		text += fmt.Sprintf(" (%s were there already)", cli.Count(r.Same))
	}
	_, err := fmt.Fprintf(w, "pipeline: %s: %s rollouts, %s with unknown reward; snapshot %s\n", text, cli.Count(r.Rollouts), cli.Count(r.Unknown), r.Snapshot[:12])
	return err
}

// printBad says what went to quarantine.
func printBad(w io.Writer, dir string, r intake.Report) {
	if r.BadRecords() == 0 {
		return
	}
	fmt.Fprintf(w, "pipeline: %s of %s records are bad", cli.Count(r.BadRecords()), cli.Count(r.Records))
	for _, reason := range slices.Sorted(maps.Keys(r.Bad)) {
		fmt.Fprintf(w, ", %s %s", cli.Count(r.Bad[reason]), reason)
	}
	fmt.Fprintf(w, ": %s\n", filepath.Join(dir, filepath.FromSlash(r.Quarantine)))
	fmt.Fprintf(w, "pipeline: the first: %s, line %d: %s\n", r.FirstBad.Source, r.FirstBad.Line, r.FirstBad.Detail)
}
