package judge

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/longctx/pipeline/train/reward/endpoint"
)

// A key is a hash of the judge's model and prompt.
type key [sha256.Size]byte

func keyOf(model string, messages []endpoint.Message) key {
	h := sha256.New()
	part := func(s string) { fmt.Fprintf(h, "%d:%s", len(s), s) }
	part(model)
	for _, m := range messages {
		part(m.Role)
		part(m.Content)
	}
	return key(h.Sum(nil))
}

// A Cache keeps verdicts in a file, a JSON object on a line, by judge model and prompt. Each is
// appended in one write before it is used, so that a process that is killed loses none; after
// a power failure the last may be missing or torn, and are asked for again. Processes may share
// the file. It may be used by many goroutines, and may be nil.
type Cache struct {
	mu     sync.Mutex
	file   *os.File
	known  map[key]bool
	broken error // of a write: the cache goes on in memory
}

type cacheLine struct {
	Key     string `json:"key"`
	Verdict string `json:"verdict"`
}

// OpenCache opens or makes the cache in a file. Lines that are no verdicts are passed over.
func OpenCache(path string) (*Cache, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("verdict cache: %w", err)
	}
	c := &Cache{file: f, known: map[key]bool{}}
	if err := c.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("verdict cache %s: %w", path, err), f.Close())
	}
	return c, nil
}

func (c *Cache) load() error {
	r := bufio.NewReader(c.file)
	for {
		line, err := r.ReadBytes('\n')
		if len(line) > 0 {
			c.learn(line)
		}
		switch {
		case err == nil:
		case !errors.Is(err, io.EOF):
			return err
		case len(line) > 0: // a torn line: the next one must not be glued to it
			_, err = c.file.WriteString("\n")
			return err
		default:
			return nil
		}
	}
}

func (c *Cache) learn(line []byte) {
	var l cacheLine
	if json.Unmarshal(bytes.TrimSpace(line), &l) != nil {
		return
	}
	var k key
	if n, err := hex.Decode(k[:], []byte(l.Key)[:min(len(l.Key), 2*len(k))]); err != nil || n != len(k) {
		return
	}
	switch l.Verdict {
	case "yes", "no":
		c.known[k] = l.Verdict == "yes"
	}
}

// Len returns how many verdicts are known.
func (c *Cache) Len() int {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.known)
}

func (c *Cache) get(k key) (yes, known bool) {
	if c == nil {
		return false, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	yes, known = c.known[k]
	return yes, known
}

func (c *Cache) put(k key, yes bool) error {
	if c == nil {
		return nil
	}
	l := cacheLine{Key: hex.EncodeToString(k[:]), Verdict: "no"}
	if yes {
		l.Verdict = "yes"
	}
	line, err := json.Marshal(l)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[k] = yes
	if c.broken == nil {
		_, c.broken = c.file.Write(append(line, '\n'))
	}
	return nil
}

// Close syncs and closes the file. It returns the first error of a write: a full disk does not
// stop the judge, but the verdicts after it will be asked for again.
func (c *Cache) Close() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := errors.Join(c.broken, c.file.Sync(), c.file.Close()); err != nil {
		return fmt.Errorf("verdict cache: %w", err)
	}
	return nil
}
