package train

import (
	"errors"
	"fmt"
	"slices"

	"github.com/longctx/pipeline/sample/curriculum"
)

// A Kind is what a stage does.
type Kind string

const (
	SFT     Kind = "sft"     // imitates the responses of the SFT samples
	RL      Kind = "rl"      // learns from the rewards of its own rollouts
	Measure Kind = "measure" // learns nothing: records the difficulty of the policy as it is, as phase 0
)

// Algorithms of RL stages: defaults, nothing else.
const (
	GRPO = "grpo" // arXiv 2402.03300
	DAPO = "dapo" // arXiv 2503.14476
)

// How the loss of a step is averaged.
const (
	LossToken    = "token"    // over all tokens of the step (DAPO)
	LossResponse = "response" // over each response, then over responses (GRPO)
)

// Runners: who trains.
const (
	Embedded = "embedded" // this program
	Verl     = "verl"     // a command that reads and writes verl's files
)

// A Stage is one entry of the schedule.
type Stage struct {
	Name    string `toml:"name" json:"name"` // in history, metrics and checkpoints. Example: "phase-1"
	Kind    Kind   `toml:"kind" json:"kind"`
	Phase   int32  `toml:"phase" json:"phase"`                         // from 1; of SFT: samples up to this phase
	Runner  string `toml:"runner" json:"runner"`                       // Embedded or Verl
	Command string `toml:"command,omitempty" json:"command,omitempty"` // of another runner, for sh -c

	Steps       int64 `toml:"steps" json:"steps"`               // 0: as many as the epochs give
	Epochs      int32 `toml:"epochs" json:"epochs"`             // passes over the plan; 0: as many as the steps take
	MaxPrompt   int32 `toml:"max_prompt" json:"max_prompt"`     // tokens; 0: the phase's maximum
	MaxResponse int32 `toml:"max_response" json:"max_response"` // tokens
	Batch       int   `toml:"batch" json:"batch"`               // prompts of a step; of SFT: documents
	MiniBatch   int   `toml:"mini_batch" json:"mini_batch"`     // prompts of one update of the weights; 0: the batch

	LR      float64 `toml:"lr" json:"lr"`             // peak
	Warmup  int64   `toml:"warmup" json:"warmup"`     // steps over which it rises
	LRFloor float64 `toml:"lr_floor" json:"lr_floor"` // share of the peak at which the cosine ends; 1: constant

	RLOptions
	SFTOptions
}

// RLOptions are what only RL and Measure stages have.
type RLOptions struct {
	Algorithm       string  `toml:"algorithm,omitempty" json:"algorithm,omitempty"`
	GroupSize       int     `toml:"group_size,omitempty" json:"group_size,omitempty"`
	Temperature     float64 `toml:"temperature,omitempty" json:"temperature,omitempty"`
	TopP            float64 `toml:"top_p,omitempty" json:"top_p,omitempty"`
	ClipLow         float64 `toml:"clip_low,omitempty" json:"clip_low,omitempty"`
	ClipHigh        float64 `toml:"clip_high,omitempty" json:"clip_high,omitempty"`
	Loss            string  `toml:"loss,omitempty" json:"loss,omitempty"`
	Std             string  `toml:"std,omitempty" json:"std,omitempty"`                       // what advantages are divided by: group, task or none
	KL              float64 `toml:"kl,omitempty" json:"kl,omitempty"`                         // weight of the KL term to the stage's first policy; 0: none
	OverlongCache   int32   `toml:"overlong_cache,omitempty" json:"overlong_cache,omitempty"` // tokens before max_response where the penalty begins; 0: none
	DynamicSampling bool    `toml:"dynamic_sampling,omitempty" json:"dynamic_sampling,omitempty"`
	GenerationBatch int     `toml:"generation_batch,omitempty" json:"generation_batch,omitempty"` // prompts generated at a time; 0: the batch
	MaxGenerations  int     `toml:"max_generations,omitempty" json:"max_generations,omitempty"`   // generation batches for one step

	Strategy      string         `toml:"strategy,omitempty" json:"strategy,omitempty"` // of the phase's own range
	Draw          int64          `toml:"draw,omitempty" json:"draw,omitempty"`         // samples of the own range in an epoch; 0: all
	Gates         []string       `toml:"gates,omitempty" json:"gates,omitempty"`
	BalanceTasks  bool           `toml:"balance_tasks,omitempty" json:"balance_tasks,omitempty"`
	Retrospective *Retrospective `toml:"retrospective,inline,omitempty" json:"retrospective,omitempty"`
}

// Retrospective says which hard samples of earlier phases come back.
type Retrospective struct {
	From     []int32 `toml:"from,omitempty" json:"from,omitempty"` // phases; empty: all before
	Strategy string  `toml:"strategy" json:"strategy"`
	Ratio    float64 `toml:"ratio,omitempty" json:"ratio,omitempty"`   // for each sample of the own range; 0: count
	Count    int64   `toml:"count,omitempty" json:"count,omitempty"`   // in an epoch; 0: all that qualify
	Source   string  `toml:"source,omitempty" json:"source,omitempty"` // start, last_phase or running
}

// SFTOptions are what only SFT stages have.
type SFTOptions struct {
	LengthCurriculum []Level `toml:"length_curriculum,omitempty" json:"length_curriculum,omitempty"`
}

// A Level is a step of a length curriculum inside a warm-up: only prompts between the level
// before and its own maximum, until it is good enough or its steps are spent.
type Level struct {
	MaxPrompt int32   `toml:"max_prompt" json:"max_prompt"`
	Steps     int64   `toml:"steps" json:"steps"`
	Until     float64 `toml:"until,omitempty" json:"until,omitempty"` // share of held-out responses that are exact; 0: all steps
}

// Defaults returns a stage of a kind with nothing said but what the recipe of QwenLong-L1 says.
func Defaults(kind Kind, algorithm string) Stage {
	s := Stage{Kind: kind, Phase: 1, Runner: Embedded, Batch: 128, LRFloor: 1}
	if kind == SFT {
		s.LR, s.Epochs, s.LRFloor, s.MaxResponse = 5e-6, 3, 0.1, 10_000
		return s
	}
	s.LR, s.MaxResponse, s.MiniBatch = 2e-6, 10_000, 0
	s.RLOptions = RLOptions{
		Algorithm: GRPO, GroupSize: 8, Temperature: 0.7, TopP: 0.95, ClipLow: 0.2, ClipHigh: 0.2, Loss: LossResponse, Std: "group",
		MaxGenerations: curriculum.MaxGenerationBatches, Strategy: curriculum.NameUniform,
	}
	if algorithm == DAPO {
		s.Algorithm, s.ClipHigh, s.Loss, s.DynamicSampling = DAPO, 0.28, LossToken, true
	}
	return s
}

// validate returns an error that names the first option that cannot be used.
func (s *Stage) validate() error {
	switch {
	case s.Name == "":
		return errors.New("it has no name")
	case !slices.Contains([]Kind{SFT, RL, Measure}, s.Kind):
		return fmt.Errorf("kind %q is none of sft, rl, measure", s.Kind)
	case s.Runner != Embedded && s.Runner != Verl:
		return fmt.Errorf("runner %q is neither %s nor %s", s.Runner, Embedded, Verl)
	case s.Runner == Verl && (s.Kind != RL || s.Command == ""):
		return fmt.Errorf("runner %s: it needs kind rl and a command", Verl)
	case s.Phase < 1:
		return fmt.Errorf("phase %d: phases count from 1", s.Phase)
	case s.Batch < 1 || s.MiniBatch < 0 || s.MiniBatch > s.Batch:
		return fmt.Errorf("batch %d, mini_batch %d: the batch is at least 1 and holds the mini-batch", s.Batch, s.MiniBatch)
	case s.MaxResponse < 1 || s.MaxPrompt < 0:
		return fmt.Errorf("max_prompt %d, max_response %d: in tokens, at least 1", s.MaxPrompt, s.MaxResponse)
	case s.Steps < 0 || s.Epochs < 0 || s.Warmup < 0:
		return errors.New("steps, epochs and warmup are not negative")
	case s.Kind == RL && s.Steps == 0 && s.Epochs == 0:
		return errors.New("neither steps nor epochs say how long it is")
	case s.Kind != Measure && !(s.LR > 0 && s.LR <= 1):
		return fmt.Errorf("lr %v is not in (0, 1]", s.LR)
	case !(s.LRFloor >= 0 && s.LRFloor <= 1):
		return fmt.Errorf("lr_floor %v is not in [0, 1]", s.LRFloor)
	}
	if s.Kind == SFT {
		return s.validateSFT()
	}
	return s.validateRL()
}

func (s *Stage) validateSFT() error {
	if s.Steps == 0 && s.Epochs == 0 && len(s.LengthCurriculum) == 0 {
		return errors.New("neither steps, epochs nor length_curriculum say how long it is")
	}
	before := int32(0)
	for i, l := range s.LengthCurriculum {
		switch {
		case l.MaxPrompt <= before:
			return fmt.Errorf("length_curriculum %d: max_prompt %d is not over %d", i+1, l.MaxPrompt, before)
		case l.Steps < 1:
			return fmt.Errorf("length_curriculum %d: it needs a number of steps", i+1)
		case !(l.Until >= 0 && l.Until <= 1):
			return fmt.Errorf("length_curriculum %d: until %v is not in [0, 1]", i+1, l.Until)
		}
		before = l.MaxPrompt
	}
	return nil
}

func (s *Stage) validateRL() error {
	switch {
	case s.Algorithm != GRPO && s.Algorithm != DAPO:
		return fmt.Errorf("algorithm %q is neither %s nor %s", s.Algorithm, GRPO, DAPO)
	case s.GroupSize < 2:
		return fmt.Errorf("group_size %d: a group needs two rollouts to compare", s.GroupSize)
	case !(s.Temperature > 0):
		return fmt.Errorf("temperature %v: rollouts of a group would all be equal", s.Temperature)
	case !(s.TopP > 0 && s.TopP <= 1):
		return fmt.Errorf("top_p %v is not in (0, 1]", s.TopP)
	case !(s.ClipLow > 0 && s.ClipLow < 1) || !(s.ClipHigh > 0):
		return fmt.Errorf("clip_low %v, clip_high %v: over 0, and clip_low under 1", s.ClipLow, s.ClipHigh)
	case s.Loss != LossToken && s.Loss != LossResponse:
		return fmt.Errorf("loss %q is neither %s nor %s", s.Loss, LossToken, LossResponse)
	case !slices.Contains([]string{"group", "task", "none"}, s.Std):
		return fmt.Errorf("std %q is none of group, task, none", s.Std)
	case s.KL < 0:
		return fmt.Errorf("kl %v is negative", s.KL)
	case s.OverlongCache < 0 || s.OverlongCache >= s.MaxResponse:
		return fmt.Errorf("overlong_cache %d is not under max_response, %d", s.OverlongCache, s.MaxResponse)
	case s.GenerationBatch < 0 || s.MaxGenerations < 1:
		return fmt.Errorf("generation_batch %d, max_generations %d: not negative, and at least one", s.GenerationBatch, s.MaxGenerations)
	}
	if r := s.Retrospective; r != nil && slices.ContainsFunc(r.From, func(p int32) bool { return p < 1 || p >= s.Phase }) {
		return fmt.Errorf("retrospective: phases %v are not all before phase %d", r.From, s.Phase)
	}
	return nil
}
