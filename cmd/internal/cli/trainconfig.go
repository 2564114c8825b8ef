package cli

import (
	"fmt"
	"os"

	"github.com/pelletier/go-toml/v2"

	"github.com/longctx/pipeline/train"
	"github.com/longctx/pipeline/train/metrics"
)

// TrainConfig is [train].
type TrainConfig struct {
	Data       string  `toml:"data" flag:"data" default:"" help:"folder of the dataset; empty: the output of build" sections:"train"`
	Runs       string  `toml:"runs" flag:"runs" default:"runs" help:"folder of the runs" sections:"train"`
	Run        string  `toml:"run" flag:"run" default:"run" help:"name of the run, in its folder and in the reward history" sections:"train"`
	Model      string  `toml:"model" flag:"model" default:"nano" help:"a preset, trained from nothing (nano, micro, tiny, small, medium, large), or a Hugging Face folder" sections:"train"`
	InitStd    float64 `toml:"init_std" flag:"init-std" default:"0.02" help:"standard deviation of a preset's embedding at the start" sections:"train"`
	Untied     bool    `toml:"untied" flag:"untied" default:"false" help:"a preset's output head is a tensor of its own, not the embedding" sections:"train"`
	Backend    string  `toml:"backend" flag:"backend" default:"go" help:"go, or with a build for XLA: xla:cpu, xla:cuda" sections:"train"`
	Plugins    string  `toml:"plugin_folder" flag:"plugin-folder" default:"" help:"folder of the PJRT plugins for XLA" sections:"train"`
	Micro      int     `toml:"micro_tokens" flag:"micro-tokens" default:"8192" help:"most tokens that are computed at a time" sections:"train"`
	Memory     Memory  `toml:"memory" flag:"memory" default:"auto" help:"memory that training may take: a size, or auto for what the machine has" sections:"train"`
	Seed       uint64  `toml:"seed" flag:"seed" default:"0" help:"seed of everything that is drawn" sections:"train"`
	Checkpoint int64   `toml:"checkpoint_every" flag:"checkpoint-every" default:"50" help:"steps between checkpoints; the end of a stage is one too" sections:"train"`
	Keep       int     `toml:"checkpoint_keep" flag:"checkpoint-keep" default:"2" help:"how many of the newest checkpoints stay; the best one stays too" sections:"train"`
	Responses  bool    `toml:"keep_responses" flag:"keep-responses" default:"false" help:"keep the text of responses in the reward history" sections:"train"`
	LogEvery   int64   `toml:"log_every" flag:"log-every" default:"10" help:"steps between two lines where there is no terminal" sections:"train"`

	Optimizer OptimizerConfig `toml:"optimizer"`
	Eval      HeldOutConfig   `toml:"eval"`
	Guards    GuardConfig     `toml:"guards"`
	Stage     []train.Stage   `toml:"stage"`
}

// OptimizerConfig is [train.optimizer]: AdamW.
type OptimizerConfig struct {
	Beta1       float64 `toml:"beta1" flag:"beta1" default:"0.9" help:"AdamW" sections:"train"`
	Beta2       float64 `toml:"beta2" flag:"beta2" default:"0.98" help:"AdamW" sections:"train"`
	WeightDecay float64 `toml:"weight_decay" flag:"weight-decay" default:"0" help:"AdamW" sections:"train"`
	MaxGradNorm float64 `toml:"max_grad_norm" flag:"max-grad-norm" default:"1" help:"norm to which gradients are clipped; 0: never" sections:"train"`
}

// HeldOutConfig is [train.eval]: how stages are evaluated.
type HeldOutConfig struct {
	HoldOut     Share   `toml:"hold_out" flag:"hold-out" default:"10%" help:"share of the samples that is kept back for evaluation" sections:"train"`
	Dataset     string  `toml:"dataset" flag:"eval-dataset" default:"" help:"another dataset to evaluate on, all of it" sections:"train"`
	Samples     int     `toml:"samples" flag:"eval-samples" default:"256" help:"samples of each phase to evaluate on; 0: no evaluation" sections:"train"`
	Rollouts    int     `toml:"rollouts" flag:"eval-rollouts" default:"1" help:"rollouts of each of them" sections:"train"`
	Temperature float64 `toml:"temperature" flag:"eval-temperature" default:"0" help:"temperature; 0: the likeliest token" sections:"train"`
	TopP        float64 `toml:"top_p" flag:"eval-top-p" default:"1" help:"share of the probability that is drawn from" sections:"train"`
	Every       int64   `toml:"every" flag:"eval-every" default:"0" help:"steps between evaluations within a stage; 0: only at its end" sections:"train"`
}

// GuardConfig is [train.guards].
type GuardConfig struct {
	NotFinite       string  `toml:"not_finite" flag:"guard-not-finite" default:"stop" help:"what to do at a loss that is no number: ignore, warn or stop" sections:"train"`
	EntropyCollapse string  `toml:"entropy_collapse" flag:"guard-entropy" default:"warn" help:"the same where the entropy collapses" sections:"train"`
	EntropyFloor    float64 `toml:"entropy_floor" flag:"entropy-floor" default:"0" help:"least entropy, in nats" sections:"train"`
	EntropyShare    float64 `toml:"entropy_share" flag:"entropy-share" default:"0.1" help:"least share of the entropy of a stage's first steps" sections:"train"`
	KLSpike         string  `toml:"kl_spike" flag:"guard-kl" default:"warn" help:"what to do where the KL term leaps: ignore, warn or stop" sections:"train"`
	KLFactor        float64 `toml:"kl_factor" flag:"kl-factor" default:"10" help:"what a leap is: times the mean of the last steps" sections:"train"`
}

// guards returns the guards of the config.
func (g *GuardConfig) guards() (metrics.Guards, error) {
	out := metrics.DefaultGuards()
	for _, a := range []struct {
		name string
		set  *metrics.Action
	}{{g.NotFinite, &out.NotFinite}, {g.EntropyCollapse, &out.EntropyCollapse}, {g.KLSpike, &out.KLSpike}} {
		switch action := metrics.Action(a.name); action {
		case metrics.Ignore, metrics.Warn, metrics.Stop:
			*a.set = action
		default:
			return out, Usage(fmt.Errorf("guard: %q is none of ignore, warn, stop", a.name))
		}
	}
	out.EntropyFloor, out.EntropyShare, out.KLFactor = g.EntropyFloor, g.EntropyShare, g.KLFactor
	return out, nil
}

// complete gives each stage what the file does not say: the defaults of its kind and algorithm.
func (t *TrainConfig) complete(file string) error {
	if len(t.Stage) == 0 {
		return nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return Usage(fmt.Errorf("config: %w", err))
	}
	var said struct {
		Train struct {
			Stage []map[string]any `toml:"stage"`
		} `toml:"train"`
	}
	if err := toml.Unmarshal(data, &said); err != nil {
		return Usage(fmt.Errorf("config %s: %w", file, err))
	}
	for i, keys := range said.Train.Stage {
		stage := train.Defaults(t.Stage[i].Kind, t.Stage[i].Algorithm)
		text, err := toml.Marshal(keys)
		if err == nil {
			err = toml.Unmarshal(text, &stage)
		}
		if err != nil {
			return Usage(fmt.Errorf("config %s: [[train.stage]] %d: %w", file, i+1, err))
		}
		t.Stage[i] = stage
	}
	return nil
}

// TrainOptions returns the options of a run, without what the command line's environment gives: file
// systems, locks, clock and scorer.
func (c *Config) TrainOptions() (train.Options, error) {
	t := &c.Train
	guards, err := t.Guards.guards()
	if err != nil {
		return train.Options{}, err
	}
	o := train.Options{
		Run: t.Run, Seed: t.Seed, Stages: t.Stage, Guards: guards,
		Optimizer:       train.Optimizer(t.Optimizer),
		Model:           train.Model{Backend: t.Backend, Plugins: t.Plugins, Micro: t.Micro},
		CheckpointEvery: t.Checkpoint, CheckpointKeep: t.Keep, KeepResponses: t.Responses, MemoryLimit: t.Memory.bytes(),
		Eval: train.Eval{
			HoldOut: float64(t.Eval.HoldOut), Samples: t.Eval.Samples, Rollouts: t.Eval.Rollouts,
			Temperature: t.Eval.Temperature, TopP: t.Eval.TopP, Every: t.Eval.Every,
		},
	}
	if info, err := os.Stat(t.Model); err == nil && info.IsDir() {
		o.Model.Path = t.Model
	} else {
		o.Model.Preset, o.Model.InitStd, o.Model.Untied = t.Model, t.InitStd, t.Untied
	}
	return o, nil
}
