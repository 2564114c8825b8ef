package stream

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/longctx/pipeline/dataset"
)

// A cacher keeps DIR/cache: it opens what is there, and builds what readers want in the
// background, one shard at a time, while they read the shards themselves.
type cacher struct {
	fsys   dataset.FS
	shards []*shard
	log    *slog.Logger

	queue   chan *shard
	stop    chan struct{}
	stopped sync.WaitGroup
}

// cached is the cache's part of a shard.
type cached struct {
	mu    sync.RWMutex // held for reading while the file is read
	file  *cacheFile
	state cacheState
}

type cacheState int

const (
	cacheUnknown cacheState = iota // nobody has looked
	cacheQueued                    // it will be built
	cacheReady
	cacheOff // it cannot be had
)

func newCacher(fsys dataset.FS, shards []*shard, log *slog.Logger) *cacher {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &cacher{fsys: fsys, shards: shards, log: log, queue: make(chan *shard, len(shards)), stop: make(chan struct{})}
	c.sweep()
	for _, s := range shards {
		if file, err := openCache(fsys, &s.meta); err == nil {
			s.fast.file, s.fast.state = file, cacheReady
		}
	}
	c.stopped.Go(c.work)
	return c
}

// sweep removes the files of shards that the dataset has no more, and what builders that were
// killed had written aside.
func (c *cacher) sweep() {
	entries, err := fs.ReadDir(c.fsys, cacheFolder)
	if err != nil {
		return
	}
	for _, e := range entries {
		name := path.Join(cacheFolder, e.Name())
		known := slices.ContainsFunc(c.shards, func(s *shard) bool { return strings.HasPrefix(name, cacheName(&s.meta)) })
		if known && !leftAside(name) {
			continue
		}
		if err := c.fsys.Remove(name); err == nil {
			c.log.Info("cache removed", "file", name)
		}
	}
}

// asideName names what this process writes aside of a cache file.
func asideName(s *dataset.Shard) string {
	return fmt.Sprintf("%s.%d%s", cacheName(s), os.Getpid(), asideSuffix)
}

const asideSuffix = ".tmp"

// leftAside reports whether a file was written aside by a process that is gone. A builder on
// another machine may look like that; it loses its work, and reads the shard instead.
func leftAside(name string) bool {
	text, ok := strings.CutSuffix(name, asideSuffix)
	if !ok {
		return false
	}
	pid, err := strconv.Atoi(text[strings.LastIndexByte(text, '.')+1:])
	if err != nil || pid <= 0 {
		return true // no builder names its file like that
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return true
	}
	defer p.Release()
	return errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone)
}

// work builds what is asked for until the cacher is closed.
func (c *cacher) work() {
	for {
		select {
		case <-c.stop:
			return
		case s := <-c.queue:
			if err := c.build(s); err != nil {
				return
			}
		}
	}
}

// build makes the cache of one shard ready. Its error is errEnough; any other is the shard's
// affair: it is read as it is, and what is wrong with it comes up there.
func (c *cacher) build(s *shard) error {
	err := buildCache(c.fsys, s, asideName(&s.meta), c.stop)
	if errors.Is(err, errEnough) {
		return err
	}
	var file *cacheFile
	if err == nil {
		file, err = openCache(c.fsys, &s.meta)
	}
	s.fast.mu.Lock()
	defer s.fast.mu.Unlock()
	if err != nil {
		s.fast.state = cacheOff
		c.log.Warn("cache not built: reading the shard instead", "shard", s.meta.Path, "error", err)
		return nil
	}
	s.fast.file, s.fast.state = file, cacheReady
	c.log.Info("cache built", "shard", s.meta.Path, "tokens", s.meta.Tokens)
	return nil
}

// read reads a row if the cache has it.
func (c *cacher) read(s *shard, row int32, dst []int32) (sample, bool) {
	s.fast.mu.RLock()
	file := s.fast.file
	if file == nil {
		s.fast.mu.RUnlock()
		return sample{}, false
	}
	out, err := file.read(row, dst)
	s.fast.mu.RUnlock()
	if err != nil {
		c.discard(s, file, err)
		return sample{}, false
	}
	return out, true
}

// want has a shard's file built, unless somebody did.
func (c *cacher) want(s *shard) {
	s.fast.mu.RLock()
	state := s.fast.state
	s.fast.mu.RUnlock()
	if state != cacheUnknown {
		return
	}
	s.fast.mu.Lock()
	defer s.fast.mu.Unlock()
	if s.fast.state == cacheUnknown {
		s.fast.state = cacheQueued
		c.queue <- s // it has room for every shard, and each is in it at most once
	}
}

// discard throws a damaged file away; the shard is read instead, and the file built anew.
func (c *cacher) discard(s *shard, file *cacheFile, why error) {
	s.fast.mu.Lock()
	defer s.fast.mu.Unlock()
	if s.fast.file != file {
		return
	}
	c.log.Warn("cache damaged: building it anew", "shard", s.meta.Path, "error", why)
	s.fast.file, s.fast.state = nil, cacheUnknown
	file.f.Close()
	c.fsys.Remove(cacheName(&s.meta))
}

// warm builds now what is missing, and waits.
func (c *cacher) warm(phases []int32) error {
	for _, s := range c.shards {
		if len(phases) > 0 && !slices.Contains(phases, s.meta.Phase) {
			continue
		}
		s.fast.mu.Lock()
		build := s.fast.state == cacheUnknown
		if build {
			s.fast.state = cacheQueued // by us
		}
		s.fast.mu.Unlock()
		if build {
			if err := c.build(s); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *cacher) close() {
	close(c.stop)
	c.stopped.Wait()
}

// lengths returns what the cache says of all rows' lengths, nil where it says nothing.
func (f *cached) lengths() []int32 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.file == nil {
		return nil
	}
	lengths, err := f.file.readLengths()
	if err != nil {
		return nil
	}
	return lengths
}

func (f *cached) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	err := f.file.f.Close()
	f.file, f.state = nil, cacheOff
	return err
}
