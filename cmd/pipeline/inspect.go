package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/tokenize"
	"github.com/longctx/pipeline/tokenize/bpe"
)

func newInspect(g *globals) *cobra.Command {
	var sample string
	cmd := &cobra.Command{
		Use:     "inspect DATASET",
		GroupID: "look",
		Short:   "What is in a dataset: phases, lengths, sources, drops",
		Long: `Shows phases with their samples, tokens and lengths, the sources, and what was dropped
and why. With --sample it shows one sample and the prompt that the policy will see.`,
		Example: `  pipeline inspect data
  pipeline inspect data --sample lookup-000000`,
		Args: oneDataset,
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := readManifest(args[0])
			if err != nil {
				return err
			}
			if sample != "" {
				return inspectSample(cmd, args[0], m, sample, g.json)
			}
			sum, err := dataset.Summarize(cmd.Context(), dataset.Dir(args[0]), m)
			if err != nil {
				return explain(fmt.Errorf("inspect %s: %w", args[0], err))
			}
			if g.json {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{
					"message_type": "inspect", "id": m.ID, "stage": m.Stage, "tokenizer": m.Tokenizer, "template": m.Template,
					"phases": sum.Phases, "sources": sum.Sources, "ledger": m.Ledger,
				})
			}
			printDataset(cmd.OutOrStdout(), args[0], m, sum)
			return nil
		},
	}
	cmd.Flags().StringVar(&sample, "sample", "", "show one sample, by its sample_id or the input's own id")
	return cmd
}

func printDataset(w io.Writer, dir string, m *dataset.Manifest, sum dataset.Summary) {
	fmt.Fprintf(w, "%s  %s  through %s\n", dir, m.ID[:12], m.Stage)
	if m.Tokenizer != nil {
		fmt.Fprintf(w, "tokenizer %s (%s ids), template %s, chat template %s\n", m.Tokenizer.Name, cli.Count(int64(m.Tokenizer.VocabSize)), m.Template.Prompt, m.Template.Chat)
	}
	fmt.Fprintln(w)
	if m.Stage != dataset.StageIngest {
		printPhases(w, sum)
	}
	rows := [][]string{{"source", "task", "samples", "prompt tokens"}}
	for _, s := range sum.Sources {
		task := s.DataSource
		if task == "" {
			task = "-"
		}
		rows = append(rows, []string{s.Source, task, cli.Count(s.Samples), cli.Count(s.Tokens)})
	}
	cli.Table(w, rows)
	fmt.Fprintln(w)
	for _, l := range m.Ledger {
		fmt.Fprintf(w, "%-9s%s in = %s kept", l.Stage, cli.Count(l.In), cli.Count(l.Kept))
		for _, reason := range l.Reasons() {
			fmt.Fprintf(w, " + %s %s", cli.Count(l.Drops[reason]), reason)
		}
		for _, name := range slices.Sorted(maps.Keys(l.Notes)) {
			fmt.Fprintf(w, "; %s kept with %s", cli.Count(l.Notes[name]), name)
		}
		fmt.Fprintln(w)
	}
}

func printPhases(w io.Writer, sum dataset.Summary) {
	rows := [][]string{{"phase", "range", "samples", "prompt tokens", "min", "median", "p90", "max"}}
	for _, p := range sum.Phases {
		l := p.Lengths
		span := fmt.Sprintf("(%s, %s]", cli.Count(int64(p.Min)), cli.Count(int64(p.Max)))
		if p.Kind == dataset.KindMixed {
			span = "no phases yet"
		}
		rows = append(rows, []string{
			phaseName(p), span,
			cli.Count(p.Samples), cli.Count(p.Tokens), cli.Count(int64(l.Min)), cli.Count(int64(l.Median)), cli.Count(int64(l.P90)), cli.Count(int64(l.Max)),
		})
	}
	cli.Table(w, rows)
	fmt.Fprintln(w)
	for _, p := range sum.Phases {
		printHistogram(w, p)
	}
}

func phaseName(p dataset.PhaseSummary) string {
	if p.Kind == dataset.KindMixed {
		return "all"
	}
	return fmt.Sprintf("phase %d %s", p.Phase, p.Kind)
}

const histogramCells = 40

func printHistogram(w io.Writer, p dataset.PhaseSummary) {
	if p.Samples == 0 {
		return
	}
	var largest int64
	for _, n := range p.Lengths.Histogram {
		largest = max(largest, n)
	}
	high := p.Max
	if high == 0 {
		high = p.Lengths.Max
	}
	fmt.Fprintf(w, "prompt lengths of %s\n", phaseName(p))
	bins := int64(len(p.Lengths.Histogram))
	for i, n := range p.Lengths.Histogram {
		to := int64(p.Min) + int64(high-p.Min)*int64(i+1)/bins
		fmt.Fprintf(w, "%10s │%-*s %s\n", "≤ "+cli.Count(to), histogramCells, cli.Bar(n, largest, histogramCells), cli.Count(n))
	}
	fmt.Fprintln(w)
}

// inspectSample shows one sample as the trainer will get it: the prompt is decoded from its ids.
func inspectSample(cmd *cobra.Command, dir string, m *dataset.Manifest, id string, asJSON bool) error {
	if m.Stage != dataset.StageBucket {
		return cli.Usage(fmt.Errorf("inspect --sample: the dataset is through %s only; samples are shown of finished ones", m.Stage))
	}
	row, ok, err := dataset.FindSample(cmd.Context(), dataset.Dir(dir), m, id)
	if err != nil {
		return explain(err)
	}
	if !ok {
		return fmt.Errorf("inspect %s: no sample has the id %q", dir, id)
	}
	tok, err := tokenize.OfDataset(dir, m)
	if err != nil {
		return err
	}
	prompt, err := tok.Decode(row.PromptTokens, bpe.DecodeOptions{})
	if err != nil {
		return fmt.Errorf("inspect %s: sample %s: %w", dir, row.SampleID, err)
	}
	if asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{
			"message_type": "sample", "sample_id": row.SampleID, "source_id": row.SourceID, "source": row.Source, "data_source": row.DataSource,
			"phase": row.Phase, "prompt_length": row.PromptLength, "question": row.Question, "answers": row.Answers,
			"response": row.Response, "meta": row.Meta, "prompt": prompt,
		})
	}
	w := cmd.OutOrStdout()
	for _, f := range [][2]string{
		{"sample_id", row.SampleID},
		{"source_id", row.SourceID},
		{"source", row.Source},
		{"data_source", row.DataSource},
		{"phase", fmt.Sprint(row.Phase)},
		{"prompt_length", cli.Count(int64(row.PromptLength))},
		{"question", row.Question},
		{"answers", fmt.Sprintf("%q", row.Answers)},
		{"response", row.Response},
		{"meta", row.Meta},
	} {
		if f[1] != "" {
			fmt.Fprintf(w, "%-14s %s\n", f[0], f[1])
		}
	}
	_, err = fmt.Fprintf(w, "\n%s\n", prompt)
	return err
}
