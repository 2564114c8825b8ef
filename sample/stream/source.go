package stream

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/longctx/pipeline/dataset"
)

// A Source is a dataset that streams are read from. Many readers share one, from many
// goroutines.
type Source struct {
	fsys     dataset.FS
	manifest *dataset.Manifest
	shards   []*shard         // RL shards
	byPath   map[string]int32 // index in shards
	cache    *cacher          // nil: none
}

// SourceOptions say how a dataset is opened.
type SourceOptions struct {
	Cache bool         // keep DIR/cache; where it cannot be written there is none
	Log   *slog.Logger // what the cache does; nil: nowhere
}

// Open opens a finished dataset. dataset.ErrNoManifest, dataset.ErrCorrupt.
func Open(fsys dataset.FS, o SourceOptions) (*Source, error) {
	m, err := dataset.ReadManifest(fsys)
	if err != nil {
		return nil, err
	}
	if m.Stage != dataset.StageBucket {
		return nil, fmt.Errorf("the dataset is through %s only: it has no phases to read", m.Stage)
	}
	s := &Source{fsys: fsys, manifest: m, byPath: map[string]int32{}}
	for _, meta := range m.Shards {
		if meta.Kind == dataset.KindRL {
			s.byPath[meta.Path] = int32(len(s.shards))
			s.shards = append(s.shards, &shard{fsys: fsys, meta: meta, hasText: m.Layout() != dataset.LayoutLean})
		}
	}
	if o.Cache {
		s.cache = newCacher(fsys, s.shards, o.Log)
	}
	return s, nil
}

// Manifest returns the dataset's manifest.
func (s *Source) Manifest() *dataset.Manifest { return s.manifest }

// Warm builds what the cache lacks of some phases, and returns when it is there; without
// phases: of all. Without a cache it does nothing.
func (s *Source) Warm(phases ...int32) error {
	if s.cache == nil {
		return nil
	}
	return s.cache.warm(phases)
}

// Close stops the building of the cache and closes all files. Readers must be closed before.
func (s *Source) Close() error {
	if s.cache != nil {
		s.cache.close()
	}
	var errs []error
	for _, sh := range s.shards {
		errs = append(errs, sh.close())
	}
	return errors.Join(errs...)
}

// measure fills in the length of a slot's sample.
func (s *Source) measure(at *slot) error {
	if at.length > 0 {
		return nil
	}
	lengths, err := s.shards[at.shard].measured()
	if err != nil {
		return err
	}
	at.length = lengths[at.row]
	return nil
}

// read reads the sample of a slot: ids into dst, which has its length.
func (s *Source) read(at *slot, dst []int32) (sample, error) {
	sh := s.shards[at.shard]
	if s.cache != nil {
		if out, ok := s.cache.read(sh, at.row, dst); ok && out.id == at.id {
			return out, nil
		}
	}
	out, err := sh.read(at.row, dst)
	if err == nil && out.id != at.id {
		err = fmt.Errorf("%w: it is sample %s, the plan says %s", dataset.ErrCorrupt, out.id, at.id)
	}
	if err != nil {
		return sample{}, fmt.Errorf("read shard %s, row %d: %w", sh.meta.Path, at.row, err)
	}
	return out, nil
}

// wantCached asks for the cache of the shards that slots are in.
func (s *Source) wantCached(slots []slot) {
	if s.cache == nil {
		return
	}
	for i := range slots {
		s.cache.want(s.shards[slots[i].shard])
	}
}

// readerAt is what an open file of a dataset can do.
type readerAt interface {
	fs.File
	ReadAt(p []byte, off int64) (int, error)
}

func openAt(fsys fs.FS, name string) (readerAt, int64, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, 0, err
	}
	r, ok := f.(readerAt)
	if !ok {
		return nil, 0, errors.Join(fmt.Errorf("%s cannot be read at an offset", name), f.Close())
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return r, info.Size(), nil
}
