package eval

import (
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/longctx/pipeline/tokenize/bpe"
	"github.com/longctx/pipeline/tokenize/template"
)

// realTokens is a real tokenizer: cutting is hard where tokens cross words.
var realTokens = sync.OnceValues(func() (*bpe.Tokenizer, error) { return bpe.Named("cl100k_base") })

func newPrompter(t testing.TB, context int, truncate string) *prompter {
	tok, err := realTokens()
	if err != nil {
		t.Fatal(err)
	}
	text, err := template.ParsePrompt("", "")
	if err != nil {
		t.Fatal(err)
	}
	return &prompter{&Config{MaxTokens: 100, ContextLength: context, Truncate: truncate}, text, tok}
}

func (p *prompter) question(context string) *fullQuestion {
	q := &fullQuestion{Context: context}
	q.Text = "What is it?"
	q.PromptLength = int32(p.tok.Count(p.template.Fill(q.Text, context).Text, bpe.Options{NoSpecial: true}))
	return q
}

func TestACutPromptFitsAndKeepsBothEnds(t *testing.T) {
	p := newPrompter(t, 600, TruncateMiddle)
	rapid.Check(t, func(rt *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[a-z]{1,9}|[0-9]+|[äöü漢字🙂]{1,3}`), 400, 1500).Draw(rt, "words")
		context := "FIRST " + strings.Join(words, " ") + " LAST"
		q := p.question(context)
		a, err := p.chat(q)
		if err != nil || a.refused != "" {
			rt.Fatalf("%v %s", err, a.refused)
		}
		text := a.prompt.Messages[0].Content
		n := p.tok.Count(text, bpe.Options{NoSpecial: true})
		if n > 500 || a.truncated && n < 440 {
			rt.Errorf("%d tokens of 500, from %d", n, q.PromptLength)
		}
		if a.truncated != (q.PromptLength > 500) || a.truncated != strings.Contains(text, cutMark) {
			rt.Errorf("a prompt of %d: truncated %v", q.PromptLength, a.truncated)
		}
		if !strings.Contains(text, "FIRST ") || !strings.Contains(text, " LAST") || !strings.Contains(text, "What is it?") || !utf8.ValidString(text) {
			rt.Errorf("an end is missing: %q", text)
		}
	})
}

func TestWithoutTruncationAPromptThatDoesNotFitIsRefused(t *testing.T) {
	p := newPrompter(t, 600, TruncateNone)
	a, err := p.chat(p.question(strings.Repeat("word ", 1000)))
	if err != nil || !strings.HasPrefix(a.refused, "overlong: ") {
		t.Errorf("%+v, %v", a, err)
	}
	if a, err := p.chat(p.question("short")); err != nil || a.refused != "" || a.truncated {
		t.Errorf("%+v, %v", a, err)
	}
	// A question that is too long by itself cannot be saved by cutting the context.
	p = newPrompter(t, 120, TruncateMiddle)
	if a, _ := p.chat(p.question("a few words of context")); a.refused == "" {
		t.Errorf("%+v", a)
	}
}

func TestAChatIsAskedAsItIs(t *testing.T) {
	p := newPrompter(t, 0, TruncateNone)
	a, err := p.chat(&fullQuestion{Messages: `[{"role":"system","content":"s"},{"role":"user","content":"$Q$"}]`})
	if err != nil || len(a.prompt.Messages) != 2 || a.prompt.Messages[0].Role != "system" || a.prompt.Messages[1].Content != "$Q$" {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := p.chat(&fullQuestion{Messages: `{`}); err == nil {
		t.Error("no error over broken messages")
	}
}
