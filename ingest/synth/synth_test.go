package synth

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

type sample struct {
	ID         string `json:"id"`
	Context    string `json:"context"`
	Question   string `json:"question"`
	Answer     string `json:"answer"`
	Response   string `json:"response"`
	DataSource string `json:"data_source"`
	Meta       struct {
		Difficulty, Facts, Distractors int
		Needles                        []int
	} `json:"meta"`
}

func generate(t testing.TB, o Options) ([]sample, []byte) {
	t.Helper()
	var b bytes.Buffer
	if err := Generate(&b, o); err != nil {
		t.Fatal(err)
	}
	var samples []sample
	for line := range bytes.Lines(b.Bytes()) {
		var s sample
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatal(err)
		}
		samples = append(samples, s)
	}
	return samples, b.Bytes()
}

// solve answers a question from the text of the document alone. It fails where more than
// one answer fits.
func solve(s sample) (string, error) {
	switch s.DataSource {
	case "synth_lookup":
		m := regexp.MustCompile(`^What is the (.*) of the (.*)\?$`).FindStringSubmatch(s.Question)
		return only(s.Context, fmt.Sprintf(`The %s of the %s is (\d+)\.`, m[1], m[2]))
	case "synth_chain":
		m := regexp.MustCompile(`^Start with (.*) and follow (\d+) times to whom the (.*) was handed on\.`).FindStringSubmatch(s.Question)
		who := m[1]
		steps, _ := strconv.Atoi(m[2])
		for range steps {
			next, err := only(s.Context, fmt.Sprintf(`%s handed the %s on to ([A-Z]\w+ [A-Z]\w+)\.`, who, m[3]))
			if err != nil {
				return "", err
			}
			who = next
		}
		return only(s.Context, who+` lives in (\w+)\.`)
	case "synth_table":
		m := regexp.MustCompile(`^By the table of (\w+) sold, what is the total of (\d+) over all rows of the region (\w+)\?$`).FindStringSubmatch(s.Question)
		_, table, ok := strings.Cut(s.Context, "Table of "+m[1]+" sold, in tonnes\n\n")
		if !ok || strings.Contains(table, "Table of "+m[1]) {
			return "", fmt.Errorf("not one table of %s", m[1])
		}
		column, sum := -1, 0
		for line := range strings.Lines(table) {
			cells := strings.Split(strings.TrimSpace(line), " | ")
			if len(cells) == 1 {
				break
			}
			if column < 0 {
				column = indexOf(cells, m[2])
			} else if cells[1] == m[3] {
				n, err := strconv.Atoi(cells[column])
				if err != nil {
					return "", err
				}
				sum += n
			}
		}
		return strconv.Itoa(sum), nil
	}
	return "", fmt.Errorf("unknown task %q", s.DataSource)
}

func indexOf(list []string, s string) int {
	for i, x := range list {
		if x == s {
			return i
		}
	}
	return -1
}

func only(text, pattern string) (string, error) {
	found := regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1)
	if len(found) != 1 {
		return "", fmt.Errorf("%d matches of %s", len(found), pattern)
	}
	return found[0][1], nil
}

func TestEveryAnswerFollowsFromItsDocumentAndNoOtherDoes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		low := rapid.IntRange(MinTokens, 20_000).Draw(rt, "min")
		samples, _ := generate(t, Options{
			Samples: 6, MinTokens: low, MaxTokens: low + rapid.IntRange(0, 5000).Draw(rt, "more"),
			Seed: rapid.Uint64().Draw(rt, "seed"), SFT: rapid.Bool().Draw(rt, "sft"),
		})
		for _, s := range samples {
			got, err := solve(s)
			if err != nil || got != s.Answer {
				rt.Fatalf("%s: solved %q (%v), answer %q\n%s\n%s", s.ID, got, err, s.Answer, s.Question, s.Context)
			}
			if s.Response != "" && !strings.HasSuffix(s.Response, "Therefore, the answer is "+s.Answer+".") {
				rt.Fatalf("response %q", s.Response)
			}
			if len(s.Meta.Needles) == 0 || s.Meta.Facts == 0 {
				rt.Fatalf("meta %+v", s.Meta)
			}
			for _, at := range s.Meta.Needles {
				if !strings.ContainsAny(s.Context[at:at+1], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
					rt.Fatalf("no needle at %d: %.40q", at, s.Context[at:])
				}
			}
		}
	})
}

// The hash may change only on purpose: whoever built a set from a seed wants it again.
func TestASeedDecidesEveryByte(t *testing.T) {
	o := Options{Samples: 12, MinTokens: 300, MaxTokens: 3000, Seed: 7, SFT: true}
	_, text := generate(t, o)
	sum := sha256.Sum256(text)
	const want = "075713de1c5a83ce"
	if got := hex.EncodeToString(sum[:8]); got != want {
		t.Errorf("seed 7 gives %s, want %s", got, want)
	}
	longer := o
	longer.Samples = 20
	if _, more := generate(t, longer); !bytes.HasPrefix(more, text) {
		t.Error("more samples change the first ones")
	}
	o.Seed = 8
	if _, other := generate(t, o); bytes.Equal(other, text) {
		t.Error("another seed gives the same text")
	}
}

func TestLengthsAreLogUniform(t *testing.T) {
	samples, _ := generate(t, Options{Samples: 600, MinTokens: 250, MaxTokens: 4000, Seed: 1})
	var octaves [4]int
	for _, s := range samples {
		tokens := len(s.Context) / bytesPerToken
		o := 0
		for tokens >= 500<<o && o < 3 {
			o++
		}
		octaves[o]++
	}
	for o, n := range octaves {
		if n < 100 || n > 200 {
			t.Errorf("%d of 600 documents in octave %d: %v", n, o, octaves)
		}
	}
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, o := range []Options{
		{Samples: -1, MinTokens: 500, MaxTokens: 600},
		{Samples: 1, MinTokens: 10, MaxTokens: 600},
		{Samples: 1, MinTokens: 700, MaxTokens: 600},
		{Samples: 1, MinTokens: 500, MaxTokens: 600, Tasks: []string{"poem"}},
	} {
		if err := Generate(io.Discard, o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestNoWordOfAFactOccursInTheFiller(t *testing.T) {
	filler := map[string]bool{}
	for _, words := range vocabulary {
		for _, w := range words {
			for _, f := range strings.Fields(w) {
				filler[f] = true
			}
		}
	}
	for _, f := range strings.Fields(sentences) {
		filler[strings.Trim(f, ".,;")] = true
	}
	for _, list := range [][]string{placeNames, townNames, firstNames, lastNames, goods, placeKinds} {
		for _, name := range list {
			if filler[name] {
				t.Errorf("%q is a word of the filler", name)
			}
		}
	}
}

func BenchmarkGenerate(b *testing.B) {
	o := Options{Samples: 30, MinTokens: 500, MaxTokens: 60_000, Seed: 7}
	_, text := generate(b, o)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Generate(io.Discard, o); err != nil {
			b.Fatal(err)
		}
	}
}
