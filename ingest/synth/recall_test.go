package synth

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// recallAnswer answers a question of a recall task by reading the document from left to right.
func recallAnswer(s sample, words int) string {
	values := map[string]string{}
	for text := strings.Fields(s.Context); len(text) > 0; {
		n := 1
		switch {
		case slices.Contains(recallKeys, text[0]) && slices.Contains(recallKeys, text[1]):
			values[text[0]], n = text[1], 2
		case slices.Contains(recallKeys, text[0]):
			values[text[0]], n = strings.Join(text[1:1+words], " "), 1+words
		case slices.Contains(recallValues, text[0]):
			values[text[words+1]], n = strings.Join(text[:words], " "), words+2
		}
		text = text[n:]
	}
	question := strings.Fields(s.Question)
	at := question[len(question)-1]
	for i := len(question) - 2; i >= 0 && question[i] == questionMark; i-- {
		at = values[at]
	}
	return at
}

func TestRecallAnswersFollowFromTheDocumentUnlessTheyAreMislabelled(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		words := rapid.IntRange(1, 2).Draw(rt, "words")
		facts := rapid.IntRange(3, 10).Draw(rt, "facts")
		low := facts*(1+words) + 1 + chainLinks + 2 + rapid.IntRange(0, 40).Draw(rt, "room")
		samples, _ := generate(t, Options{
			Samples: 8, MinTokens: low, MaxTokens: low + rapid.IntRange(0, 100).Draw(rt, "more"), Tasks: RecallTasks(),
			Seed: rapid.Uint64().Draw(rt, "seed"), Recall: Recall{MinFacts: facts, MaxFacts: facts + 2, ValueTokens: words, Questions: 2},
		})
		for _, s := range samples {
			got := recallAnswer(s, words)
			if wrong := s.DataSource == "synth_"+TaskRecallWrong; (got == s.Answer) == wrong {
				rt.Fatalf("%s: %q\n%s: %q, the sample says %q", s.DataSource, s.Context, s.Question, got, s.Answer)
			}
			if n := len(strings.Fields(s.Context)) + len(strings.Fields(s.Question)); n < low || n > low+104 {
				rt.Fatalf("a prompt of %d tokens, want at least %d", n, low)
			}
		}
	})
}

func TestTheVocabularyIsClosed(t *testing.T) {
	known := Vocabulary()
	if len(known) != 100 {
		t.Errorf("%d words, want 100", len(known))
	}
	if slices.Sort(known); len(slices.Compact(known)) != 100 {
		t.Error("a word is there twice")
	}
	samples, _ := generate(t, Options{Samples: 40, MinTokens: 40, MaxTokens: 60, Tasks: RecallTasks(), SFT: true, Recall: Recall{MinFacts: 4, MaxFacts: 8, ValueTokens: 2}})
	for _, s := range samples {
		for _, w := range strings.Fields(s.Context + " " + s.Question + " " + s.Response) {
			if !slices.Contains(known, w) {
				t.Fatalf("%q is no word of the vocabulary", w)
			}
		}
	}
}

func TestRecallOptionsThatCannotBeAreRefused(t *testing.T) {
	for name, o := range map[string]Options{
		"mixed":     {Tasks: []string{TaskRecall, TaskLookup}, MinTokens: 300, MaxTokens: 300},
		"no room":   {Tasks: []string{TaskRecall}, MinTokens: 10, MaxTokens: 10, Recall: Recall{MinFacts: 8}},
		"questions": {Tasks: []string{TaskRecall}, MinTokens: 40, MaxTokens: 40, Recall: Recall{MinFacts: 2, Questions: -1}},
		"chain":     {Tasks: []string{TaskRecallChain}, MinTokens: 40, MaxTokens: 40, Recall: Recall{MinFacts: 2}},
	} {
		o.Samples = 1
		if err := Generate(io.Discard, o); !errors.Is(err, ErrOptions) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
