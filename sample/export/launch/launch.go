// Package launch writes the shell script that trains on exported phases, one after the other:
// with the settings of QwenLong-L1 (arXiv 2505.17667), each phase from the checkpoint of the one
// before, and between them the rewards into the history and the next plan out of it.
//
// Its rule: every option that it writes is one that the trainer has. `make interop-export` holds
// the scripts against the trainers' own configurations and parsers.
//
// The scripts are text templates (*.sh.tmpl), so that they can be read as what they are.
package launch

import (
	"embed"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"text/template"

	"al.essio.dev/pkg/shellescape" // quoting for POSIX shells: small, alive, MIT
)

// Algorithms.
const (
	GRPO = "grpo"
	DAPO = "dapo"
)

//go:embed *.sh.tmpl
var files embed.FS

// Settings are those of one training, for all its phases.
type Settings struct {
	Trainer   string // verl, trl or openrlhf
	Algorithm string // GRPO or DAPO
	Dataset   string // folder
	Run       string // name in the reward history
	Model     string // to start from; empty: the script asks for it

	Group        int     // rollouts of a prompt
	Batch        int     // prompts of a training step
	Generation   int     // DAPO: prompts that are generated for a training step, at first
	MiniBatch    int     // prompts of an optimizer update
	MaxResponse  int     // tokens
	Overlong     int     // DAPO: tokens before MaxResponse in which a reward falls by up to 1
	LearningRate string  // as it is written
	Temperature  float64 //
	TopP         float64 //
	ClipLow      float64 // the ratio is clipped to [1 - ClipLow, 1 + ClipHigh]
	ClipHigh     float64 //
}

// Defaults returns the settings of QwenLong-L1. Clip-higher is DAPO's (arXiv 2503.14476); the
// released script of QwenLong-L1 has 0.2 there too.
func Defaults(trainer, algorithm string) Settings {
	s := Settings{
		Trainer: trainer, Algorithm: algorithm, Group: 8, Batch: 128, Generation: 384, MiniBatch: 32, MaxResponse: 10_000, Overlong: 1_000,
		LearningRate: "2e-6", Temperature: 0.7, TopP: 0.95, ClipLow: 0.2, ClipHigh: 0.2,
	}
	if algorithm == DAPO {
		s.ClipHigh = 0.28
	}
	return s
}

// A Phase is one training stage.
type Phase struct {
	Phase     int32
	MaxPrompt int32  // tokens: the bound of the phase
	File      string // of its rows
	Rows      int64
	Later     *Later // nil: the file is there
}

// Later says how the script makes the file of a phase, when its time has come.
type Later struct {
	Plan     string   // file that is drawn first
	Draw     []string // options of `pipeline sample`. Example: {"--retrospective", "zero_mean"}
	Format   string   // of `pipeline export`
	Template string   // of `pipeline export`; empty: the build's is a built-in one
}

// Trainers returns the trainers that a script can be written for.
func Trainers() []string { return []string{"verl", "trl", "openrlhf"} }

// Algorithms returns the algorithms that a script can be written for.
func Algorithms() []string { return []string{GRPO, DAPO} }

// Write writes the script.
func Write(w io.Writer, s Settings, phases []Phase) error {
	if !slices.Contains(Trainers(), s.Trainer) || !slices.Contains(Algorithms(), s.Algorithm) {
		return fmt.Errorf("no script for %s with %s", s.Trainer, s.Algorithm)
	}
	t, err := template.New("").Funcs(template.FuncMap{
		"q":    func(v any) string { return shellescape.Quote(fmt.Sprint(v)) },
		"join": shellescape.QuoteCommand,
	}).ParseFS(files, "*.sh.tmpl")
	if err != nil {
		return err
	}
	return t.ExecuteTemplate(w, s.Trainer+".sh.tmpl", view{s, phases})
}

// view is what the templates see.
type view struct {
	Settings
	Phases []Phase
}

// DAPO reports whether the algorithm is that.
func (v view) DAPO() bool { return v.Algorithm == DAPO }

// Longest is the longest sequence of a phase, in tokens.
func (v view) Longest(p Phase) int { return int(p.MaxPrompt) + v.MaxResponse }

// Completions is the number of rollouts of some prompts.
func (v view) Completions(prompts int) int { return prompts * v.Group }

// Steps is the number of full batches of a phase.
func (v view) Steps(p Phase) int64 { return p.Rows / int64(v.Batch) }

// Left is the number of rows behind the last full batch, which trainers leave out.
func (v view) Left(p Phase) int64 { return p.Rows % int64(v.Batch) }

// Folder is the default folder of the run's files.
func (v view) Folder() string { return path.Join("runs", strings.ReplaceAll(v.Run, "/", "-")) }
