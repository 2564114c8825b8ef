package template

import (
	"strings"
	"testing"
	"testing/fstest"
)

// FuzzPrompt: a prompt template that is taken holds question and context once each, in spans of
// their own, whatever they are.
func FuzzPrompt(f *testing.F) {
	f.Add("<text>$DOC$</text> $Q$", "What?", "It is.")
	f.Add("$Q$$DOC$", "$DOC$", "$Q$")
	f.Add("$DOC$$DOC$$Q$", "", "\xff")
	f.Fuzz(func(t *testing.T, text, question, context string) {
		p, err := ParsePrompt("fuzz", text)
		if err != nil {
			return
		}
		filled := p.Fill(question, context)
		checkSpans(t, filled)
		if !strings.Contains(filled.Text, Strip(context)) || !strings.Contains(filled.Text, Strip(question)) {
			t.Errorf("%q lost its question or context", filled.Text)
		}
	})
}

// FuzzTokenizerConfig: the files beside a tokenizer give a chat template, none or an error.
func FuzzTokenizerConfig(f *testing.F) {
	f.Add([]byte(`{"chat_template":"{{ messages[0].content }}","bos_token":{"content":"<s>"},"eos_token":"</s>"}`))
	f.Add([]byte(`{"chat_template":[{"name":"default","template":"x"},{"name":"tool_use","template":"y"}]}`))
	f.Add([]byte(`{"chat_template":[{"name":1}],"bos_token":[]}`))
	f.Fuzz(func(_ *testing.T, config []byte) {
		_, _ = loadChat(fstest.MapFS{"tokenizer_config.json": {Data: config}})
	})
}
