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

// encode returns the tokens of row i. The prompt's ids are in scratch, which it returns grown.
func (s *Stage) encode(v dataset.Batch, i int, scratch []int32) (dataset.Tokens, []int32, error) {
	p, err := s.Prompt(v.Question(i), v.Context(i), v.Messages(i))
	if err != nil {
		return dataset.Tokens{}, scratch, err
	}
	// Inside a chat template nothing is added, as in transformers: the template has written
	// its own BOS if the model wants one.
	o := bpe.Options{AddSpecial: s.renderer.Chat() == nil}
	if s.options.SpecialTokens == SpecialText {
		o.Plain = plainSpans(p.Spans)
	}
	scratch = s.tok.AppendEncode(scratch, p.Text, o)
	t := dataset.Tokens{Prompt: scratch}
	if r := v.Response(i); r != "" {
		// The response is what the policy shall write, so its special tokens are meant.
		t.Response = s.tok.Encode(r, bpe.Options{})
		if s.eos >= 0 {
			t.Response = append(t.Response, s.eos)
		}
	}
	if s.options.CountQuestionContext {
		t.QuestionContextLength = int32(s.tok.Count(template.Strip(v.Question(i)), bpe.Options{NoSpecial: true}) +
			s.tok.Count(template.Strip(v.Context(i)), bpe.Options{NoSpecial: true}))
	}
	return t, scratch, nil
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
