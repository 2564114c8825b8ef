package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/longctx/pipeline/dataset"
)

// commitDir holds what commit writes anew, before anything is renamed.
const commitDir = workDir + "/commit"

// ErrForeign means that a file stands where the dataset must write, and is not of a dataset.
var ErrForeign = errors.New("the output folder holds a file that is not of a dataset")

// A commitRecord is the whole end of a build, written before its first rename: whoever
// finds it goes on with the renames, which may be repeated.
type commitRecord struct {
	Stale    []string          `json:"stale"` // files of the dataset before, to be removed
	Moves    []move            `json:"moves"`
	Manifest *dataset.Manifest `json:"manifest"`
}

type move struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Bytes int64  `json:"bytes"`
}

// commit settles what only the whole dataset shows, and makes it a dataset.
func (b *build) commit(ctx context.Context) (*dataset.Manifest, error) {
	data, err := fs.ReadFile(b.Output, commitFile)
	if errors.Is(err, fs.ErrNotExist) {
		return b.prepare(ctx)
	}
	if err != nil {
		return nil, err
	}
	var rec commitRecord
	if err := json.Unmarshal(data, &rec); err != nil {
		return nil, fmt.Errorf("read %s: %w: %w", commitFile, dataset.ErrCorrupt, err)
	}
	return rec.Manifest, b.apply(rec)
}

func (b *build) prepare(ctx context.Context) (*dataset.Manifest, error) {
	if err := b.Output.Remove(commitDir); err != nil {
		return nil, err
	}
	c := &committer{build: b, m: &dataset.Manifest{
		Stage: b.plan.Stage, Config: b.plan.Config, Tokenizer: b.plan.Tokenizer, Template: b.plan.Template,
		Inputs: slices.Clone(b.plan.Inputs), Splits: slices.Clone(b.plan.Splits),
	}}
	steps := []func(context.Context) error{c.load, c.number, c.settle, c.settleNear, c.placeShards, c.quarantine, c.files, c.replace, c.describe}
	for _, step := range steps {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("commit: %w", err)
		}
	}
	rec := commitRecord{Stale: c.stale, Moves: c.moves, Manifest: c.m}
	data, err := json.Marshal(rec)
	if err != nil {
		return nil, err
	}
	for _, dir := range c.dirs {
		if err := b.Output.SyncDir(dir); err != nil {
			return nil, err
		}
	}
	if _, err := dataset.WriteFile(b.Output, commitFile, data); err != nil {
		return nil, err
	}
	return rec.Manifest, b.apply(rec)
}

// apply renames everything into its place and writes the manifest last. It may be
// interrupted anywhere and repeated.
func (b *build) apply(rec commitRecord) error {
	if err := b.Output.Remove(dataset.ManifestName); err != nil {
		return err
	}
	dirs := map[string]bool{".": true}
	for _, mv := range rec.Moves {
		dirs[path.Dir(mv.To)] = true
	}
	// A commit that has begun to rename goes on to its end.
	err := b.each(context.Background(), len(rec.Moves), func(i int) error { return b.moveOnce(rec.Moves[i]) })
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if err := b.removeStale(rec.Stale); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	for _, dir := range sorted(dirs) {
		if err := b.Output.SyncDir(dir); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	}
	data, err := rec.Manifest.Seal()
	if err != nil {
		return err
	}
	if _, err := dataset.WriteFile(b.Output, dataset.ManifestName, data); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if err := b.removeWork(); err != nil {
		return err
	}
	return b.Output.SyncDir(".")
}

// removeWork tidies up behind a manifest. Plan and commit must go, or a later build could go on
// with them; what else is left does no harm, as every split names its plan. It may be that a
// late attempt still writes there, or that a network file system keeps a file that is open.
func (b *build) removeWork() error {
	for _, name := range []string{commitFile, planFile} {
		if err := b.Output.Remove(name); err != nil {
			return err
		}
	}
	_ = b.Output.Remove(workDir)
	return nil
}

// moveOnce renames a file, or finds that it has been renamed before.
func (b *build) moveOnce(mv move) error {
	if err := b.Output.Rename(mv.From, mv.To); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	info, err := fs.Stat(b.Output, mv.To)
	if err != nil {
		return err
	}
	if info.Size() != mv.Bytes {
		return fmt.Errorf("%w: %s has %d bytes, the commit wrote %d", dataset.ErrCorrupt, mv.To, info.Size(), mv.Bytes)
	}
	return nil
}

// removeStale removes what an older dataset in the same folder has left, and nothing else.
func (b *build) removeStale(stale []string) error {
	for _, p := range stale {
		if err := b.Output.Remove(p); err != nil {
			return err
		}
		if err := b.removeEmpty(path.Dir(p)); err != nil {
			return err
		}
	}
	return nil
}

// removeEmpty removes a folder and those above it while they are empty.
func (b *build) removeEmpty(dir string) error {
	for ; dir != "."; dir = path.Dir(dir) {
		entries, err := fs.ReadDir(b.Output, dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed before a crash
		}
		if err != nil || len(entries) > 0 {
			return err
		}
		if err := b.Output.Remove(dir); err != nil {
			return err
		}
	}
	return nil
}
