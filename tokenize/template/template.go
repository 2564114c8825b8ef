// Package template writes the exact text of a prompt, and says which bytes of it are untrusted.
//
// A question with its context goes through a prompt template ($DOC$ and $Q$), and the result, or a chat that is used as it
// is, through the chat template that comes with a tokenizer (Jinja, as transformers' apply_chat_template renders it):
//
//	context, question ──PromptTemplate──▶ user message ──Chat──▶ Prompt{Text, Spans}
//
// The rule: every byte that a document, a question or a message brought in lies inside a span, so that the tokenizer can
// switch the matching of special tokens off there; what lies outside is the template's own. Where the spans cannot be known
// exactly they grow over the template's text, never the other way round.
//
// The cost: a template is learned once per sequence of roles, in hundreds of tiny renders (milliseconds, tens for long templates). After
// that a sample costs one copy of its text. Contents that a template looks into (a think block in a model's answer) are
// rendered in full by the Jinja engine, about four times the cost.
//
// It is a leaf: it knows no samples, no tokenizer and no clock.
package template

import "strings"

// A Span is a half-open range of bytes of a prompt's text.
type Span struct{ Start, End int }

// A Prompt is the rendered text. Spans are ascending, disjoint, not empty, and cover the untrusted text.
type Prompt struct {
	Text  string
	Spans []Span
}

// BeginsWith says whether the text begins with the token, written by the template and not by a document. A tokenizer that
// would put its BOS in front asks this first, so that there is one BOS and not two.
func (p Prompt) BeginsWith(token string) bool {
	if token == "" || !strings.HasPrefix(p.Text, token) {
		return false
	}
	return len(p.Spans) == 0 || p.Spans[0].Start >= len(token)
}

// A Message is one turn of a chat.
type Message struct {
	Role    string // Example: "user"
	Content string
}
