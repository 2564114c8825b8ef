package eval

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"

	"github.com/longctx/pipeline/dataset"
)

// RolloutsName is the file of the scored responses.
const RolloutsName = "rollouts.jsonl"

// Rollouts reads the scored responses of an evaluation, in the order of their samples. Each is
// the caller's to keep. A line that cannot be read is dataset.ErrCorrupt.
//
//	for r, err := range eval.Rollouts(dataset.Dir("runs/eval")) {
//		if err == nil && r.Reward != nil && *r.Reward >= 1 { ... r.SampleID, r.Response ... }
//	}
func Rollouts(fsys fs.FS) iter.Seq2[*Rollout, error] {
	return func(yield func(*Rollout, error) bool) {
		f, err := fsys.Open(RolloutsName)
		if err != nil {
			if _, there := ReadConfig(fsys); there == nil {
				err = fmt.Errorf("%w: it is not finished", ErrNoEval)
			} else {
				err = ErrNoEval
			}
			yield(nil, err)
			return
		}
		defer f.Close()
		n := 0
		for line, err := range lines(f) {
			n++
			r := new(Rollout)
			if err == nil {
				err = json.Unmarshal(line, r)
			}
			if err != nil {
				yield(nil, fmt.Errorf("read %s, line %d: %w: %w", RolloutsName, n, dataset.ErrCorrupt, err))
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// An aside is a file that is there complete, or not at all.
type aside struct {
	*dataset.HashedFile
	fsys dataset.FS
	name string
}

func createAside(fsys dataset.FS, name string) (*aside, error) {
	f, err := dataset.CreateHashed(fsys, name+".tmp")
	if err != nil {
		return nil, err
	}
	return &aside{f, fsys, name}, nil
}

// finish makes the file appear.
func (a *aside) finish() (dataset.File, error) {
	f, err := a.Finish()
	if err != nil {
		return f, err
	}
	if err := a.fsys.Rename(a.name+".tmp", a.name); err != nil {
		a.fsys.Remove(a.name + ".tmp")
		return f, err
	}
	f.Path = a.name
	return f, a.fsys.SyncDir(path.Dir(a.name))
}

// writeRollout writes one line.
func writeRollout(w io.Writer, r *Rollout) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}
