package template

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// version names this package's way of rendering; it is part of every hash.
const version = "template/1"

// A Chat is a parsed chat template. It is safe for concurrent use.
type Chat struct {
	source  string
	special map[string]string
	code    *rewritten
	engine  *engine

	mu     sync.Mutex
	shapes map[string]*shapeEntry
}

type shapeEntry struct {
	once  sync.Once
	shape *shape // nil: always render in full
}

// ParseChat parses a Jinja chat template. special are the named tokens it may use. Example: {"bos_token": "<s>"}
// The template sees no date: without strftime_now most fall back to a date of their own. See WithDate.
func ParseChat(source string, special map[string]string) (*Chat, error) {
	if len(source) > maxSource {
		return nil, fmt.Errorf("chat template: it has %d bytes, and at most %d are taken; is this the right file?", len(source), maxSource)
	}
	pieces, err := lex(source)
	if err != nil {
		return nil, fmt.Errorf("chat template: %w", err)
	}
	code, err := rewrite(pieces)
	if err != nil {
		return nil, fmt.Errorf("chat template: %w", err)
	}
	e, err := newEngine(code, special)
	if err != nil {
		return nil, fmt.Errorf("chat template: parse: %w", err)
	}
	return &Chat{source: source, special: maps.Clone(special), code: code, engine: e, shapes: map[string]*shapeEntry{}}, nil
}

// WithDate is the same chat template with a date for strftime_now. A build names its date, so that the next one gives the same bytes.
func (c *Chat) WithDate(date time.Time) *Chat {
	e := *c.engine
	e.date = date
	return &Chat{source: c.source, special: c.special, code: c.code, engine: &e, shapes: map[string]*shapeEntry{}}
}

// UsesDate says whether the template asks for today's date somewhere.
func (c *Chat) UsesDate() bool { return c.code.usesDate }

// Source is the Jinja source. Special is a copy of the named tokens.
func (c *Chat) Source() string { return c.source }

// Special is a copy of the named tokens that the template was given.
func (c *Chat) Special() map[string]string { return maps.Clone(c.special) }

// Hash is a SHA-256 in hex over everything that decides what Render writes.
func (c *Chat) Hash() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\nchat %q\n", version, c.source)
	for _, name := range slices.Sorted(maps.Keys(c.special)) {
		fmt.Fprintf(h, "special %q %q\n", name, c.special[name])
	}
	if !c.engine.date.IsZero() {
		fmt.Fprintf(h, "date %s\n", c.engine.date.Format("2006-01-02T15:04:05.000000"))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Render renders a chat as it is, followed by the header of the assistant's turn. Every message's content is untrusted.
// The error wraps ErrRefused where the template itself refuses the chat.
func (c *Chat) Render(messages []Message) (Prompt, error) {
	untrusted := make([][]Span, len(messages))
	for i, m := range messages {
		untrusted[i] = []Span{{0, len(m.Content)}}
	}
	return c.render(messages, untrusted)
}

// render renders messages; untrusted are the spans of each content.
func (c *Chat) render(messages []Message, untrusted [][]Span) (Prompt, error) {
	if s := c.shapeOf(messages); s != nil && s.fits(messages) {
		return s.fill(messages, untrusted), nil
	}
	p, err := c.renderFull(messages, untrusted)
	if err != nil {
		return Prompt{}, c.explain(err)
	}
	return p, nil
}

func (c *Chat) explain(err error) error {
	err = fmt.Errorf("chat template: render: %w", err)
	if c.code.usesDate && c.engine.date.IsZero() && !errors.Is(err, ErrRefused) {
		return fmt.Errorf("%w; the template asks for today's date, and a build has none: give it a fixed one", err)
	}
	return err
}

// maxLearned bounds the shapes that are learned: probing takes longer with each message, and full renders are cheap for long chats.
const (
	maxLearnedTurns  = 4
	maxLearnedShapes = 64
)

func (c *Chat) shapeOf(messages []Message) *shape {
	if len(messages) == 0 || len(messages) > maxLearnedTurns {
		return nil
	}
	var key strings.Builder
	for _, m := range messages {
		fmt.Fprintf(&key, "%q", m.Role)
	}
	c.mu.Lock()
	entry := c.shapes[key.String()]
	if entry == nil {
		if len(c.shapes) == maxLearnedShapes {
			c.mu.Unlock()
			return nil
		}
		entry = &shapeEntry{}
		c.shapes[key.String()] = entry
	}
	c.mu.Unlock()
	entry.once.Do(func() { entry.shape = learn(c.engine, c.code, messages) })
	return entry.shape
}
