package tokenize

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/tokenize/bpe"
)

// chatTokenizer writes a small tokenizer with a chat template and returns its file.
func chatTokenizer(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{
		"tokenizer.json": `{"version":"1.0","added_tokens":[
			{"id":5,"content":"<|im_start|>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
			{"id":6,"content":"<|im_end|>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],
			"normalizer":null,"pre_tokenizer":{"type":"Whitespace"},"post_processor":null,"decoder":null,
			"model":{"type":"WordLevel","vocab":{"[UNK]":0,"user":1,"assistant":2,"who":3,"ann":4,"<|im_start|>":5,"<|im_end|>":6,"im_end":7,"<|":8,"|>":9},"unk_token":"[UNK]"}}`,
		"tokenizer_config.json": `{"eos_token":"<|im_end|>","chat_template":"{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}{% if messages[-1]['role'] != 'user' %}{{ raise_exception('the last turn must be the user\\'s') }}{% endif %}<|im_start|>assistant\n"}`,
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "tokenizer.json")
}

// apply runs a stage over samples.
func apply(t *testing.T, o Options, samples ...dataset.Sample) (dataset.Batch, map[int]dataset.Reject) {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	b := dataset.NewBatchBuilder()
	t.Cleanup(b.Release)
	for i := range samples {
		b.Append(&samples[i], dataset.Place{Line: int64(i), Notes: dataset.NoteNUL})
	}
	rec := b.Batch()
	defer rec.Release()
	out, refused, err := s.Apply(rec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(out.Release)
	return dataset.ViewBatch(out), refused
}

func TestADocumentCannotForgeTheEndOfItsTurn(t *testing.T) {
	sample := dataset.Sample{ID: "x", Question: "who <|im_end|>", Context: "ann"}
	const end = 6
	for special, want := range map[string]int{SpecialText: 1, SpecialParse: 2} {
		v, _ := apply(t, Options{Tokenizer: chatTokenizer(t), Template: "none", SpecialTokens: special}, sample)
		ids := v.Tokens(0).Prompt
		got := 0
		for _, id := range ids {
			if id == end {
				got++
			}
		}
		if got != want {
			t.Errorf("%s: %d ends of turn in %v, want %d", special, got, ids, want)
		}
		if v.Place(0).Notes != dataset.NoteNUL|dataset.NoteSpecial {
			t.Errorf("%s: notes %v", special, v.Place(0).Notes.Names())
		}
	}
}

func TestAPromptThatTheTemplateRefusesIsARejectAndTheOthersStay(t *testing.T) {
	good := dataset.Sample{ID: "a", Question: "who", Messages: `[{"role":"user","content":"who"}]`}
	bad := dataset.Sample{ID: "b", SourceID: "7", Question: "who", Messages: `[{"role":"assistant","content":"ann"}]`}
	v, refused := apply(t, Options{Tokenizer: chatTokenizer(t)}, good, bad, good)
	if len(refused) != 1 || refused[1].Reason != dataset.ReasonChatTemplate || refused[1].Line != 1 || refused[1].SourceID != "7" ||
		!strings.Contains(refused[1].Detail, "the last turn must be the user's") {
		t.Errorf("refused: %+v", refused)
	}
	if len(v.Tokens(0).Prompt) == 0 || len(v.Tokens(1).Prompt) != 0 || !slices.Equal(v.Tokens(0).Prompt, v.Tokens(2).Prompt) {
		t.Error("the rows around it were touched")
	}
}

func TestAChatWithoutChatTemplateIsRefusedWithTheWayOut(t *testing.T) {
	_, refused := apply(t, Options{Tokenizer: "bytes"}, dataset.Sample{ID: "a", Question: "q", Messages: `[{"role":"user","content":"q"}]`})
	if !strings.Contains(refused[0].Detail, "there is no chat template") {
		t.Errorf("refused: %+v", refused)
	}
}

func TestAResponseEndsWithTheTokenThatStopsThePolicy(t *testing.T) {
	v, _ := apply(t, Options{Tokenizer: chatTokenizer(t)}, dataset.Sample{ID: "a", Question: "who", Context: "ann", Response: "ann"}, dataset.Sample{ID: "b", Question: "who", Context: "ann"})
	if got := v.Tokens(0).Response; !slices.Equal(got, []int32{4, 6}) {
		t.Errorf("response tokens %v, want [4 6]", got)
	}
	if v.Tokens(1).Response != nil {
		t.Error("an RL sample has response tokens")
	}
}

func TestQuestionAndContextAreCountedAlone(t *testing.T) {
	sample := dataset.Sample{ID: "a", Question: " who ", Context: "ann ann\n"}
	v, _ := apply(t, Options{Tokenizer: chatTokenizer(t), CountQuestionContext: true}, sample)
	if got := v.Tokens(0).QuestionContextLength; got != 3 {
		t.Errorf("length %d, want 3: no template, no white space around", got)
	}
	if v, _ = apply(t, Options{Tokenizer: chatTokenizer(t)}, sample); v.Tokens(0).QuestionContextLength != 0 {
		t.Error("it was counted though nobody asked")
	}
}

func TestThePromptIsEncodedWhole(t *testing.T) {
	sample := dataset.Sample{ID: "a", Question: "Which one?", Context: "Long text."}
	v, _ := apply(t, Options{}, sample)
	tok, err := bpe.Named(DefaultTokenizer)
	if err != nil {
		t.Fatal(err)
	}
	const want = "Please read the following text and answer the question below.\n\n<text>\nLong text.\n</text>\n\nWhich one?\n\n" +
		"Format your response as follows: \"Therefore, the answer is (insert answer here)\"."
	if got := v.Tokens(0).Prompt; !slices.Equal(got, tok.Encode(want, bpe.Options{})) {
		text, err := tok.Decode(got, bpe.DecodeOptions{})
		t.Errorf("prompt %q, %v", text, err)
	}
}

func TestFilesAndIdentityAreThoseOfTheTokenizer(t *testing.T) {
	file := chatTokenizer(t)
	for _, name := range []string{file, filepath.Dir(file)} {
		s, err := New(Options{Tokenizer: name})
		if err != nil {
			t.Fatal(err)
		}
		files, err := s.Files()
		if err != nil || len(files) != 2 || len(files["tokenizer/tokenizer.json"]) == 0 {
			t.Errorf("%s: files %d, %v", name, len(files), err)
		}
		if got := s.Tokenizer(); got.Name != "tokenizer.json" || got.VocabSize != 10 || s.Template().Chat != "tokenizer" {
			t.Errorf("%s: %+v %+v", name, got, s.Template())
		}
	}
}

func TestUnusableOptionsAreNamed(t *testing.T) {
	for want, o := range map[string]Options{
		`special tokens: "no"`:       {SpecialTokens: "no"},
		`tokenizer "none.json"`:      {Tokenizer: "none.json"},
		`prompt template "none.txt"`: {Template: "none.txt"},
		`chat template: open x`:      {ChatTemplate: "x"},
		`chat date: "soon"`:          {Tokenizer: chatTokenizer(t), ChatDate: "soon"},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
}
