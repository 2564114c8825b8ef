package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/export"
	"github.com/longctx/pipeline/tokenize"
	"github.com/longctx/pipeline/tokenize/template"
)

// exporter is the verb export with its options.
type exporter struct {
	plans    []string
	phase    int32
	format   string
	output   string
	template string
	force    bool
	memory   cli.Size
	command  commandFlags
	distill  distillFlags
}

func newExport(g *globals) *cobra.Command {
	e := exporter{memory: export.DefaultMemory}
	cmd := &cobra.Command{
		Use:     "export DATASET --format NAME --output FILE|FOLDER [flags]",
		GroupID: "look",
		Short:   "Write a plan as files that trainers read: verl, TRL, OpenRLHF, Hugging Face",
		Long: `Writes the samples of a plan, each position one row, in the plan's order: for trainers that
read files. Several plans become one file each in a folder, phase-1, phase-2 and so on; without
a plan every phase becomes one, in the order of the shards.

Prompts are chats before the chat template: the trainer applies the model's own, and gets the
ids that the build counted. Every row carries sample_id and position, so that rewards find
their sample: ` + "`pipeline rewards import`" + `. Keep the trainer from shuffling.

` + formatHelp() + `
The same plan gives the same bytes. A file with other content is replaced only with --force.

With --print-command a shell script goes to standard output, that trains the phases one after
the other with the settings of QwenLong-L1: each from the checkpoint of the one before, with
the rewards into the history and the next plan out of it in between.`,
		Example: `  pipeline export data --plan plan.parquet --format verl --output train.parquet
  pipeline export data --plan phase-1.parquet --plan phase-2.parquet --format trl --output export/
  pipeline export data --phase 1 --format jsonl --output phase-1.jsonl
  pipeline export data --phase 1 --format sft --from runs/eval --min-reward 1 --output sft.jsonl
  pipeline export data --plan plan.parquet --format verl --output train.parquet --print-command --algorithm dapo > train.sh`,
		Args: oneDataset,
		RunE: func(cmd *cobra.Command, args []string) error { return e.run(cmd, g, args[0]) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&e.plans, "plan", nil, "plan to export; may be repeated (default: all phases, unplanned)")
	f.Int32Var(&e.phase, "phase", 0, "without a plan: only this phase, from 1")
	f.StringVar(&e.format, "format", "", strings.Join(export.Names(), ", "))
	f.StringVarP(&e.output, "output", "o", "", "file to write; a folder for several")
	f.StringVar(&e.template, "template", "", "file of the prompt template, where the build had one of its own")
	f.BoolVar(&e.force, "force", false, "replace files with other content")
	f.Var(sizeFlag{&e.memory}, "max-memory", "text held in memory, about")
	e.command.add(f)
	e.distill.add(f)
	return cmd
}

// formatHelp lists the formats.
func formatHelp() string {
	var b strings.Builder
	for _, f := range export.Formats {
		fmt.Fprintf(&b, "  %-9s %s\n", f.Name, f.About)
	}
	return b.String()
}

func (e *exporter) run(cmd *cobra.Command, g *globals, dir string) error {
	format, err := e.check(cmd)
	if err != nil {
		return err
	}
	m, err := readManifest(dir)
	if err != nil {
		return err
	}
	jobs, err := e.jobs(m, format)
	if err != nil {
		return err
	}
	prompt, err := tokenize.PromptOfDataset(dir, m, e.template)
	if err != nil && !format.Lean {
		return explainTemplate(fmt.Errorf("export: %w", err))
	}
	responses, err := e.distill.read(cmd, g)
	if err != nil {
		return explainEval(err)
	}
	for i := range jobs {
		jobs[i].responses = responses
		if err := e.one(cmd, g, dir, m, format, prompt, &jobs[i]); err != nil {
			return e.explain(fmt.Errorf("export %s: %w", dir, err), dir)
		}
	}
	if n := m.LedgerOf(dataset.StageTokenize).Notes["special_tokens"]; n > 0 && !g.quiet {
		fmt.Fprintf(cmd.ErrOrStderr(), "pipeline: %s samples of the dataset spell a special token in their text; a trainer may take it as the token, where the build took it as text\n", cli.Count(n))
	}
	if !e.command.print {
		return nil
	}
	warn := cmd.ErrOrStderr()
	if g.quiet {
		warn = io.Discard
	}
	return e.command.write(cmd.OutOrStdout(), warn, dir, m, format, e.template, jobs)
}

// check refuses what no dataset could make right.
func (e *exporter) check(cmd *cobra.Command) (export.Format, error) {
	if e.format == "" {
		return export.Format{}, cli.Usage(errors.New("export: no format; name one with --format: " + strings.Join(export.Names(), ", ")))
	}
	format, ok := export.Lookup(e.format)
	if !ok {
		return format, cli.WithHint(cli.Usage(fmt.Errorf("export: unknown format %q; there are %s", e.format, strings.Join(export.Names(), ", "))),
			fmt.Sprintf("the nearest is %q", cli.Nearest(e.format, export.Names())))
	}
	switch {
	case e.output == "":
		return format, cli.Usage(errors.New("export: nowhere to write; name a file or a folder with --output"))
	case e.output == "-":
		return format, cli.Usage(errors.New("export: a file is written aside and renamed, which standard output cannot be; name a file or a folder with --output"))
	case len(e.plans) > 0 && e.phase != 0:
		return format, cli.Usage(errors.New("export: --phase is for an export without a plan: a plan has its phase"))
	case e.phase < 0:
		return format, cli.Usage(errors.New("export: --phase is not negative"))
	case e.memory < 1:
		return format, cli.Usage(errors.New("export: --max-memory is at least one byte"))
	}
	if err := e.distill.check(cmd, format); err != nil {
		return format, err
	}
	return format, e.command.check(format)
}

// A job is one file to write.
type job struct {
	plan     *curriculum.Plan // nil: none
	planFile string
	phase    int32
	file     string

	responses map[string][]export.Response
	report    export.Report
}

// jobs says which files come of the flags.
func (e *exporter) jobs(m *dataset.Manifest, format export.Format) ([]job, error) {
	var jobs []job
	for _, name := range e.plans {
		p, err := openPlan(name)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, job{plan: p, planFile: name, phase: p.Config().Phase})
	}
	if len(jobs) == 0 {
		for _, p := range m.Phases {
			if e.phase == 0 || e.phase == p.Phase {
				jobs = append(jobs, job{phase: p.Phase})
			}
		}
	}
	if len(jobs) == 0 {
		return nil, cli.Usage(fmt.Errorf("export: the dataset has no phase %d, its last is %d", e.phase, len(m.Phases)))
	}
	folder := e.isFolder(len(jobs))
	seen := map[string]string{}
	for i := range jobs {
		j := &jobs[i]
		if j.file = e.output; folder {
			j.file = phaseFile(e.output, j.phase, format)
		}
		if other, ok := seen[j.file]; ok {
			return nil, cli.Usage(fmt.Errorf("export: the plans %s and %s are both of phase %d; export them one by one, into files", other, j.planFile, j.phase))
		}
		seen[j.file] = j.planFile
		if err := notOver(e.plans, j.file); err != nil {
			return nil, fmt.Errorf("export: %w", err)
		}
	}
	return jobs, nil
}

func phaseFile(folder string, phase int32, format export.Format) string {
	return filepath.Join(folder, fmt.Sprintf("phase-%d%s", phase, format.Extension))
}

// isFolder reports whether the output is a folder.
func (e *exporter) isFolder(files int) bool {
	if files > 1 || strings.HasSuffix(e.output, string(filepath.Separator)) {
		return true
	}
	info, err := os.Stat(e.output)
	return err == nil && info.IsDir()
}

func (e *exporter) one(cmd *cobra.Command, g *globals, dir string, m *dataset.Manifest, format export.Format, prompt *template.PromptTemplate, j *job) (err error) {
	j.report, err = export.Run(cmd.Context(), export.Options{
		Dataset: dataset.Dir(dir), Manifest: m, Plan: j.plan, Phase: j.phase, Prompt: prompt, Responses: j.responses,
		Format: format, Output: dataset.Dir(filepath.Dir(j.file)), Name: filepath.Base(j.file), Force: e.force, Memory: int64(e.memory),
	})
	if err != nil {
		return err
	}
	r := &j.report
	if g.json {
		// With a script on standard output, the report goes beside it.
		out := cmd.OutOrStdout()
		if e.command.print {
			out = cmd.ErrOrStderr()
		}
		return json.NewEncoder(out).Encode(map[string]any{
			"message_type": "export", "format": format.Name, "file": j.file, "bytes": r.File.Bytes, "sha256": r.File.SHA256, "unchanged": r.Same,
			"phase": r.Phase, "plan_id": r.PlanID, "rows": r.Rows, "tokens": r.Tokens, "max_prompt": r.MaxPrompt, "ambiguous": r.Ambiguous,
		})
	}
	if g.quiet {
		return nil
	}
	state := ""
	if r.Same {
		state = "; it was there already, the same"
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "pipeline: %s: %s rows of phase %d, %s tokens, the longest prompt %s (%s)%s\n",
		j.file, cli.Count(r.Rows), r.Phase, cli.Count(r.Tokens), cli.Count(int64(r.MaxPrompt)), cli.Bytes(r.File.Bytes), state)
	if r.Ambiguous > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "pipeline: %s: %s rows hold the text %q, which %s takes for an image\n", j.file, cli.Count(r.Ambiguous), format.Mark, format.Name)
	}
	return nil
}

// explain adds the hint that belongs to an error.
func (e *exporter) explain(err error, dir string) error {
	switch {
	case errors.Is(err, export.ErrExists):
		return cli.WithHint(err, "write somewhere else, or replace it with --force")
	case errors.Is(err, export.ErrNoText):
		return cli.WithHint(err, "build it without --no-text; or take the ids as they are: --format hf, or `pipeline stream "+dir+"`")
	case errors.Is(err, export.ErrOtherDataset):
		return cli.WithHint(cli.Usage(err), "draw a plan of this one: `pipeline sample "+dir+" --phase 1 --output plan.parquet`")
	case errors.Is(err, export.ErrGrowing):
		return cli.WithHint(cli.Usage(err), "a file cannot grow with it: stream it (`pipeline stream`, `pipeline serve`), or draw it as a whole")
	}
	return explain(err)
}

func explainTemplate(err error) error {
	if errors.Is(err, tokenize.ErrTemplate) {
		return cli.WithHint(cli.Usage(err), "name the file that the build used with --template")
	}
	return explain(err)
}
