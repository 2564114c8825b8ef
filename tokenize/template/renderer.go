package template

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// A Renderer writes prompts: questions with their contexts through a prompt template inside a chat template, and chats as they are.
// It is safe for concurrent use.
type Renderer struct {
	prompt *PromptTemplate
	chat   *Chat // nil: none
}

// NewRenderer combines a prompt template with a chat template; a nil chat means none.
func NewRenderer(prompt *PromptTemplate, chat *Chat) *Renderer {
	return &Renderer{prompt: prompt, chat: chat}
}

// Chat is the chat template, or nil.
func (r *Renderer) Chat() *Chat { return r.chat }

// Render puts question and context into the prompt template, and that as the user's message into the chat template.
func (r *Renderer) Render(question, context string) (Prompt, error) {
	p := r.prompt.Fill(question, context)
	if r.chat == nil {
		return p, nil
	}
	return r.chat.render([]Message{{"user", p.Text}}, [][]Span{p.Spans})
}

// RenderChat renders a chat as it is; the prompt template has no part in it.
func (r *Renderer) RenderChat(messages []Message) (Prompt, error) {
	if r.chat == nil {
		return Prompt{}, fmt.Errorf("render a chat of %d messages: there is no chat template; name one, or a tokenizer that has one", len(messages))
	}
	return r.chat.Render(messages)
}

// BeginsWithBOS says whether the chat template wrote its bos_token at the start of the prompt, so that no second one is added.
func (r *Renderer) BeginsWithBOS(p Prompt) bool {
	return r.chat != nil && p.BeginsWith(r.chat.special["bos_token"])
}

// Hash is a SHA-256 in hex over everything that decides what Render writes.
func (r *Renderer) Hash() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\nprompt %q\n", version, r.prompt.text)
	if r.chat != nil {
		fmt.Fprintf(h, "chat %s\n", r.chat.Hash())
	}
	return hex.EncodeToString(h.Sum(nil))
}
