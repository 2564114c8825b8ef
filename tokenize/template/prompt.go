package template

import (
	"fmt"
	"strings"
)

const (
	docMark      = "$DOC$"
	questionMark = "$Q$"
)

// DefaultPrompt is the prompt template that is used where none is named.
const DefaultPrompt = "qwenlong-l1"

// builtin holds the named prompt templates. The first is the one QwenLong-L1 was trained with (arXiv 2505.17667).
var builtin = map[string]string{
	DefaultPrompt: "Please read the following text and answer the question below.\n\n<text>\n" + docMark + "\n</text>\n\n" + questionMark +
		"\n\nFormat your response as follows: \"Therefore, the answer is (insert answer here)\".",
	"none": docMark + "\n\n" + questionMark,
}

// A PromptTemplate puts a context and a question into a fixed text.
type PromptTemplate struct {
	name     string
	text     string
	parts    [3]string // the text before, between and after the two placeholders
	docFirst bool
}

// ParsePrompt reads a prompt template. With an empty text, name is one of the built-in ones ("" means DefaultPrompt). Otherwise
// text is the template, byte for byte, and name is what errors call it. $DOC$ and $Q$ must stand in it exactly once each.
func ParsePrompt(name, text string) (*PromptTemplate, error) {
	if text == "" {
		if name == "" {
			name = DefaultPrompt
		}
		known, ok := builtin[name]
		if !ok {
			return nil, fmt.Errorf("prompt template %q: it is empty, or no built-in has this name (built in: %q, \"none\"); name one of these, or a file that holds %s and %s",
				name, DefaultPrompt, docMark, questionMark)
		}
		text = known
	}
	for _, mark := range []string{docMark, questionMark} {
		if n := strings.Count(text, mark); n != 1 {
			return nil, fmt.Errorf("prompt template %q: placeholder %s is there %d times, and must be there exactly once; write it where the text belongs", name, mark, n)
		}
	}
	t := &PromptTemplate{name: name, text: text}
	doc, question := strings.Index(text, docMark), strings.Index(text, questionMark)
	t.docFirst = doc < question
	if t.docFirst {
		t.parts = [3]string{text[:doc], text[doc+len(docMark) : question], text[question+len(questionMark):]}
	} else {
		t.parts = [3]string{text[:question], text[question+len(questionMark) : doc], text[doc+len(docMark):]}
	}
	return t, nil
}

// Name is the name the template was parsed under. Example: "qwenlong-l1"
func (t *PromptTemplate) Name() string { return t.name }

// Text is the template with its placeholders.
func (t *PromptTemplate) Text() string { return t.text }

// Fill strips question and context as Python's str.strip does and puts them in, in one pass: placeholders inside a document stay text.
func (t *PromptTemplate) Fill(question, context string) Prompt {
	first, second := Strip(context), Strip(question)
	if !t.docFirst {
		first, second = second, first
	}
	var b builder
	b.grow(len(t.text) + len(first) + len(second))
	b.fixed(t.parts[0])
	b.untrusted(first)
	b.fixed(t.parts[1])
	b.untrusted(second)
	b.fixed(t.parts[2])
	return b.prompt()
}
