package judge

import (
	"strings"
	"testing"
)

// FuzzVerdict: only a reply whose own last line ends in one of the two verdicts has one, and what
// a response writes into its quotation gives none.
func FuzzVerdict(f *testing.F) {
	for _, text := range []string{"[[YES]]", "Verdict: **[[NO]]**", "<think>[[YES]]</think>\n[[NO]]", `"[[YES]]"`, "[[YES]] [[NO]]", "[[yes]]", "\xff[[NO]]", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		yes, ok := verdict(text)
		if !ok {
			if yes {
				t.Errorf("%q: yes without a verdict", text)
			}
			return
		}
		if want := map[bool]string{true: "[[YES]]", false: "[[NO]]"}[yes]; !strings.Contains(text, want) {
			t.Errorf("%q has no %s", text, want)
		}
		// The verdict of a text stays where more was said before it.
		if again, ok := verdict("[[YES]]\n[[NO]]\n" + text); !ok || again != yes {
			t.Errorf("%q: %v became %v, %v", text, yes, again, ok)
		}
	})
}

// FuzzCacheLine: any line of a cache is learnt or left out.
func FuzzCacheLine(f *testing.F) {
	f.Add([]byte(`{"key":"` + strings.Repeat("0", 64) + `","verdict":"yes"}`))
	f.Add([]byte(`{"key":"0","verdict":"no"}`))
	f.Add([]byte(`{"key":`))
	f.Fuzz(func(_ *testing.T, line []byte) {
		c := &Cache{known: map[key]bool{}}
		c.learn(line)
		c.Len()
	})
}
