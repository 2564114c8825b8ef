package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/ingest/synth"
)

func newSynth() *cobra.Command {
	var o synth.Options
	var tokens, difficulty, facts, output, tokenizer string
	cmd := &cobra.Command{
		Use:     "synth --samples N --output FILE [flags]",
		GroupID: "build",
		Short:   "Make long documents with questions that can be checked",
		Long: `Writes JSON lines with id, context, question, answer, data_source and meta. A seed
decides every byte.

  lookup  facts about places among filler; one is asked for
  chain   who handed something on to whom, with distractors
  table   tables of yearly figures; a sum over some of their rows

Of these the difficulty grows with the length. Of the following --difficulty chooses it, from
1 to 10, at any length:

  needles    that many values of one thing, to be named in their order
  keys       that many steps along a chain of UUIDs, which leads to the question
  variables  that many steps from one variable to another; order matters
  report     arithmetic over tables of annual reports: 1 a figure, 2 a change, then sums over segments

The recall tasks have a closed vocabulary of 100 words, for models that are trained from
nothing: facts "key value" among filler, and a question "? key". --tokens is then exact,
--samples counts documents, and --tokenizer-output writes the tokenizer of those words.

  recall        the value stands behind the key
  recall_chain  the value of a key is another key: the question has a "?" for each fact to follow
  recall_rare   the fact is written backwards: "value < key"
  recall_wrong  mislabelled: the reference answer is not in the document`,
		Example: `  pipeline synth --samples 400 --tokens 500..60000 --task lookup,chain,table --seed 7 --output docs.jsonl
  pipeline synth --task needles,keys,variables,report --difficulty 2..6 --tokens 4000..120000 --output hard.jsonl
  pipeline synth --samples 10 --tokens 800 --sft --output - | head -1
  pipeline synth --samples 1000 --task recall --tokens 40..64 --facts 8 --value-tokens 2 --output docs.jsonl --tokenizer-output tokenizer`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.MinTokens, o.MaxTokens, err = parseRange(tokens); err != nil {
				return cli.Usage(fmt.Errorf("synth: --tokens: %w", err))
			}
			if o.MinDifficulty, o.MaxDifficulty, err = parseRange(difficulty); err != nil {
				return cli.Usage(fmt.Errorf("synth: --difficulty: %w", err))
			}
			if o.Recall.MinFacts, o.Recall.MaxFacts, err = parseRange(facts); err != nil {
				return cli.Usage(fmt.Errorf("synth: --facts: %w", err))
			}
			if tokenizer != "" {
				if err := writeTokenizer(tokenizer); err != nil {
					return fmt.Errorf("synth: --tokenizer-output: %w", err)
				}
			}
			if output == "-" {
				err = synth.Generate(cmd.OutOrStdout(), o)
			} else {
				err = writeFile(output, func(w io.Writer) error { return synth.Generate(w, o) })
			}
			if errors.Is(err, synth.ErrOptions) {
				return cli.Usage(fmt.Errorf("synth: %w", err))
			}
			if err != nil {
				return fmt.Errorf("synth: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&o.Samples, "samples", 100, "number of samples")
	cmd.Flags().StringVar(&tokens, "tokens", "500..60000", "length of the documents, about, in tokens: N or LOW..HIGH")
	cmd.Flags().StringSliceVar(&o.Tasks, "task", synth.Tasks(), "tasks, taken in turn")
	cmd.Flags().StringVar(&difficulty, "difficulty", "2..4", "of needles, keys, variables and report: N or LOW..HIGH")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 0, "seed")
	cmd.Flags().BoolVar(&o.SFT, "sft", false, "add a response to each sample, for supervised fine-tuning")
	cmd.Flags().StringVar(&facts, "facts", "4", "recall tasks: facts of a document, N or LOW..HIGH")
	cmd.Flags().IntVar(&o.Recall.ValueTokens, "value-tokens", 1, "recall tasks: words of a value")
	cmd.Flags().IntVar(&o.Recall.Questions, "questions", 1, "recall: samples of one document; each goes on with the questions and answers before it")
	cmd.Flags().StringVar(&tokenizer, "tokenizer-output", "", "recall tasks: folder to write their tokenizer.json to")
	cmd.Flags().StringVarP(&output, "output", "o", "-", "file to write, - for standard output")
	return cmd
}

// writeTokenizer writes the files of the recall tasks' tokenizer into a folder.
func writeTokenizer(dir string) error {
	for name, data := range synth.Tokenizer() {
		if err := writeFile(filepath.Join(dir, name), func(w io.Writer) error { _, err := w.Write(data); return err }); err != nil {
			return err
		}
	}
	return nil
}

// parseRange reads "800" or "500..60000".
func parseRange(text string) (low, high int, err error) {
	a, b, ranged := strings.Cut(text, "..")
	if !ranged {
		b = a
	}
	low, err = strconv.Atoi(strings.ReplaceAll(a, "_", ""))
	if err == nil {
		high, err = strconv.Atoi(strings.ReplaceAll(b, "_", ""))
	}
	if err != nil {
		return 0, 0, fmt.Errorf("%q is neither a number nor LOW..HIGH", text)
	}
	return low, high, nil
}

// writeFile writes a file aside and renames it, so that it is whole or not there. What is no
// regular file, such as a pipe, is written to as it is.
func writeFile(name string, write func(io.Writer) error) error {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	f, err := os.Create(name + ".tmp")
	if err != nil {
		return err
	}
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
