package template

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var goldenSpecial = map[string]string{"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"}

func mustPrompt(t testing.TB, name, text string) *PromptTemplate {
	t.Helper()
	p, err := ParsePrompt(name, text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTheDefaultPromptIsTheOneOfQwenLong(t *testing.T) {
	got := mustPrompt(t, "", "").Fill("\tQ?\n", "\u3000D\x1f")
	want := Prompt{
		Text:  "Please read the following text and answer the question below.\n\n<text>\nD\n</text>\n\nQ?\n\nFormat your response as follows: \"Therefore, the answer is (insert answer here)\".",
		Spans: []Span{{70, 71}, {81, 83}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAPlaceholderInADocumentStaysText(t *testing.T) {
	p := mustPrompt(t, "file", "<$Q$|$DOC$>").Fill("$DOC$", "$Q$ $DOC$")
	if want := "<$DOC$|$Q$ $DOC$>"; p.Text != want {
		t.Errorf("got %q, want %q", p.Text, want)
	}
}

func TestAPromptTemplateWithoutItsPlaceholdersIsRefused(t *testing.T) {
	for _, text := range []string{"$DOC$", "$Q$", "x", "$DOC$ $DOC$ $Q$", "$Q$$Q$$DOC$"} {
		if _, err := ParsePrompt("p.txt", text); err == nil || !strings.Contains(err.Error(), "p.txt") {
			t.Errorf("%q: error %v does not name the template", text, err)
		}
	}
	if _, err := ParsePrompt("qwenlong", ""); err == nil {
		t.Error("an unknown built-in was taken")
	}
}

// fragments are what templates and forgers care about, among plain text.
func contents() *rapid.Generator[string] {
	piece := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
		"</think>", "<think>", "<|im_end|>", "<|im_start|>", "<|end|>", "<obs>", "</obs>", " ", "\n", "\n\n", "\u3000", "\x1c", "<bos>", "<eos>", "[INST]", "{{", "%}", "é", "word", "qz0v0zq", "$Q$",
	}))
	return rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(piece, 0, 6).Draw(t, "pieces"), "") })
}

var passing = []string{"chatml.jinja", "trim-blocks.jinja", "bos-trim.jinja", "think.jinja", "macros.jinja", "date.jinja", "late-system.jinja", "generation.jinja", "raw.jinja"}

func TestSpansCoverExactlyTheStrippedQuestionAndContext(t *testing.T) {
	prompt := mustPrompt(t, "", "")
	for _, name := range passing {
		r := NewRenderer(prompt, goldenChat(t, name, goldenSpecial))
		rapid.Check(t, func(t *rapid.T) {
			question, context := contents().Draw(t, "question"), contents().Draw(t, "context")
			p, err := r.Render(question, context)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, s := range []string{Strip(context), Strip(question)} {
				if s != "" {
					want = append(want, s)
				}
			}
			inside, _ := spanTexts(p)
			if diff := cmp.Diff(want, inside); diff != "" {
				t.Fatalf("%s: %s", name, diff)
			}
		})
	}
}

func TestTextOutsideTheSpansIsTheSameForAllSamples(t *testing.T) {
	for _, name := range passing {
		r := NewRenderer(mustPrompt(t, "", ""), goldenChat(t, name, goldenSpecial))
		first, _ := r.Render("q", "d")
		_, want := spanTexts(first)
		rapid.Check(t, func(t *rapid.T) {
			p, err := r.Render("q"+contents().Draw(t, "question"), "d"+contents().Draw(t, "context"))
			if err != nil {
				t.Fatal(err)
			}
			if _, got := spanTexts(p); got != want {
				t.Fatalf("%s: outside is %q, want %q", name, got, want)
			}
		})
	}
}

func TestTheFastPathEqualsTheFullRender(t *testing.T) {
	entries, err := os.ReadDir("testdata/jinja")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		chat := goldenChat(t, e.Name(), goldenSpecial)
		rapid.Check(t, func(t *rapid.T) {
			messages := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Message {
				return Message{rapid.SampledFrom([]string{"user", "assistant", "system"}).Draw(t, "role"), contents().Draw(t, "content")}
			}), 1, 4).Draw(t, "messages")
			want, err := chat.engine.render(messages)
			got, gotErr := chat.Render(messages)
			if gotErr != nil && err == nil && strings.Contains(gotErr.Error(), "cannot be found") {
				return
			}
			if (err == nil) != (gotErr == nil) || got.Text != want {
				t.Fatalf("%s: got %q (%v), full render %q (%v)", e.Name(), got.Text, gotErr, want, err)
			}
		})
	}
}

// A forged token must lie inside a span wherever it came from a content.
func TestAContentCannotPutASpecialTokenOutsideTheSpans(t *testing.T) {
	for _, name := range passing {
		chat := goldenChat(t, name, goldenSpecial)
		rapid.Check(t, func(t *rapid.T) {
			roles := []string{"user", "assistant", "user"}
			var messages, clean []Message
			for _, role := range roles {
				content := contents().Draw(t, role)
				messages = append(messages, Message{role, "a " + content + "<|forged|>" + contents().Draw(t, role) + " z"})
				clean = append(clean, Message{role, "x"})
			}
			p, err := chat.Render(messages)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := chat.Render(clean); err != nil {
				t.Fatal(err)
			}
			if _, outside := spanTexts(p); strings.Contains(outside, "<|forged|>") {
				t.Fatalf("%s: forged outside of the spans: %q", name, outside)
			}
		})
	}
}

func TestAThinkingAnswerIsRenderedInFullWithItsSpan(t *testing.T) {
	chat := goldenChat(t, "think.jinja", goldenSpecial)
	p, err := chat.Render([]Message{{"user", "a"}, {"assistant", "<think>\nhm\n</think>\n\nfine <|end|> so"}, {"user", "c"}})
	if err != nil {
		t.Fatal(err)
	}
	inside, outside := spanTexts(p)
	if diff := cmp.Diff([]string{"a", "fine <|end|> so", "c"}, inside); diff != "" {
		t.Error(diff)
	}
	if want := "<|user|>\n\x00<|end|>\n<|a|>\n\x00<|end|>\n<|user|>\n\x00<|end|>\n<|a|>\n"; outside != want {
		t.Errorf("outside is %q, want %q", outside, want)
	}
}

func TestAChangedContentGetsASpanOverEverythingBetween(t *testing.T) {
	chat, err := ParseChat("<s>{% for m in messages %}[{{ m.content | upper }}]{% endfor %}</s>", nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := chat.Render([]Message{{"user", "a<s>"}, {"user", "b"}})
	if err == nil {
		inside, _ := spanTexts(p)
		t.Fatalf("spans %q of a content that cannot be found", inside)
	}
	chat, _ = ParseChat("<s>{% for m in messages %}[{{ m.content | replace('a', 'b') }}]{% endfor %}</s>", nil)
	p, err = chat.Render([]Message{{"user", "a<s>"}, {"user", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	inside, _ := spanTexts(p)
	if diff := cmp.Diff([]string{"b<s>][b"}, inside); diff != "" {
		t.Error(diff)
	}
}

func TestARefusalOfTheTemplateIsToldApart(t *testing.T) {
	chat := goldenChat(t, "alternate.jinja", goldenSpecial)
	if _, err := chat.Render([]Message{{"user", "a"}, {"user", "b"}}); !errors.Is(err, ErrRefused) {
		t.Errorf("got %v, want ErrRefused", err)
	}
}

func TestWithoutADateTheTemplateUsesItsOwn(t *testing.T) {
	source, _ := os.ReadFile("testdata/jinja/date.jinja")
	chat, err := ParseChat(string(source), goldenSpecial)
	if err != nil {
		t.Fatal(err)
	}
	p, err := chat.Render([]Message{{"user", "x"}})
	if err != nil || !strings.Contains(p.Text, "26 Jul 2024") || !chat.UsesDate() {
		t.Errorf("got %q, %v", p.Text, err)
	}
	chat, _ = ParseChat("{{ strftime_now('%Y') }}{{ messages[0].content }}", nil)
	if _, err := chat.Render([]Message{{"user", "x"}}); err == nil || !strings.Contains(err.Error(), "fixed") {
		t.Errorf("got %v, want a hint about a fixed date", err)
	}
}

func TestHostileTemplatesEndWithAnError(t *testing.T) {
	for name, source := range map[string]string{
		"nested loops":     "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}x{% endfor %}{% endfor %}{% endfor %}",
		"shared range":     "{% set r = range(9999) %}{% for a in r %}{% for b in r %}{% for c in r %}x{% endfor %}{% endfor %}{% endfor %}",
		"huge range":       "{% for a in range(10**15) %}x{% endfor %}",
		"overflow":         "{% for a in range(1, 9223372036854775807, 9223372036854775806) %}{{ raise_exception('two') }}{% endfor %}{{ 1/0 }}{{ range() }}",
		"endless macro":    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
		"mutual macros":    "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}",
		"doubling":         "{% set ns = namespace(s='x') %}{% for a in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
		"self-containing":  "{% set ns = namespace(s='x') %}{% set ns.s = ns %}{{ ns }}",
		"mutation":         "{% set l = [] %}{{ l.append(1) }}",
		"unknown filter":   "{{ 'x' | nope }}",
		"unknown function": "{{ nope() }}",
	} {
		t.Run(name, func(t *testing.T) {
			chat, err := ParseChat(source, nil)
			if err == nil {
				_, err = chat.Render([]Message{{"user", "x"}})
			}
			if err == nil {
				t.Error("it rendered")
			}
		})
	}
}

func TestMalformedTemplatesAreRefused(t *testing.T) {
	for _, source := range []string{
		"{{", "{%", "{#", "{{ 'x }}", "{% raw %}", "{{ ( }}", "{{ ) }}", "{% for %}", "{% if %}{% endif", "{% include 'x' %}", "{{ __tick() }}",
		"{{ " + strings.Repeat("(", 500) + " }}", strings.Repeat("{% if true %}", 500), strings.Repeat("x", maxSource+1),
		"{% for x in y recursive %}{% endfor %}", "{{ 'a b'.split(' ', 1) }}",
	} {
		if _, err := ParseChat(source, nil); err == nil {
			t.Errorf("%.40q was taken", source)
		}
	}
}

func TestATokenizersTemplateIsFoundBesideIt(t *testing.T) {
	config := func(s string) fstest.MapFS { return fstest.MapFS{"tokenizer_config.json": {Data: []byte(s)}} }
	message := []Message{{"user", "x"}}
	for name, c := range map[string]struct {
		dir  fstest.MapFS
		want string // "" means none
	}{
		"string":   {config(`{"bos_token": "<b>", "eos_token": {"content": "<e>"}, "pad_token": null, "chat_template": "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ pad_token }}"}`), "<b>x<e>"},
		"list":     {config(`{"chat_template": [{"name": "tool_use", "template": "no"}, {"name": "default", "template": "d{{ messages[0].content }}"}]}`), "dx"},
		"none":     {config(`{}`), ""},
		"no files": {fstest.MapFS{}, ""},
		"file first": {fstest.MapFS{
			"tokenizer_config.json": {Data: []byte(`{"bos_token": "<b>", "chat_template": "no"}`)},
			"chat_template.jinja":   {Data: []byte("{{ bos_token }}f{{ messages[0].content }}\n")},
		}, "<b>fx"},
	} {
		t.Run(name, func(t *testing.T) {
			chat, err := loadChat(c.dir)
			if err != nil {
				t.Fatal(err)
			}
			if (chat == nil) != (c.want == "") {
				t.Fatalf("chat is %v", chat)
			}
			if chat == nil {
				return
			}
			if p, err := chat.Render(message); err != nil || p.Text != c.want {
				t.Errorf("got %q, %v, want %q", p.Text, err, c.want)
			}
		})
	}
	for _, bad := range []string{`{`, `{"chat_template": 7}`, `{"chat_template": [{"name": "rag", "template": "x"}]}`, `{"chat_template": "{{"}`} {
		if _, err := loadChat(config(bad)); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
	if _, err := LoadChat(filepath.Join(t.TempDir(), "tokenizer.json")); err == nil {
		t.Error("a missing tokenizer was taken")
	}
}

func TestADocumentCannotPassForTheBOS(t *testing.T) {
	chat, _ := ParseChat("{{ messages[0].content }}", goldenSpecial)
	r := NewRenderer(mustPrompt(t, "none", ""), chat)
	if p, _ := r.Render("q", "<bos>"); r.BeginsWithBOS(p) {
		t.Error("a document's <bos> was taken for the template's")
	}
}

func TestTheHashChangesWithEverythingThatDecidesTheText(t *testing.T) {
	a, b := goldenChat(t, "chatml.jinja", goldenSpecial), goldenChat(t, "chatml.jinja", nil)
	seen := map[string]bool{}
	for _, r := range []*Renderer{
		NewRenderer(mustPrompt(t, "", ""), nil), NewRenderer(mustPrompt(t, "none", ""), nil), NewRenderer(mustPrompt(t, "", ""), a),
		NewRenderer(mustPrompt(t, "", ""), b), NewRenderer(mustPrompt(t, "", ""), a.WithDate(goldenDate.AddDate(0, 0, 1))),
	} {
		if h := r.Hash(); seen[h] || h != r.Hash() {
			t.Errorf("hash %s is not of its own", h)
		} else {
			seen[h] = true
		}
	}
}

func TestARendererServesManyGoroutines(t *testing.T) {
	r := NewRenderer(mustPrompt(t, "", ""), goldenChat(t, "think.jinja", goldenSpecial))
	want, err := r.Render("q", "d")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if got, err := r.Render("q", "d"); err != nil || !cmp.Equal(want, got) {
					t.Errorf("got %v, %v", got, err)
				}
				if _, err := r.RenderChat([]Message{{"user", "a"}, {"assistant", "</think> b"}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzParseAndRender(f *testing.F) {
	entries, _ := os.ReadDir("testdata/jinja")
	for _, e := range entries {
		source, _ := os.ReadFile(filepath.Join("testdata/jinja", e.Name()))
		f.Add(string(source), " a <|im_end|></think> b\n")
	}
	f.Fuzz(func(t *testing.T, source, content string) {
		chat, err := ParseChat(source, goldenSpecial)
		if err != nil {
			return
		}
		if p, err := chat.Render([]Message{{"user", content}}); err == nil {
			checkSpans(t, p)
		}
	})
}

func BenchmarkRender50KB(b *testing.B) {
	document := strings.Repeat("The quick brown fox jumps over the lazy dog. ", 50_000/45)
	for name, content := range map[string]string{"learned": document, "full": document + "</think>" + document[:10]} {
		b.Run(name, func(b *testing.B) {
			r := NewRenderer(mustPrompt(b, "", ""), goldenChat(b, "think.jinja", goldenSpecial))
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Render("Who jumps?", content); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLearn(b *testing.B) {
	chat := goldenChat(b, "think.jinja", goldenSpecial)
	for b.Loop() {
		learn(chat.engine, chat.code, []Message{{"user", ""}})
	}
}
