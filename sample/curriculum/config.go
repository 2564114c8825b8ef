package curriculum

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/longctx/pipeline/sample/history"
)

// Sources of difficulty: which visits an estimate is made of.
const (
	SourceLastPhase = "last_phase" // of the last phase before this one that saw the sample
	SourceStart     = "start"      // of the start policy: measured before training (QwenLong-L1 eq. 10)
	SourceRunning   = "running"    // all, followed by estimate.Drift
)

// Words for history.Mix.
const (
	MixNone    = "none"
	MixSamples = "samples"
	MixAll     = "all"
)

// A Config is everything that decides a plan besides the dataset and its history.
type Config struct {
	Phase         int32    `json:"phase"`         // from 1
	Strategy      string   `json:"strategy"`      // of the phase's own range: NAME or NAME=VALUE. Example: "learnability=0.05"
	Draw          int64    `json:"draw"`          // samples of the own range in an epoch; 0: all that qualify
	Retrospective string   `json:"retrospective"` // strategy of earlier phases; empty: none of them
	Count         int64    `json:"count"`         // retrospective samples in an epoch; 0: by ratio
	Ratio         float64  `json:"ratio"`         // retrospective samples for each of the own range; 0: all that qualify
	Gates         []string `json:"gates"`         // NAME or NAME=VALUE, in the order they are asked
	Source        string   `json:"source"`
	Mix           string   `json:"mix"`  // which measurements may be put together
	Runs          []string `json:"runs"` // whose outcomes count; empty: all
	GroupSize     int      `json:"group_size"`
	Epochs        int32    `json:"epochs"`
	Batch         int      `json:"batch"`            // prompts of an optimizer step
	Generation    int      `json:"generation_batch"` // prompts that dynamic sampling generates at a time; 0: three batches
	BalanceTasks  bool     `json:"balance_tasks"`
	Seed          uint64   `json:"seed"`
}

// DefaultConfig returns the config of a phase with nothing said but its number.
func DefaultConfig(phase int32) Config {
	return Config{
		Phase: phase, Strategy: NameUniform, Gates: []string{}, Source: SourceLastPhase, Mix: MixNone, Runs: []string{},
		GroupSize: 8, Epochs: 1, Batch: 128,
	}
}

// Validate returns an error that names the first option that cannot be used.
func (c *Config) Validate() error {
	switch {
	case c.Phase < 1:
		return fmt.Errorf("phase: %d is not one, they count from 1", c.Phase)
	case c.Epochs < 1:
		return fmt.Errorf("epochs: %d is under 1", c.Epochs)
	case c.GroupSize < 2:
		return fmt.Errorf("group-size: %d is under 2", c.GroupSize)
	case c.Batch < 1:
		return fmt.Errorf("batch: %d is under 1", c.Batch)
	case c.Generation < 0:
		return fmt.Errorf("generation-batch: %d is under 0", c.Generation)
	case c.Draw < 0 || c.Count < 0:
		return fmt.Errorf("draw and count: under 0")
	case !(c.Ratio >= 0 && c.Ratio <= 1e6):
		return fmt.Errorf("ratio: %v is not in [0, 1000000]", c.Ratio)
	case c.Count > 0 && c.Ratio > 0:
		return fmt.Errorf("count and ratio: only one of them can decide the retrospective share")
	case c.Retrospective == "" && (c.Count > 0 || c.Ratio > 0):
		return fmt.Errorf("count and ratio: they need a retrospective strategy")
	case c.Retrospective != "" && c.Phase == 1:
		return fmt.Errorf("retrospective: phase 1 has no phase before it")
	case !slices.Contains([]string{SourceLastPhase, SourceStart, SourceRunning}, c.Source):
		return fmt.Errorf("source: %q is none of %s, %s, %s", c.Source, SourceLastPhase, SourceStart, SourceRunning)
	}
	if _, err := c.mix(); err != nil {
		return err
	}
	_, err := c.build()
	return err
}

func (c *Config) mix() (history.Mix, error) {
	switch c.Mix {
	case MixNone:
		return history.MixNone, nil
	case MixSamples:
		return history.MixAcrossSamples, nil
	case MixAll:
		return history.MixAll, nil
	}
	return 0, fmt.Errorf("mix: %q is none of %s, %s, %s", c.Mix, MixNone, MixSamples, MixAll)
}

// A mixture is what a config asks for: strategies and gates.
type mixture struct {
	own, retrospective Strategy // retrospective: nil without one
	gates              []Gate
	gateNames          []string
}

func (c *Config) build() (m mixture, err error) {
	if m.own, err = newStrategy(c.Strategy, c.GroupSize); err != nil {
		return m, fmt.Errorf("strategy: %w", err)
	}
	if c.Retrospective != "" {
		if m.retrospective, err = newStrategy(c.Retrospective, c.GroupSize); err != nil {
			return m, fmt.Errorf("retrospective: %w", err)
		}
	}
	for _, spec := range c.Gates {
		g, err := newGate(spec)
		if err != nil {
			return m, fmt.Errorf("gate: %w", err)
		}
		name, _, _ := strings.Cut(spec, "=")
		if slices.Contains(m.gateNames, name) {
			return m, fmt.Errorf("gate: %s is there twice", name)
		}
		m.gates, m.gateNames = append(m.gates, g), append(m.gateNames, name)
	}
	return m, nil
}

// parameter reads NAME or NAME=VALUE; the value must be in [low, high].
func parameter(spec string, def, low, high float64) (name string, value float64, err error) {
	name, text, given := strings.Cut(spec, "=")
	if !given {
		return name, def, nil
	}
	value, err = strconv.ParseFloat(text, 64)
	if err != nil || !(value >= low && value <= high) {
		return name, 0, fmt.Errorf("%s: %q is not a number in [%v, %v]", name, text, low, high)
	}
	return name, value, nil
}

// encode returns the config's one spelling, which plans carry.
func (c *Config) encode() []byte {
	data, err := json.Marshal(c)
	if err != nil {
		panic(err) // plain data
	}
	return data
}

// GenerationBatch returns how many prompts dynamic sampling generates at a time: as many as
// asked for, or three batches (DAPO: 384 for 128).
func (c *Config) GenerationBatch() int {
	if c.Generation > 0 {
		return c.Generation
	}
	return 3 * c.Batch
}

// Reacts reports whether the plan depends on rewards that come while the phase runs, so that
// it should be grown by segments.
func (c *Config) Reacts() bool {
	reacts := []string{NameTarget, NameThompson, NameSkipZeroVariance}
	for _, spec := range append([]string{c.Strategy, c.Retrospective}, c.Gates...) {
		name, _, _ := strings.Cut(spec, "=")
		if slices.Contains(reacts, name) {
			return true
		}
	}
	return false
}
