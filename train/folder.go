package train

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/longctx/pipeline/dataset"
)

const (
	runName           = "run.json"
	lockName          = ".lock"
	checkpointsFolder = "checkpoints"
)

// ErrDiffers means that a folder holds a run of other options or another dataset.
var ErrDiffers = errors.New("the folder belongs to another run")

// runFile is what decides a run's bits, besides the history before it.
type runFile struct {
	Version   int       `json:"format_version"`
	Run       string    `json:"run"`
	DatasetID string    `json:"dataset_id"`
	Seed      uint64    `json:"seed"`
	Model     Model     `json:"model"`
	Optimizer Optimizer `json:"optimizer"`
	Eval      Eval      `json:"eval"`
	Stages    []Stage   `json:"stages"`
}

// claim makes the folder that of the run, or makes sure that it is. A schedule may grow: stages
// behind those that the folder has are added. It returns the hash of what must not change.
func (o *Options) claim(m *dataset.Manifest) (string, error) {
	now := runFile{1, o.Run, m.ID, o.Seed, o.Model, o.Optimizer, o.Eval, o.Stages}
	data, err := json.MarshalIndent(now, "", "  ")
	if err != nil {
		return "", err
	}
	data = append(data, '\n')
	now.Stages = nil
	fixed, err := json.Marshal(now)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(fixed)
	hash := hex.EncodeToString(sum[:8])
	before, err := fs.ReadFile(o.Folder, runName)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = dataset.WriteFile(o.Folder, runName, data)
		return hash, err
	}
	if err != nil || bytes.Equal(before, data) {
		return hash, err
	}
	var was runFile
	if err := json.Unmarshal(before, &was); err != nil {
		return "", fmt.Errorf("%s: %w: %w", runName, dataset.ErrCorrupt, err)
	}
	if what := differs(&was, o, m); what != "" && begun(o.Folder) {
		return "", fmt.Errorf("%w: %s", ErrDiffers, what)
	}
	_, err = dataset.WriteFile(o.Folder, runName, data)
	return hash, err
}

// begun reports whether a step was done in a run's folder: what was refused before claims nothing.
func begun(fsys fs.FS) bool {
	info, err := fs.Stat(fsys, "steps.jsonl")
	if err == nil && info.Size() > 0 {
		return true
	}
	_, err = fs.Stat(fsys, checkpointsFolder)
	return err == nil
}

// differs names the first thing in which the options differ from the folder's, empty where they
// only add stages.
func differs(was *runFile, o *Options, m *dataset.Manifest) string {
	for _, c := range []struct {
		name     string
		was, now any
	}{
		{"run", was.Run, o.Run},
		{"dataset", was.DatasetID, m.ID},
		{"seed", was.Seed, o.Seed},
		{"model", was.Model, o.Model},
		{"optimizer", was.Optimizer, o.Optimizer},
		{"eval", was.Eval, o.Eval},
	} {
		if a, b := text(c.was), text(c.now); a != b {
			return fmt.Sprintf("%s was %s, now %s", c.name, a, b)
		}
	}
	for i := range was.Stages {
		if i >= len(o.Stages) {
			return fmt.Sprintf("it has a stage %q, which is not in the schedule now", was.Stages[i].Name)
		}
		if a, b := text(was.Stages[i]), text(o.Stages[i]); a != b {
			return fmt.Sprintf("stage %d was %s, now %s", i+1, a, b)
		}
	}
	return ""
}

func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain data
	}
	return string(data)
}
