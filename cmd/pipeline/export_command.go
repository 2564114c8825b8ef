package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/export"
	"github.com/longctx/pipeline/sample/export/launch"
)

// commandFlags are the options of export --print-command.
type commandFlags struct {
	print     bool
	algorithm string
	model     string
	run       string
}

func (c *commandFlags) add(f *pflag.FlagSet) {
	f.BoolVar(&c.print, "print-command", false, "print a shell script that trains on the files")
	f.StringVar(&c.algorithm, "algorithm", launch.GRPO, "of the script: "+strings.Join(launch.Algorithms(), " or "))
	f.StringVar(&c.model, "model", "", "of the script: model to start from (default: its variable MODEL)")
	f.StringVar(&c.run, "run", "", "of the script: name of the run in the reward history (default: the algorithm)")
}

func (c *commandFlags) check(format export.Format) error {
	if !slices.Contains(launch.Algorithms(), c.algorithm) {
		return cli.Usage(fmt.Errorf("export: unknown algorithm %q: %s", c.algorithm, strings.Join(launch.Algorithms(), " or ")))
	}
	if c.print && !slices.Contains(launch.Trainers(), format.Name) {
		return cli.Usage(fmt.Errorf("export: --print-command: format %s belongs to no trainer; %s do", format.Name, strings.Join(launch.Trainers(), ", ")))
	}
	for _, text := range []string{c.model, c.run} {
		if strings.ContainsAny(text, "\n\r\x00") {
			return cli.Usage(errors.New("export: --model and --run are one line"))
		}
	}
	return nil
}

// write prints the script, and warns of phases without a full step. After the phases that were exported from plans come the later ones,
// whose plans it draws itself when their time has come.
func (c *commandFlags) write(w, warn io.Writer, dir string, m *dataset.Manifest, format export.Format, template string, jobs []job) error {
	s := launch.Defaults(format.Name, c.algorithm)
	s.Dataset, s.Model, s.Run = dir, c.model, c.run
	if s.Run == "" {
		s.Run = c.algorithm
	}
	var phases []launch.Phase
	for _, j := range jobs {
		if j.report.Rows < int64(s.Batch) {
			fmt.Fprintf(warn, "pipeline: %s has %s rows, and a step of the script takes %d prompts: the trainer would do nothing with it; plan more epochs\n",
				j.file, cli.Count(j.report.Rows), s.Batch)
		}
		phases = append(phases, launch.Phase{Phase: j.phase, MaxPrompt: bound(m, j.phase), File: j.file, Rows: j.report.Rows})
	}
	if last := jobs[len(jobs)-1]; last.plan != nil {
		for _, p := range m.Phases {
			if p.Phase > last.phase {
				phases = append(phases, laterPhase(p, last, format, template, s.Run))
			}
		}
	}
	var script bytes.Buffer
	if err := launch.Write(&script, s, phases); err != nil {
		return err
	}
	_, err := w.Write(script.Bytes())
	return err
}

// bound is the longest prompt that a phase may have. Retrospective samples are shorter.
func bound(m *dataset.Manifest, phase int32) int32 {
	for _, p := range m.Phases {
		if p.Phase == phase {
			return p.Max
		}
	}
	return 0
}

// laterPhase is a phase whose plan the script draws: as the last plan was drawn, with the hard
// samples of the phases before. The script's own run counts, and no other where that plan put none
// together: a history with others would stop the script when a phase has been trained already.
func laterPhase(p dataset.Phase, last job, format export.Format, template, run string) launch.Phase {
	c := last.plan.Config()
	c.Phase = p.Phase
	switch {
	case c.Mix == curriculum.MixNone && c.Source == curriculum.SourceLastPhase:
		c.Runs = []string{run}
	case c.Mix != curriculum.MixNone && len(c.Runs) > 0 && !slices.Contains(c.Runs, run):
		c.Runs = append(slices.Clone(c.Runs), run)
	}
	if c.Retrospective == "" {
		c.Retrospective = curriculum.NameZeroMean
	}
	return launch.Phase{
		Phase: p.Phase, MaxPrompt: p.Max, File: phaseFile(filepath.Dir(last.file), p.Phase, format),
		Later: &launch.Later{
			Plan:   filepath.Join(filepath.Dir(last.planFile), fmt.Sprintf("plan-%d.parquet", p.Phase)),
			Format: format.Name, Template: template, Draw: drawFlags(c),
		},
	}
}
