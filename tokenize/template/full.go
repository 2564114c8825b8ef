package template

import (
	"errors"
	"fmt"
	"strings"
)

// renderFull renders with the engine and then finds the contents in the text: it renders again with every stretch of content
// replaced by a sentinel, and what stands in the sentinels' places in the second text is the content in the first.
func (c *Chat) renderFull(messages []Message, untrusted [][]Span) (Prompt, error) {
	text, err := c.engine.render(messages)
	if err != nil {
		return Prompt{}, err
	}
	// First with the texts that the template looks for left in place; then with whole contents as one stretch, for those that
	// consist of nothing else.
	var k *skeleton
	for _, cuts := range []func(string) []string{c.looksFor, func(string) []string { return nil }} {
		if k, err = c.newSkeleton(messages, cuts); err != nil {
			continue
		}
		if found, ok := k.locate(text); ok {
			return markFound(text, messages, untrusted, found), nil
		}
	}
	if err != nil {
		return Prompt{}, err
	}
	return k.conservative(text)
}

// A stretch is a piece of one message's content without texts that templates look for and without the whitespace at its ends.
type stretch struct {
	message  int
	from, to int // in the content
	sentinel string
}

type skeleton struct {
	messages  []Message
	stretches []stretch
	text      string // rendered with sentinels
	mark      string // every sentinel begins with it
}

// A place is where a message's content begins and ends in the text.
type place struct{ message, start, end int }

func (c *Chat) newSkeleton(messages []Message, cuts func(content string) []string) (*skeleton, error) {
	k := &skeleton{messages: messages, mark: c.unusedMark(messages)}
	hollow := make([]Message, len(messages))
	for i, m := range messages {
		hollow[i] = Message{m.Role, k.hollow(i, m.Content, cuts(m.Content))}
	}
	var err error
	k.text, err = c.engine.render(hollow)
	return k, err
}

// unusedMark begins the sentinels; it stands neither in the template nor in a content.
func (c *Chat) unusedMark(messages []Message) string {
	for n := 0; ; n++ {
		mark := fmt.Sprintf("qz%dv", n)
		used := strings.Contains(c.source, mark)
		for _, m := range messages {
			used = used || strings.Contains(m.Content, mark)
		}
		if !used {
			return mark
		}
	}
}

// looksFor are the texts in the content that the template could look for: its literals that are more than words and spaces.
func (c *Chat) looksFor(content string) []string {
	var found []string
	for _, list := range [][]string{c.code.literals, suspects} {
		for _, s := range list {
			if s = Strip(s); len(s) >= 3 && strings.ContainsAny(s, "<>[]|｜") && strings.Contains(content, s) {
				found = append(found, s)
			}
		}
	}
	return found
}

// hollow replaces the stretches of a content by sentinels.
func (k *skeleton) hollow(message int, content string, cuts []string) string {
	var out strings.Builder
	for pos := 0; pos < len(content); {
		end, cut := nextCut(content, pos, cuts)
		part := content[pos:end]
		core := Strip(part)
		if core == "" {
			out.WriteString(part)
		} else {
			lead := strings.Index(part, core)
			s := stretch{message, pos + lead, pos + lead + len(core), fmt.Sprintf("%s%dzq", k.mark, len(k.stretches))}
			k.stretches = append(k.stretches, s)
			out.WriteString(part[:lead] + s.sentinel + part[lead+len(core):])
		}
		out.WriteString(cut)
		pos = end + len(cut)
	}
	return out.String()
}

// nextCut finds the first of the cuts in content from pos on; the longest where several begin there.
func nextCut(content string, pos int, cuts []string) (int, string) {
	end, cut := len(content), ""
	for _, s := range cuts {
		i := strings.Index(content[pos:], s)
		if i >= 0 && (pos+i < end || pos+i == end && len(s) > len(cut)) {
			end, cut = pos+i, s
		}
	}
	return end, cut
}

// locate puts the stretches back and says where each message's content lies, in order; not ok where the result is not text.
func (k *skeleton) locate(text string) ([]place, bool) {
	var places []place
	pos := 0       // in text
	previous := -1 // the stretch before
	present := make([]bool, len(k.messages))
	for rest := k.text; ; {
		i := strings.Index(rest, k.mark)
		if i < 0 {
			if text[pos:] != rest {
				return nil, false
			}
			break
		}
		n := k.number(rest[i:])
		if n < 0 || !strings.HasPrefix(text[pos:], rest[:i]) {
			return nil, false
		}
		s := k.stretches[n]
		content := k.messages[s.message].Content
		gap := rest[:i]
		pos += i
		core := content[s.from:s.to]
		if !strings.HasPrefix(text[pos:], core) {
			return nil, false
		}
		if previous >= 0 && n > previous && k.stretches[previous].message == s.message {
			places[len(places)-1].end = pos + len(core) // the gap is the content's own, or near enough to be treated as such
		} else {
			places = append(places, place{s.message, pos - ownSuffix(gap, content[:s.from]), pos + len(core)})
		}
		present[s.message] = true
		pos += len(core)
		rest = rest[i+len(s.sentinel):]
		p := &places[len(places)-1]
		p.end = pos + ownPrefix(untilMark(rest, k.mark), content[s.to:])
		previous = n
	}
	for i, m := range k.messages {
		if !present[i] && Strip(m.Content) != "" && !k.dropped(i) {
			return nil, false
		}
	}
	return places, true
}

// dropped says that a content has stretches and none came out: the template leaves this message out.
func (k *skeleton) dropped(message int) bool {
	for _, s := range k.stretches {
		if s.message == message {
			return true
		}
	}
	return false
}

// number reads which sentinel s begins with, or -1.
func (k *skeleton) number(s string) int {
	n, i := 0, len(k.mark)
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9' && n <= len(k.stretches); i++ {
		n = n*10 + int(s[i]-'0')
	}
	if n >= len(k.stretches) || !strings.HasPrefix(s, k.stretches[n].sentinel) {
		return -1
	}
	return n
}

func untilMark(s, mark string) string {
	if i := strings.Index(s, mark); i >= 0 {
		return s[:i]
	}
	return s
}

// ownSuffix is how much of the text before a stretch is the content's own. Spaces alone are the template's, unless they are all that
// the content has there.
func ownSuffix(gap, before string) int {
	n := commonSuffix(gap, before)
	if n < len(before) && Strip(before[len(before)-n:]) == "" {
		return 0
	}
	return n
}

func ownPrefix(gap, after string) int {
	n := commonPrefix(gap, after)
	if n < len(after) && Strip(after[:n]) == "" {
		return 0
	}
	return n
}

func commonSuffix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return n
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// conservative marks everything between the template's first and last words: safe, and its own tokens in between are lost.
func (k *skeleton) conservative(text string) (Prompt, error) {
	first := strings.Index(k.text, k.mark)
	if first < 0 {
		return Prompt{}, errors.New("the template changes the content so that it cannot be found in the text; use another chat template, or none")
	}
	last := k.text[strings.LastIndex(k.text, k.mark):]
	last = last[strings.Index(last, "zq")+2:]
	head := commonPrefix(text, k.text[:first])
	tail := min(commonSuffix(text, last), len(text)-head)
	var b builder
	b.fixed(text)
	b.mark(head, len(text)-tail)
	return b.prompt(), nil
}

func markFound(text string, messages []Message, untrusted [][]Span, places []place) Prompt {
	var b builder
	b.fixed(text)
	for _, p := range places {
		got := text[p.start:p.end]
		exact := false
		for _, t := range trimmings {
			if content := messages[p.message].Content; t.apply(content) == got {
				b.shifted(untrusted[p.message], p.start, p.end, t.cutLeft(content))
				exact = true
				break
			}
		}
		if !exact {
			b.mark(p.start, p.end)
		}
	}
	return b.prompt()
}
