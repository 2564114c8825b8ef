// Command study repeats the ablations of QwenLong-L1 in miniature: phased against single-stage
// training, retrospective sampling on and off with each of its strategies, and warm-ups of
// different lengths, each with several seeds.
//
// Its rule: one run for each (arm, seed), made by the program itself from a config of its own, so
// that every number can be repeated by hand; a study that was stopped goes on where it stopped,
// because its runs do. Arms of one seed share the dataset, the held-out samples and the seed of
// all draws, so that they are compared in pairs.
//
//	OUTPUT/
//	  data/             the dataset: lookups, chains, rare formats, mislabelled samples
//	  ARM-SEED.toml     the config of a run
//	  runs/ARM-SEED/    the run
//	  results.json      every number; table.md, study.html: for people
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
)

// A study is what the flags say.
type study struct {
	pipeline, output string
	seeds            int
	arms             string
}

func main() {
	var s study
	flag.StringVar(&s.pipeline, "pipeline", "bin/pipeline", "the program")
	flag.StringVar(&s.output, "output", "study", "folder of the study")
	flag.IntVar(&s.seeds, "seeds", 5, "seeds of each arm")
	flag.StringVar(&s.arms, "arms", "", "only these arms, with commas; empty: all")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := s.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "study:", err)
		os.Exit(1)
	}
}

// run makes what is missing and writes the results of what is there, after each seed.
func (s *study) run(ctx context.Context) error {
	if err := s.data(ctx); err != nil {
		return err
	}
	var chosen []arm
	for _, a := range arms() {
		if s.arms == "" || strings.Contains(","+s.arms+",", ","+a.Name+",") {
			chosen = append(chosen, a)
		}
	}
	if len(chosen) == 0 {
		return fmt.Errorf("no arm is one of %q", s.arms)
	}
	for seed := 1; seed <= s.seeds; seed++ {
		for _, a := range chosen {
			if err := s.train(ctx, a, seed); err != nil {
				return fmt.Errorf("arm %s, seed %d: %w", a.Name, seed, err)
			}
		}
		if err := s.results(chosen, seed); err != nil {
			return err
		}
	}
	return nil
}

func (s *study) at(name string) string { return filepath.Join(s.output, name) }

// data makes the dataset once.
func (s *study) data(ctx context.Context) error {
	if _, err := os.Stat(s.at("data/manifest.json")); err == nil {
		return nil
	}
	for _, set := range sets {
		args := append([]string{"synth", "--output", s.at(set.name + ".jsonl"), "--tokenizer-output", s.at("tokenizer")}, strings.Fields(set.flags)...)
		if err := s.call(ctx, args...); err != nil {
			return err
		}
	}
	args := []string{"-q", "build", "--tokenizer", s.at("tokenizer"), "--template", "none", "--phases", "64,192", "--output", s.at("data")}
	for _, set := range sets {
		args = append(args, "--input", s.at(set.name+".jsonl"))
	}
	return s.call(ctx, args...)
}

// train runs one arm with one seed, or what is left of it.
func (s *study) train(ctx context.Context, a arm, seed int) error {
	run := runName(a, seed)
	config := s.at(run + ".toml")
	if err := os.WriteFile(config, []byte(a.config(s, seed)), 0o666); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "study: %s\n", run)
	err := s.call(ctx, "-q", "train", "--config", config)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 && a.MayFail {
		return nil // a run that starves is a result too
	}
	return err
}

func runName(a arm, seed int) string { return fmt.Sprintf("%s-%d", a.Name, seed) }

func (s *study) call(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, s.pipeline, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it keeps what it has
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", s.pipeline, strings.Join(args, " "), err)
	}
	return nil
}
