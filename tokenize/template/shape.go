package template

import (
	"fmt"
	"strings"
)

// A shape is what a template writes around the contents of a fixed sequence of roles:
//
//	fixed[0] content[0] fixed[1] content[1] ... fixed[n]
//
// It is trusted only for contents that hold none of the triggers: texts that the template looks for, or that were seen to
// change the rendering.
type shape struct {
	fixed     []string
	trimmings []trimming
	triggers  []string
	fullEmpty bool // contents that are empty or only whitespace need a full render
}

// maxProbeTicks bounds the loops of one probe: a template that loops more is not worth, or not safe, to learn.
const maxProbeTicks = 4096

// suspects are texts that templates look for, beside the literals in their source.
var suspects = []string{
	"</think>", "<think>", "<|im_start|>", "<|im_end|>", "<tool_response>", "</tool_response>", "<tool_call>", "<|eot_id|>", "[INST]", "[/INST]", "<s>", "</s>",
	"<|channel|>", "<start_of_turn>", "<end_of_turn>",
}

// plain are contents that must pass through (or lose only the whitespace at their ends), or the shape is not learned at all.
var plain = []string{
	"x", "a b", " lead", "trail ", "\n\nx\n\n", "\t x \r\n", "\u00a0x\u3000", "\x1cx\x1f", "\n x", "x \n", "é e\u0301 日本語 👩‍👩‍👧 ß İ \u202e",
	"\"q\" 'q' \\ \\n `x`", "{{ x }} {% y %} {# z #} {{", "<a href='b'>&amp;</a> <&>", "1", "0", "true", "None", "a\x00b\x7f", "Mixed CASE Words", "a\r\nb\rc\n\n\n\nd",
	"a.b,c;d:e!f?g", "[1, 2]", `{"a": [1, null]}`, "$DOC$ $Q$ %s %d", "- a\n- b\n# c", strings.Repeat("long words ", 40), strings.Repeat("0123456789\n", 1000),
}

// learn finds the shape of the messages' roles, or nil where contents cannot be shown to pass through. It needs no documents.
func learn(e *engine, code *rewritten, messages []Message) *shape {
	l := &learner{engine: e, code: code, probes: make([]Message, len(messages))}
	for i, m := range messages {
		l.probes[i] = Message{m.Role, fmt.Sprintf("qzs%dzq", i)}
	}
	if !l.split() || !l.plain() {
		return nil
	}
	l.empty()
	l.literals()
	return &l.shape
}

type learner struct {
	shape
	engine *engine
	code   *rewritten
	probes []Message
	seen   map[string]bool
}

// split renders sentinels and cuts the text at them; each must come out once, and in order.
func (l *learner) split() bool {
	text, err := l.engine.renderWithin(l.probes, maxProbeTicks)
	if err != nil {
		return false
	}
	for _, p := range l.probes {
		if strings.Count(text, p.Content) != 1 {
			return false
		}
		before, after, _ := strings.Cut(text, p.Content)
		l.fixed = append(l.fixed, before)
		text = after
	}
	l.fixed = append(l.fixed, text)
	return len(l.fixed) == len(l.probes)+1
}

// plain settles for each slot how its ends are trimmed, with all plain contents.
func (l *learner) plain() bool {
	l.trimmings = make([]trimming, len(l.probes))
	for slot := range l.probes {
		if !l.settle(slot) {
			return false
		}
	}
	// All slots at once: one content may change how another is treated.
	for i := range plain {
		contents := make([]Message, len(l.probes))
		for slot, p := range l.probes {
			contents[slot] = Message{p.Role, plain[(i+slot)%len(plain)]}
		}
		if !l.passes(contents) {
			return false
		}
	}
	return true
}

func (l *learner) settle(slot int) bool {
next:
	for _, t := range trimmings {
		l.trimmings[slot] = t
		for _, content := range plain {
			if !l.passesWith(slot, content) {
				continue next
			}
		}
		return true
	}
	return false
}

func (l *learner) empty() {
	for slot := range l.probes {
		for _, content := range []string{"", " ", "\n", " \n\t ", "\u3000"} {
			if !l.passesWith(slot, content) {
				l.fullEmpty = true
				return
			}
		}
	}
	blank := make([]Message, len(l.probes))
	for slot, p := range l.probes {
		blank[slot] = Message{p.Role, ""}
	}
	l.fullEmpty = !l.passes(blank)
}

// literals finds the triggers. What the template plainly looks for is one, unseen: conditions over several messages are more than
// probes can cover. Every other literal is tried alone, at the start, in the middle, at the end, twice, and in all messages at once.
func (l *learner) literals() {
	l.seen = map[string]bool{}
	for _, s := range l.code.lookups {
		l.trigger(s)
	}
	for _, s := range append(append([]string(nil), l.code.literals...), suspects...) {
		for slot := range l.probes {
			for _, content := range []string{s, s + "x", "x" + s, "x" + s + "y", "x" + s + "\n\ny" + s + "z", "\n" + s + "\n", strings.TrimSpace(s) + " x"} {
				if !l.passesWith(slot, content) {
					l.trigger(s)
				}
			}
		}
		everywhere := make([]Message, len(l.probes))
		for slot, p := range l.probes {
			everywhere[slot] = Message{p.Role, s + "x" + s}
		}
		if !l.passes(everywhere) {
			l.trigger(s)
		}
	}
}

func (l *learner) trigger(s string) {
	// A literal with spaces at its ends also acts without them where the template strips first.
	if s = Strip(s); s == "" {
		l.fullEmpty = true
		return
	}
	if !l.seen[s] {
		l.seen[s] = true
		l.triggers = append(l.triggers, s)
	}
}

func (l *learner) passesWith(slot int, content string) bool {
	old := l.probes[slot].Content
	l.probes[slot].Content = content
	ok := l.passes(l.probes)
	l.probes[slot].Content = old
	return ok
}

// passes says whether the engine writes what the shape would write.
func (l *learner) passes(messages []Message) bool {
	text, err := l.engine.renderWithin(messages, maxProbeTicks)
	return err == nil && text == l.fill(messages, make([][]Span, len(messages))).Text
}

// fits says whether the shape holds for these contents.
func (s *shape) fits(messages []Message) bool {
	for _, m := range messages {
		if s.fullEmpty && Strip(m.Content) == "" {
			return false
		}
		for _, t := range s.triggers {
			if strings.Contains(m.Content, t) {
				return false
			}
		}
	}
	return true
}

func (s *shape) fill(messages []Message, untrusted [][]Span) Prompt {
	var b builder
	n := len(s.fixed[0])
	for i, m := range messages {
		n += len(s.fixed[i+1]) + len(m.Content)
	}
	b.grow(n)
	b.fixed(s.fixed[0])
	for i, m := range messages {
		start := b.text.Len()
		b.fixed(s.trimmings[i].apply(m.Content))
		b.shifted(untrusted[i], start, b.text.Len(), s.trimmings[i].cutLeft(m.Content))
		b.fixed(s.fixed[i+1])
	}
	return b.prompt()
}
