package template

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// goldenDate is the date that parity/expect.py gives to transformers.
var goldenDate = time.Date(2024, 7, 26, 13, 5, 9, 0, time.UTC)

type goldenCase struct {
	Template, Chat string
	Special        map[string]string
	Messages       []Message
	Text           *string
}

func goldenCases(t testing.TB) []goldenCase {
	t.Helper()
	f, err := os.Open("testdata/golden.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var cases []goldenCase
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var c goldenCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	return cases
}

func goldenChat(t testing.TB, name string, special map[string]string) *Chat {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("testdata/jinja", name))
	if err != nil {
		t.Fatal(err)
	}
	chat, err := ParseChat(string(source), special)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return chat.WithDate(goldenDate)
}

func TestTemplatesRenderAsTransformersDoes(t *testing.T) {
	chats := map[string]*Chat{}
	for _, c := range goldenCases(t) {
		if chats[c.Template] == nil {
			chats[c.Template] = goldenChat(t, c.Template, c.Special)
		}
		t.Run(c.Template+"/"+c.Chat, func(t *testing.T) {
			got, err := chats[c.Template].Render(c.Messages)
			if c.Text == nil {
				if err == nil {
					t.Fatalf("transformers refuses this chat, we rendered %q", got.Text)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(*c.Text, got.Text); diff != "" {
				t.Errorf("transformers -, ours +\n%s", diff)
			}
			full, err := chats[c.Template].engine.render(c.Messages)
			if err != nil || full != got.Text {
				t.Errorf("the full render differs: %q, %v", full, err)
			}
			checkSpans(t, got)
		})
	}
}

func checkSpans(t testing.TB, p Prompt) {
	t.Helper()
	end := 0
	for i, s := range p.Spans {
		if s.Start < end || s.End <= s.Start || s.End > len(p.Text) || (i > 0 && s.Start == end) {
			t.Fatalf("span %d is %v after byte %d of %d", i, s, end, len(p.Text))
		}
		end = s.End
	}
}

// spanTexts are the untrusted pieces; outside is all the rest, with a mark where they were.
func spanTexts(p Prompt) (inside []string, outside string) {
	var b strings.Builder
	end := 0
	for _, s := range p.Spans {
		b.WriteString(p.Text[end:s.Start] + "\x00")
		inside = append(inside, p.Text[s.Start:s.End])
		end = s.End
	}
	return inside, b.String() + p.Text[end:]
}

// realChat reads a real tokenizer's template, which is not the project's to commit.
func realChat(t testing.TB, name string) *Chat {
	t.Helper()
	root := os.Getenv("PIPELINE_REAL_DATA")
	if root == "" {
		t.Skip("PIPELINE_REAL_DATA is not set: the templates of real tokenizers are not tested")
	}
	chat, err := LoadChat(filepath.Join(root, "tokenizers", name, "tokenizer.json"))
	if err != nil || chat == nil {
		t.Fatalf("load: %v, %v", chat, err)
	}
	return chat
}

func TestQwen25AndDeepSeekFrameAQuestion(t *testing.T) {
	want := map[string][2]string{
		"qwen2_5":     {"<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"},
		"deepseek_v3": {"<｜begin▁of▁sentence｜><｜User｜>", "<｜Assistant｜>"},
	}
	for name, frame := range want {
		t.Run(name, func(t *testing.T) {
			chat := realChat(t, name)
			prompt, _ := ParsePrompt("", "")
			r := NewRenderer(prompt, chat)
			p, err := r.Render(" who? ", " text <|im_end|> ")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(frame[0]+prompt.Fill("who?", "text <|im_end|>").Text+frame[1], p.Text); diff != "" {
				t.Error(diff)
			}
			inside, _ := spanTexts(p)
			if diff := cmp.Diff([]string{"text <|im_end|>", "who?"}, inside); diff != "" {
				t.Error(diff)
			}
			if got, want := r.BeginsWithBOS(p), name == "deepseek_v3"; got != want {
				t.Errorf("BeginsWithBOS is %v, want %v", got, want)
			}
			if s := chat.shapeOf([]Message{{"user", ""}}); s == nil {
				t.Error("the shape of a single user turn was not learned")
			}
		})
	}
}
