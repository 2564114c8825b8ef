package documents

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/ingest/source"
)

// CacheBytes bounds the texts that a folder keeps for the next question.
const CacheBytes = 64 << 20

// Text returns what a document says, by its path in the folder or that path without the
// extension. It may be called by many goroutines.
func (f *Folder) Text(name string) (string, *source.Problem) {
	i, bad := f.find(name)
	if bad != nil {
		return "", bad
	}
	return f.cache.get(i, func() (string, *source.Problem) { return f.read(f.files[i]) })
}

func (f *Folder) find(name string) (int, *source.Problem) {
	clean := strings.TrimPrefix(path.Clean("/"+filepath.ToSlash(name)), "/")
	if i, ok := f.byName[clean]; ok {
		return i, nil
	}
	i, ok := f.byStem[clean]
	switch {
	case !ok:
		return 0, source.NewProblem(dataset.ReasonMissingDocument, "no document %q in the folder", name)
	case i < 0:
		return 0, source.NewProblem(dataset.ReasonMissingDocument, "several documents are %q, with other extensions; name one", name)
	}
	return i, nil
}

func (f *Folder) read(file file) (string, *source.Problem) {
	if file.bytes > f.options.Maximum {
		return "", source.NewProblem(dataset.ReasonTooLarge, "document %q has %d bytes, the most is %d", file.name, file.bytes, f.options.Maximum)
	}
	unreadable := func(err error) (string, *source.Problem) {
		return "", source.NewProblem(dataset.ReasonUnreadableDocument, "document %q: %v", file.name, err)
	}
	full := filepath.Join(f.root, filepath.FromSlash(file.name))
	info, err := os.Stat(full)
	if err != nil {
		return unreadable(err)
	}
	if info.Size() != file.bytes || !info.ModTime().Equal(file.modTime) {
		f.cache.fail(fmt.Errorf("%w: %q", ErrChanged, file.name))
		return unreadable(ErrChanged)
	}
	data, err := os.ReadFile(full)
	if err != nil {
		return unreadable(err)
	}
	reader := readers[extension(file.name)]
	if f.options.PDF != nil && extension(file.name) == ".pdf" {
		reader = f.options.PDF
	}
	text, err := reader(data)
	switch {
	case errors.Is(err, errUTF8):
		return "", source.NewProblem(dataset.ReasonInvalidUTF8, "document %q: %v", file.name, err)
	case err != nil:
		return unreadable(err)
	case int64(len(text)) > f.options.Maximum:
		return "", source.NewProblem(dataset.ReasonTooLarge, "document %q has %d bytes of text, the most is %d", file.name, len(text), f.options.Maximum)
	}
	return text, nil
}

// Err returns ErrChanged where any document was not what it was when it was planned.
func (f *Folder) Err() error {
	f.cache.mu.Lock()
	defer f.cache.mu.Unlock()
	return f.cache.err
}

// A cache keeps the texts that were read last; a text that several goroutines want is read once.
type cache struct {
	mu      sync.Mutex
	entries map[int]*entry
	order   []int // of the texts that are kept, the oldest first
	bytes   int64
	err     error
}

type entry struct {
	once sync.Once
	text string
	bad  *source.Problem
}

func (c *cache) get(i int, read func() (string, *source.Problem)) (string, *source.Problem) {
	c.mu.Lock()
	if c.entries == nil {
		c.entries = map[int]*entry{}
	}
	e := c.entries[i]
	if e == nil {
		e = new(entry)
		c.entries[i] = e
	}
	c.mu.Unlock()
	e.once.Do(func() {
		e.text, e.bad = read()
		c.keep(i, int64(len(e.text)))
	})
	return e.text, e.bad
}

// keep counts a text that was read, and lets the oldest ones go.
func (c *cache) keep(i int, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.order = append(c.order, i)
	c.bytes += bytes
	for c.bytes > CacheBytes && len(c.order) > 1 {
		oldest := c.order[0]
		c.order = c.order[1:]
		c.bytes -= int64(len(c.entries[oldest].text))
		delete(c.entries, oldest)
	}
}

func (c *cache) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = errors.Join(c.err, err)
}
