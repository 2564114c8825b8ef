package train

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/train/checkpoint"
	"github.com/longctx/pipeline/train/learner"
	"github.com/longctx/pipeline/train/policy"
	"github.com/longctx/pipeline/train/policy/backend"
	"github.com/longctx/pipeline/train/rollout"
)

// Folders of a checkpoint: the weights, AdamW's moments, and the reference of the KL term.
const (
	modelFolder     = "model"
	firstFolder     = "optimizer/first"
	secondFolder    = "optimizer/second"
	referenceFolder = "reference"
)

// An engine is the policy with what changes it: learner, decoder and the frozen reference.
type engine struct {
	options   *Options
	backend   *backend.Backend
	learner   *learner.Learner
	generator rollout.Generator
	stale     bool // the decoder's weights are older than the learner's

	frozen *learner.Learner // the policy at the start of the stage; nil: no KL term
}

// newEngine opens the policy where the checkpoint left it, or at its start.
func newEngine(o *Options, m *dataset.Manifest, last *checkpoint.Checkpoint) (*engine, error) {
	vocab := o.Tokenizer.VocabSize()
	if m.Tokenizer != nil {
		vocab = max(vocab, m.Tokenizer.VocabSize)
	}
	c, s, err := startState(o, vocab, last)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	b, err := backend.Open(o.Model.Backend, backend.Options{PluginFolder: o.Model.Plugins})
	if err != nil {
		return nil, err
	}
	a := learner.DefaultAdamW()
	a.Beta1, a.Beta2, a.WeightDecay, a.ClipNorm = o.Optimizer.Beta1, o.Optimizer.Beta2, o.Optimizer.WeightDecay, o.Optimizer.MaxGradNorm
	e := &engine{options: o, backend: b}
	if e.learner, err = learner.New(b.Backend, c, s, learner.Options{AdamW: a, Packing: learner.Packing{MicroTokens: o.Model.Micro}}); err != nil {
		return nil, err
	}
	if last != nil {
		if _, w, err := loadFrom(last.Files, referenceFolder, 0); err == nil {
			err = e.freeze(w)
			if err != nil {
				return nil, err
			}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	e.generator, e.stale = rollout.Generator{Tokenizer: o.Tokenizer, Score: o.Score, Stop: stops(&c, o.Tokenizer)}, true
	return e, nil
}

// startState reads shape and weights: from a checkpoint, from a folder, or drawn anew.
func startState(o *Options, vocab int, last *checkpoint.Checkpoint) (c policy.Config, s learner.State, err error) {
	switch {
	case last != nil:
		if c, s.Weights, err = loadFrom(last.Files, modelFolder, vocab); err != nil {
			return c, s, err
		}
		if _, s.First, err = loadFrom(last.Files, firstFolder, 0); err != nil {
			return c, s, err
		}
		if _, s.Second, err = loadFrom(last.Files, secondFolder, 0); err != nil {
			return c, s, err
		}
		s.Step, err = updatesOf(last)
	case o.Model.Path != "":
		c, s.Weights, err = policy.Load(os.DirFS(o.Model.Path), policy.LoadOptions{MinVocab: vocab})
	default:
		if c, err = policy.Preset(o.Model.Preset, vocab); err == nil {
			c.Tied = !o.Model.Untied
			if id, ok := o.Tokenizer.TokenID(endOfText); ok {
				c.EOS = []int32{id}
			}
			s.Weights = policy.Init(c, policy.InitOptions{Seed: o.Seed, EmbedStd: o.Model.InitStd})
		}
	}
	return c, s, err
}

// endOfText ends the responses of a policy that starts from nothing.
const endOfText = "<|endoftext|>"

func loadFrom(fsys fs.FS, folder string, vocab int) (policy.Config, policy.Weights, error) {
	sub, err := fs.Sub(fsys, folder)
	if err != nil {
		return policy.Config{}, nil, err
	}
	return policy.Load(sub, policy.LoadOptions{MinVocab: vocab})
}

// files returns what a checkpoint keeps of the policy.
func (e *engine) files() ([]checkpoint.Content, error) {
	s, err := e.learner.State()
	if err != nil {
		return nil, err
	}
	var out []checkpoint.Content
	for _, part := range []struct {
		folder string
		w      policy.Weights
	}{{modelFolder, s.Weights}, {firstFolder, s.First}, {secondFolder, s.Second}} {
		files, err := e.pack(part.folder, part.w)
		if err != nil {
			return nil, err
		}
		out = append(out, files...)
	}
	if e.frozen != nil {
		w, err := e.frozen.Weights()
		if err != nil {
			return nil, err
		}
		files, err := e.pack(referenceFolder, w)
		if err != nil {
			return nil, err
		}
		out = append(out, files...)
	}
	return append(out, checkpoint.Bytes(updatesName, fmt.Append(nil, s.Step))), nil
}

// updatesName holds the number of updates, which AdamW corrects its moments by.
const updatesName = "optimizer/updates"

func updatesOf(c *checkpoint.Checkpoint) (n int64, err error) {
	data, err := fs.ReadFile(c.Files, updatesName)
	if err == nil {
		_, err = fmt.Sscan(string(data), &n)
	}
	return n, err
}

// pack makes the files of a Hugging Face folder in memory.
func (e *engine) pack(folder string, w policy.Weights) (out []checkpoint.Content, err error) {
	err = policy.Save(e.learner.Config(), w, func(name string) (io.WriteCloser, error) {
		b := new(buffer)
		out = append(out, checkpoint.Content{Path: path.Join(folder, name), Write: func(w io.Writer) error { _, err := w.Write(b.Bytes()); return err }})
		return b, nil
	}, policy.SaveOptions{})
	return out, err
}

type buffer struct{ bytes.Buffer }

func (*buffer) Close() error { return nil }

// export writes the policy and the dataset's tokenizer as a Hugging Face folder. config.json is
// written last.
func (e *engine) export(fsys dataset.FS, folder string) error {
	w, err := e.learner.Weights()
	if err != nil {
		return err
	}
	files, err := e.pack(folder, w)
	if err != nil {
		return err
	}
	for _, name := range policy.TokenizerFiles {
		data, err := fs.ReadFile(e.options.Dataset, path.Join("tokenizer", name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		files = slices.Insert(files, 0, checkpoint.Bytes(path.Join(folder, name), data))
	}
	for _, f := range files {
		var b bytes.Buffer
		if err := f.Write(&b); err != nil {
			return err
		}
		if _, err := dataset.WriteFile(fsys, f.Path, b.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// name says what the policy is.
func (e *engine) name() string {
	c := e.learner.Config()
	what := e.options.Model.Preset
	if what == "" {
		what = path.Base(e.options.Model.Path)
	}
	return fmt.Sprintf("%s, %d parameters, %s", what, c.Parameters(), e.backend.Description)
}

// reference freezes the policy at the first step of a stage with a KL term, and forgets the frozen
// one of a stage before.
func (e *engine) reference(s *Stage, step int64) error {
	switch {
	case s.KL == 0:
		e.frozen = nil
	case step == 0 || e.frozen == nil:
		w, err := e.learner.Weights()
		if err != nil {
			return err
		}
		return e.freeze(w)
	}
	return nil
}

func (e *engine) freeze(w policy.Weights) (err error) {
	e.frozen, err = learner.New(e.backend.Backend, e.learner.Config(), learner.State{Weights: w},
		learner.Options{AdamW: learner.DefaultAdamW(), Packing: learner.Packing{MicroTokens: e.options.Model.Micro}})
	return err
}

// prepare fills in the logprobs that an objective needs: those of the reference, and, where a step
// has several updates, those of the policy that wrote the responses.
func (e *engine) prepare(trees []learner.Tree, o learner.Objective, several bool) error {
	if several {
		old, err := e.learner.Logprobs(trees, o.Temperature)
		if err != nil {
			return err
		}
		each(trees, old, func(b *learner.Branch, l []float32) { b.Logprobs = l })
	}
	if o.KL > 0 {
		frozen, err := e.frozen.Logprobs(trees, o.Temperature)
		if err != nil {
			return err
		}
		each(trees, frozen, func(b *learner.Branch, l []float32) { b.Reference = l })
	}
	return nil
}

func each(trees []learner.Tree, logprobs [][][]float32, set func(*learner.Branch, []float32)) {
	for i := range trees {
		for j := range trees[i].Branches {
			set(&trees[i].Branches[j], logprobs[i][j])
		}
	}
}

// update makes one update of the weights.
func (e *engine) update(trees []learner.Tree, o learner.Objective, rate float64) (learner.Stats, error) {
	e.stale = true
	return e.learner.Update(trees, o, rate)
}
