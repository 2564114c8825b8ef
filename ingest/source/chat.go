package source

import (
	"slices"
	"strings"

	"github.com/longctx/pipeline/dataset"
)

// A chat is a list of turns: {"role", "content"}, or {"from", "value"} as ShareGPT has it.
// Its canonical text is a list of {"role", "content"}; turns that carry more, such as a
// name, keep it. What no template can show yet (tools, their calls and results) is a
// reject: a chat without it would be another chat.
type chat struct {
	turns    []turn
	lastUser string
	notes    dataset.Notes
}

type turn struct {
	raw     Value
	role    string
	content string
}

// roles are those that every template knows; otherRoles are ShareGPT's words and its kin's.
var (
	roles        = []string{"system", "developer", "user", "assistant"}
	otherRoles   = map[string]string{"human": "user", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "model": "assistant"}
	toolFields   = [...]string{"tools", "functions"}          // of a record
	callingField = [...]string{"tool_calls", "function_call"} // of a turn
)

// toolsBeside returns a problem if the record offers its chat tools.
func toolsBeside(r *Record) *Problem {
	for _, name := range toolFields {
		if v := r.Get(name); !hollow(v) {
			return problem(dataset.ReasonUnknownMessage, "the chat has %q beside it, and tools are not known yet", name)
		}
	}
	return nil
}

// unknown returns a problem if the turn, the one of some number from 1, is none that templates know.
func (t turn) unknown(number int) *Problem {
	if !slices.Contains(roles, t.role) {
		return problem(dataset.ReasonUnknownMessage, "turn %d has the role %q; roles are %s", number, t.role, strings.Join(roles, ", "))
	}
	for _, name := range callingField {
		if !hollow(t.raw.Get(name)) {
			return problem(dataset.ReasonUnknownMessage, "turn %d has %q, and tools are not known yet", number, name)
		}
	}
	return nil
}

// hollow reports whether a value says nothing: sets whose records all have the same fields
// write null, "", [] or an object of nulls where there is none. Tools may be JSON text too.
func hollow(v Value) bool {
	switch v.Kind() {
	case KindNone, KindNull:
		return true
	case KindString:
		switch strings.TrimSpace(string(appendUnquoted(nil, v))) {
		case "", "[]", "{}", "null":
			return true
		}
	case KindList:
		for item := range v.Items() {
			if !hollow(item) {
				return false
			}
		}
		return true
	case KindObject:
		for _, f := range v.Fields() {
			if !hollow(f) {
				return false
			}
		}
		return true
	}
	return false
}

func (o *Out) readChat(name string, v Value) (chat, *Problem) {
	var c chat
	if v.Kind() != KindList {
		return c, wrongType(name, v, "a list of turns")
	}
	for item := range v.Items() {
		t := turn{raw: item}
		role, content := item.Get("role"), item.Get("content")
		if role.IsNone() {
			role, content = item.Get("from"), item.Get("value")
		}
		if role.Kind() != KindString {
			return c, wrongType(name+"[].role", role, "text")
		}
		t.role = o.unquote(role)
		if r, ok := otherRoles[t.role]; ok {
			t.role = r
		}
		if bad := t.unknown(len(c.turns) + 1); bad != nil {
			return c, bad
		}
		var ok bool
		if t.content, ok = o.turnText(content); !ok {
			return c, wrongType(name+"[].content", content, "text")
		}
		c.notes |= noteNUL(t.content)
		if t.role == "user" {
			c.lastUser = t.content
		}
		c.turns = append(c.turns, t)
	}
	if len(c.turns) == 0 {
		return c, problem(dataset.ReasonEmptyQuestion, "the chat has no turns")
	}
	return c, nil
}

// turnText returns the text of a turn; a list of text parts is joined, null is empty.
func (o *Out) turnText(v Value) (string, bool) {
	switch v.Kind() {
	case KindNull, KindNone:
		return "", true
	case KindString:
		return o.unquote(v), true
	case KindList:
	default:
		return "", false
	}
	ok := true
	s := o.build(len(v), func(b []byte) []byte {
		for part := range v.Items() {
			t := part.Get("text")
			ok = ok && t.Kind() == KindString
			b = appendUnquoted(b, t)
		}
		return b
	})
	return s, ok
}

// json returns the canonical text of some turns.
func (o *Out) json(turns []turn) string {
	size := 2
	for _, t := range turns {
		size += len(t.raw) + 16
	}
	return o.build(size, func(b []byte) []byte {
		b = append(b, '[')
		for i, t := range turns {
			if i > 0 {
				b = append(b, ',')
			}
			b = t.append(b)
		}
		return append(b, ']')
	})
}

func (t turn) append(b []byte) []byte {
	fields := 0
	for range t.raw.Fields() {
		fields++
	}
	if fields > 2 && !t.raw.Get("role").IsNone() && t.raw.Get("content").Kind() != KindList {
		return t.appendWhole(b)
	}
	b = appendQuoted(append(b, `{"role":`...), t.role)
	b = appendQuoted(append(b, `,"content":`...), t.content)
	return append(b, '}')
}

// appendWhole appends all that the turn carries, its role in the usual word.
func (t turn) appendWhole(b []byte) []byte {
	sep := byte('{')
	for name, v := range t.raw.Fields() {
		b = append(appendQuoted(append(b, sep), name), ':')
		sep = ','
		if name == "role" {
			b = appendQuoted(b, t.role)
			continue
		}
		b = appendCompact(b, v)
	}
	return append(b, '}')
}

// chatSample makes the one sample of a chat: an SFT sample if its last turn is the
// assistant's, else one whose answers the record must name.
func (o *Out) chatSample(id, name string, v Value, s *dataset.Sample, hasAnswer bool) {
	c, bad := o.readChat(name, v)
	if bad != nil {
		o.Reject(id, bad)
		return
	}
	last := c.turns[len(c.turns)-1]
	prompt := c.turns
	switch last.role {
	case "assistant":
		prompt = prompt[:len(prompt)-1]
		if s.Response = last.content; blank(s.Response) {
			o.Reject(id, problem(dataset.ReasonEmptyAnswer, "the assistant's last turn is empty"))
			return
		}
	case "user":
		if !hasAnswer {
			o.Reject(id, missing("answer"))
			return
		}
	default:
		o.Reject(id, problem(dataset.ReasonWrongType, "the chat ends with a turn of %q", last.role))
		return
	}
	s.Question, s.Messages = c.lastUser, o.json(prompt)
	o.setContext("")
	o.docNotes = c.notes
	o.Sample(s)
}

// promptSample makes the one sample whose prompt is a chat, used as it is; its answers stand beside it.
func (o *Out) promptSample(prompt Value, s *dataset.Sample) {
	c, bad := o.readChat("prompt", prompt)
	if bad != nil {
		o.Reject(s.SourceID, bad)
		return
	}
	s.Question, s.Messages = c.lastUser, o.json(c.turns)
	o.docNotes = c.notes
	o.Sample(s)
}
