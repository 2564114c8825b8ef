package build

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/longctx/pipeline/dataset"
)

const (
	workDir    = ".work"
	planFile   = workDir + "/plan.json"
	commitFile = workDir + "/commit.json"
)

// ErrNoPlan means that a split or a commit was asked for before the plan.
var ErrNoPlan = errors.New("there is no plan in the output folder")

// A Plan is what a build will do: a pure function of inputs and options.
type Plan struct {
	Identity
	Splits []dataset.Split `json:"splits"`
	Guards []string        `json:"guards"` // facts of the inputs that must not change while the build is unfinished: size and time

	sizes  []int64          // bytes to read in each split, for the progress
	before []dataset.Ledger // accounts of the stages before
	text   []byte           // encode's
	hash   string           // id's
}

// encode returns the plan as it stands on disk.
func (p *Plan) encode() ([]byte, error) {
	if p.text == nil {
		text, err := json.MarshalIndent(p, "", "  ")
		if err != nil {
			return nil, err
		}
		p.text = text
	}
	return p.text, nil
}

// Identity is what makes two builds the same.
type Identity struct {
	Stage     dataset.Stage      `json:"stage"`
	Config    dataset.Config     `json:"config"`
	Tokenizer *dataset.Tokenizer `json:"tokenizer,omitempty"`
	Template  *dataset.Template  `json:"template,omitempty"`
	Inputs    []dataset.Input    `json:"inputs"` // without hashes, which only reading tells
}

func identityOf(m *dataset.Manifest) Identity {
	id := Identity{Stage: m.Stage, Config: m.Config, Tokenizer: m.Tokenizer, Template: m.Template}
	for _, in := range m.Inputs {
		in.SHA256 = ""
		id.Inputs = append(id.Inputs, in)
	}
	return id
}

// newBuild plans.
func newBuild(ctx context.Context, o Options) (*build, error) {
	o.setDefaults()
	b := &build{Options: o}
	var err error
	if o.first() == dataset.StageIngest {
		b.job, err = newIngestJob(ctx, o)
	} else {
		b.job, err = newStageJob(o)
	}
	if err != nil {
		return nil, err
	}
	if b.plan, err = b.job.plan(); err != nil {
		return nil, err
	}
	_, err = b.plan.id() // once, before several goroutines ask
	return b, err
}

// look finds out which splits an earlier run has finished.
func (b *build) look() {
	again := b.done != nil // what is done by now, this run has done
	b.done = make([]bool, len(b.plan.Splits))
	_, err := fs.Stat(b.Output, commitFile)
	renaming := err == nil // then all were done, and some files are in their places
	isDone := b.isDone
	if b.Trust {
		isDone = b.isThere
	}
	_ = b.each(context.Background(), len(b.done), func(i int) error {
		b.done[i] = renaming || isDone(i)
		return nil
	})
	if again {
		return
	}
	b.Progress.SplitsTotal.Store(int64(len(b.done)))
	for i := range b.done {
		if b.done[i] {
			b.Progress.SplitsDone.Add(1)
			b.Progress.Resumed.Add(1)
		} else {
			b.Progress.BytesTotal.Add(b.plan.sizes[i])
		}
	}
}

// finished looks for a dataset of the same inputs and options, which is taken as it is. Another
// one is a DiffersError, unless it may be replaced.
func (b *build) finished(ctx context.Context) (*dataset.Manifest, error) {
	m, err := dataset.ReadManifest(b.Output)
	if errors.Is(err, dataset.ErrNoManifest) || b.Force {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	differences := diff(identityOf(m), b.plan.Identity)
	if len(differences) == 0 {
		if differences, err = b.changedInputs(ctx, m); err != nil {
			return nil, err
		}
	}
	if len(differences) > 0 {
		return nil, &DiffersError{What: "a dataset", Differences: differences}
	}
	return m, b.removeWork()
}

// changedInputs reads the inputs again and names those whose content is not what the manifest says.
func (b *build) changedInputs(ctx context.Context, m *dataset.Manifest) ([]string, error) {
	var changed []string
	for i, s := range m.Splits {
		sum, err := b.job.hash(ctx, i)
		if err != nil {
			return nil, err
		}
		name := fmt.Sprintf("inputs: the content of %s has changed", m.Inputs[s.Input].Name)
		if sum != s.SHA256 && !slices.Contains(changed, name) {
			changed = append(changed, name)
		}
	}
	return changed, nil
}

// adopt takes over an unfinished build of the same plan, or begins a new one.
func (b *build) adopt(create bool) error {
	want, err := b.plan.encode()
	if err != nil {
		return err
	}
	have, err := fs.ReadFile(b.Output, planFile)
	if errors.Is(err, fs.ErrNotExist) {
		if !create {
			return ErrNoPlan
		}
		return b.writePlan(want)
	}
	if err != nil {
		return err
	}
	if b.Force && create {
		if err := b.abandon(); err != nil {
			return err
		}
		return b.writePlan(want)
	}
	if bytes.Equal(have, want) {
		return nil
	}
	var old Plan
	if err := json.Unmarshal(have, &old); err != nil {
		return fmt.Errorf("read %s: %w: %w", planFile, dataset.ErrCorrupt, err)
	}
	differences := diff(old.Identity, b.plan.Identity)
	for _, guard := range b.plan.Guards {
		if len(differences) == 0 && !slices.Contains(old.Guards, guard) {
			name, _, _ := strings.Cut(guard, ": ")
			differences = append(differences, fmt.Sprintf("%s has been written to since it began", name))
		}
	}
	if len(differences) == 0 {
		differences = diff(old, *b.plan)
	}
	return &DiffersError{What: "an unfinished build", Differences: differences}
}

// abandon throws away an unfinished build, with what its commit may have renamed already.
func (b *build) abandon() error {
	var rec commitRecord
	data, err := fs.ReadFile(b.Output, commitFile)
	if err == nil && json.Unmarshal(data, &rec) == nil {
		if _, err := dataset.ReadManifest(b.Output); errors.Is(err, dataset.ErrNoManifest) {
			for _, mv := range rec.Moves {
				rec.Stale = append(rec.Stale, mv.To)
			}
			if err := b.removeStale(rec.Stale); err != nil {
				return err
			}
		}
	}
	return b.Output.Remove(workDir)
}

func (b *build) writePlan(data []byte) error {
	_, err := dataset.WriteFile(b.Output, planFile, data)
	return err
}

// A DiffersError says in what the output differs from what is asked.
type DiffersError struct {
	What        string // "a dataset", "an unfinished build"
	Differences []string
}

func (e *DiffersError) Error() string {
	shown := e.Differences
	more := ""
	if len(shown) > 5 {
		more = fmt.Sprintf(" (and %d more)", len(shown)-5)
		shown = shown[:5]
	}
	return fmt.Sprintf("the output holds %s that %v: %s%s", e.What, ErrDiffers, strings.Join(shown, "; "), more)
}

// Is makes errors.Is(err, ErrDiffers) true.
func (e *DiffersError) Is(target error) bool { return target == ErrDiffers }

// diff names the places where two values of one type differ, as paths into their JSON.
func diff(have, want any) []string {
	changes, err := dataset.Changes(have, want)
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	for _, c := range changes {
		out = append(out, fmt.Sprintf("%s is %s there and %s here", c.Path, c.A, c.B))
	}
	return out
}
