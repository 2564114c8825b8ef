package eval

import (
	"encoding/json"
	"fmt"

	"github.com/longctx/pipeline/tokenize/bpe"
	"github.com/longctx/pipeline/tokenize/template"
	"github.com/longctx/pipeline/train/reward/endpoint"
)

// A prompter writes what is sent to the server, and keeps it within the context.
type prompter struct {
	c        *Config
	template *template.PromptTemplate // chat only
	tok      *bpe.Tokenizer           // the dataset's; to cut, and to count lengths
}

// An asked is the prompt of one sample, or why there is none.
type asked struct {
	prompt    endpoint.Prompt
	truncated bool
	refused   string
}

// excess is how many tokens of a prompt do not fit beside a response.
func (p *prompter) excess(promptLength int) int {
	if p.c.ContextLength == 0 {
		return 0
	}
	return max(promptLength+p.c.MaxTokens-p.c.ContextLength, 0)
}

func (p *prompter) refuse(promptLength int) asked {
	return asked{refused: fmt.Sprintf("overlong: a prompt of %d tokens and a response of %d do not fit into %d", promptLength, p.c.MaxTokens, p.c.ContextLength)}
}

// chat writes the messages of a sample: its chat, or question and context in the prompt template.
func (p *prompter) chat(q *fullQuestion) (asked, error) {
	over, context := p.excess(int(q.PromptLength)), q.Context
	if over > 0 && p.c.Truncate == TruncateNone {
		return p.refuse(int(q.PromptLength)), nil
	}
	var a asked
	if q.Messages != "" {
		if err := json.Unmarshal([]byte(q.Messages), &a.prompt.Messages); err != nil {
			return a, fmt.Errorf("sample %s: messages: %w", q.SampleID, err)
		}
		if len(a.prompt.Messages) == 0 {
			return asked{refused: "the chat has no messages"}, nil
		}
		longest := 0
		for i, m := range a.prompt.Messages {
			if len(m.Content) > len(a.prompt.Messages[longest].Content) {
				longest = i
			}
		}
		m := &a.prompt.Messages[longest]
		var ok bool
		if m.Content, ok = p.cut(m.Content, over); !ok {
			return p.refuse(int(q.PromptLength)), nil
		}
	} else {
		var ok bool
		if context, ok = p.cut(context, over); !ok {
			return p.refuse(int(q.PromptLength)), nil
		}
		a.prompt.Messages = []endpoint.Message{{Role: "user", Content: p.template.Fill(q.Text, context).Text}}
	}
	a.truncated = over > 0
	return a, nil
}

// cutMark stands where a context was cut, and cutSlack is what it and the two new seams may take
// in tokens.
const (
	cutMark  = "\n[...]\n"
	cutSlack = 16
)

// cut leaves so many tokens out of the middle of a text. ok is false where it is too short.
func (p *prompter) cut(text string, over int) (_ string, ok bool) {
	if over == 0 {
		return text, true
	}
	_, at := p.tok.EncodeOffsets(text, bpe.Options{NoSpecial: true})
	keep := len(at) - over - cutSlack
	if keep < 2 {
		return "", false
	}
	head, tail := at[keep/2-1].End, at[len(at)-(keep-keep/2)].Start
	return text[:head] + cutMark + text[tail:], true
}

// ids takes the token ids that the dataset has, or cuts their middle out: the template stands at
// both ends.
func (p *prompter) ids(q *idQuestion) asked {
	ids := q.PromptTokens
	over := p.excess(len(ids))
	if over > 0 && (p.c.Truncate == TruncateNone || len(ids)-over < 2) {
		return p.refuse(len(ids))
	}
	keep := len(ids) - over
	tokens := make([]int64, 0, keep)
	for i, id := range ids {
		if i < keep/2 || i >= len(ids)-(keep-keep/2) {
			tokens = append(tokens, int64(id))
		}
	}
	return asked{prompt: endpoint.Prompt{Tokens: tokens}, truncated: over > 0}
}
