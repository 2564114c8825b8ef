package tokenize

import (
	"encoding/json"
	"strings"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/tokenize/bpe"
	"github.com/longctx/pipeline/tokenize/template"
)

// Prompt renders one sample's prompt.
func (s *Stage) Prompt(question, context, messages string) (template.Prompt, error) {
	if messages == "" {
		return s.renderer.Render(question, context)
	}
	var turns []template.Message
	if err := json.Unmarshal([]byte(messages), &turns); err != nil {
		return template.Prompt{}, err
	}
	return s.renderer.RenderChat(turns)
}

// bytesPerToken is about how many bytes of text a token takes, to make room for ids.
const bytesPerToken = 4

// encode adds the tokens of row i. A prompt that cannot be rendered has none, and an error.
func (s *Stage) encode(v dataset.Batch, i int, tokens *dataset.TokenBuilder) error {
	p, err := s.Prompt(v.Question(i), v.Context(i), v.Messages(i))
	if err != nil {
		tokens.Append(dataset.Tokens{})
		return err
	}
	// Inside a chat template nothing is added, as in transformers: the template has written
	// its own BOS if the model wants one.
	o := bpe.Options{AddSpecial: s.renderer.Chat() == nil}
	if s.options.SpecialTokens == SpecialText {
		o.Plain = plainSpans(p.Spans)
	}
	tokens.AppendPrompt(len(p.Text)/bytesPerToken, func(dst []int32) []int32 { return s.tok.AppendEncode(dst, p.Text, o) })
	tokens.AppendRest(s.response(v.Response(i)), s.questionContextLength(v, i))
	return nil
}

// response returns the ids of a response and of the token that ends it. The response is what
// the policy shall write, so its special tokens are meant.
func (s *Stage) response(text string) []int32 {
	if text == "" {
		return nil
	}
	ids := s.tok.Encode(text, bpe.Options{})
	if s.eos >= 0 {
		ids = append(ids, s.eos)
	}
	return ids
}

// questionContextLength is the paper's |x| + |c|, where it is asked for.
func (s *Stage) questionContextLength(v dataset.Batch, i int) int32 {
	if !s.options.CountQuestionContext {
		return 0
	}
	plain := bpe.Options{NoSpecial: true}
	return int32(s.tok.Count(template.Strip(v.Question(i)), plain) + s.tok.Count(template.Strip(v.Context(i)), plain))
}

func plainSpans(spans []template.Span) []bpe.Span {
	plain := make([]bpe.Span, len(spans))
	for i, s := range spans {
		plain[i] = bpe.Span(s)
	}
	return plain
}

// forges reports whether what the sample brings in spells a special token.
func (s *Stage) forges(v dataset.Batch, i int) bool {
	return s.tok.HasAddedToken(v.Question(i)) || s.tok.HasAddedToken(v.Context(i)) || s.tok.HasAddedToken(v.Messages(i))
}

const excerptRunes = 120

func refuse(v dataset.Batch, i int, err error) dataset.Reject {
	sample, place := v.Sample(i), v.Place(i)
	excerpt := sample.Messages
	if excerpt == "" {
		excerpt = sample.Question
	}
	if r := []rune(excerpt); len(r) > excerptRunes {
		excerpt = string(r[:excerptRunes])
	}
	return dataset.Reject{
		Stage: string(dataset.StageTokenize), Source: sample.Source, Line: place.Line, Offset: place.Offset,
		SourceID: sample.SourceID, SampleID: sample.ID, Reason: dataset.ReasonChatTemplate,
		Detail: strings.TrimSpace(err.Error()), Excerpt: excerpt,
	}
}
