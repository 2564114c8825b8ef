package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/longctx/pipeline/dataset"
)

// FormatVersion is the version of the manifest.
//
//	1: the first
const FormatVersion = 1

const (
	manifestName = "manifest.json"
	prefix       = "step-"
	asideSuffix  = ".aside"
)

// A State is what a run needs beside weights and optimizer to go on as if it had never stopped.
type State struct {
	TrainStage string `json:"train_stage"`
	StageStep  int64  `json:"stage_step"` // optimizer steps done in the stage
	Phase      int32  `json:"phase"`
	// Cursors are the places in the streams, by the plan that they read.
	Cursors map[string]json.RawMessage `json:"cursors,omitempty"`
	// RNG are the states of random generators, as their MarshalBinary gives them, by their use.
	RNG map[string][]byte `json:"rng,omitempty"`
	// Extra is what else the schedule keeps.
	Extra json.RawMessage `json:"extra,omitempty"`
}

// A Manifest names all that a checkpoint holds.
type Manifest struct {
	FormatVersion int    `json:"format_version"`
	Run           string `json:"run"`
	// Config is a hash of what must not change between stop and resume; the caller compares it.
	Config string         `json:"config"`
	Step   int64          `json:"step"` // optimizer steps done; the metrics go on at this step
	Score  *float64       `json:"score"`
	State  State          `json:"state"`
	Files  []dataset.File `json:"files"`
}

// dirName is the folder of a step.
func dirName(step int64) string { return fmt.Sprintf("%s%08d", prefix, step) }

// stepOf is the step of a folder, false if it is none of a checkpoint.
func stepOf(name string) (int64, bool) {
	digits, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return 0, false
	}
	step, err := strconv.ParseInt(digits, 10, 64)
	return step, err == nil && dirName(step) == name
}

// readManifest reads and checks the manifest of a folder, but not the files that it names.
func readManifest(fsys fs.FS, dir string) (Manifest, error) {
	data, err := fs.ReadFile(fsys, path.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return Manifest{}, errors.New("there is no manifest")
	}
	if err != nil {
		return Manifest{}, err
	}
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return Manifest{}, fmt.Errorf("read manifest: %w", err)
	}
	if m.FormatVersion != FormatVersion {
		return Manifest{}, fmt.Errorf("manifest has format version %d, this program reads %d", m.FormatVersion, FormatVersion)
	}
	if step, ok := stepOf(path.Base(dir)); !ok || step != m.Step {
		return Manifest{}, fmt.Errorf("manifest is of step %d", m.Step)
	}
	for _, f := range m.Files {
		if !fs.ValidPath(f.Path) || f.Path == "." {
			return Manifest{}, fmt.Errorf("manifest names %q", f.Path)
		}
	}
	return m, nil
}
