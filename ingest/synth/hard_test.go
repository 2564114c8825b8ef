package synth

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// solveHard answers a question from the text of the document alone, by another way than it was made.
func solveHard(s sample) (string, error) {
	switch s.DataSource {
	case "synth_needles":
		m := regexp.MustCompile(`^To which values was the (.*) of the (.*) set\?`).FindStringSubmatch(s.Question)
		var values []string
		for _, f := range regexp.MustCompile(fmt.Sprintf(`The %s of the %s was set to (\d+)\.`, m[1], m[2])).FindAllStringSubmatch(s.Context, -1) {
			values = append(values, f[1])
		}
		return strings.Join(values, ", "), nil
	case "synth_keys":
		key := regexp.MustCompile(`key ([0-9a-f-]{36}) `).FindStringSubmatch(s.Question)[1]
		for {
			next, err := only(s.Context, "Key "+key+" (leads to key|opens the question)")
			if err != nil {
				return "", err
			}
			if next == "opens the question" {
				break
			}
			if key, err = only(s.Context, "Key "+key+" leads to key ([0-9a-f-]{36})"); err != nil {
				return "", err
			}
		}
		m := regexp.MustCompile("Key " + key + ` opens the question: What is the (.*?) of the (.*?)\?`).FindStringSubmatch(s.Context)
		return only(s.Context, fmt.Sprintf(`The %s of the %s is (\d+)\.`, m[1], m[2]))
	case "synth_variables":
		values := map[string]int{}
		for _, m := range regexp.MustCompile(`Set ([A-Z]{3}) to (?:(\d+)|([A-Z]{3}) (plus|minus) (\d+))\.`).FindAllStringSubmatch(s.Context, -1) {
			if m[2] != "" {
				values[m[1]], _ = strconv.Atoi(m[2])
				continue
			}
			from, ok := values[m[3]]
			if !ok {
				return "", fmt.Errorf("%s is made of %s before that is set", m[1], m[3])
			}
			by, _ := strconv.Atoi(m[5])
			if m[4] == "minus" {
				by = -by
			}
			values[m[1]] = from + by
		}
		name := regexp.MustCompile(`value of ([A-Z]{3}) at`).FindStringSubmatch(s.Question)[1]
		return strconv.Itoa(values[name]), nil
	case "synth_report":
		return solveReport(s)
	}
	return "", fmt.Errorf("unknown task %q", s.DataSource)
}

func solveReport(s sample) (string, error) {
	figure := func(company, segment, item, year string) int {
		_, table, ok := strings.Cut(s.Context, fmt.Sprintf("Annual report of %s: the %s segment, in thousands\n\n", company, segment))
		if !ok {
			return -1 << 40
		}
		head, rest, _ := strings.Cut(table, "\n")
		column := indexOf(strings.Split(head, " | "), year)
		for line := range strings.Lines(rest) {
			if cells := strings.Split(strings.TrimSpace(line), " | "); cells[0] == item {
				n, _ := strconv.Atoi(cells[column])
				return n
			}
		}
		return -1 << 40
	}
	list := func(text string) []string { return strings.Split(strings.ReplaceAll(text, " and ", ", "), ", ") }
	q := s.Question
	if m := regexp.MustCompile(`report of (.*), what is the figure of (.*) of the (\w+) segment in (\d+),`).FindStringSubmatch(q); m != nil {
		return strconv.Itoa(figure(m[1], m[3], m[2], m[4])), nil
	}
	if m := regexp.MustCompile(`report of (.*), by how much did (.*) of the (\w+) segment change from (\d+) to (\d+),`).FindStringSubmatch(q); m != nil {
		return strconv.Itoa(figure(m[1], m[3], m[2], m[5]) - figure(m[1], m[3], m[2], m[4])), nil
	}
	m := regexp.MustCompile(`report of (.*), what is the revenue of the segments (.*) in (\d+), taken together, less their (.*), in thousands`).FindStringSubmatch(q)
	if m == nil {
		return "", fmt.Errorf("question %q", q)
	}
	costs := strings.ReplaceAll(m[4], "Rent and rates", "Rent+rates")
	total := 0
	for _, segment := range list(m[2]) {
		total += figure(m[1], segment, "Revenue", m[3])
		for _, item := range list(costs) {
			total -= figure(m[1], segment, strings.ReplaceAll(item, "Rent+rates", "Rent and rates"), m[3])
		}
	}
	return strconv.Itoa(total), nil
}

func TestEveryHardAnswerFollowsFromItsDocument(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		low := rapid.IntRange(MinTokens, 20_000).Draw(rt, "min")
		difficulty := rapid.IntRange(1, MaxDifficulty).Draw(rt, "difficulty")
		samples, _ := generate(t, Options{
			Samples: 4, MinTokens: low, MaxTokens: low + 100, Tasks: HardTasks(), MinDifficulty: difficulty, MaxDifficulty: difficulty,
			Seed: rapid.Uint64().Draw(rt, "seed"), SFT: rapid.Bool().Draw(rt, "sft"),
		})
		for _, s := range samples {
			got, err := solveHard(s)
			if err != nil || got != s.Answer {
				rt.Fatalf("%s: solved %q (%v), answer %q\n%s\n%s", s.ID, got, err, s.Answer, s.Question, s.Context)
			}
			if s.Meta.Difficulty != difficulty || s.Meta.Facts < difficulty && s.DataSource != "synth_report" || s.Meta.Distractors == 0 {
				rt.Fatalf("%s: meta %+v, difficulty %d", s.ID, s.Meta, difficulty)
			}
			if s.Response != "" && !strings.HasSuffix(s.Response, "Therefore, the answer is "+s.Answer+".") {
				rt.Fatalf("response %q", s.Response)
			}
			// Reports of many segments are longer than a short document.
			if tokens := len(s.Context) / bytesPerToken; low > 3000 && (tokens < low-100 || tokens > low+300) {
				rt.Fatalf("%s: about %d tokens, asked for %d", s.ID, tokens, low)
			}
		}
	})
}

func TestHardTasksNeedTheirNeedles(t *testing.T) {
	samples, _ := generate(t, Options{Samples: 40, MinTokens: 2000, MaxTokens: 4000, Tasks: HardTasks(), MinDifficulty: 3, MaxDifficulty: 5, Seed: 3})
	for _, s := range samples {
		for _, at := range s.Meta.Needles {
			end := at + strings.IndexAny(s.Context[at:], ".?\n")
			without := s
			without.Context = s.Context[:at] + s.Context[end:]
			if got, err := solveHard(without); err == nil && got == s.Answer {
				t.Fatalf("%s: the answer %s is there without %q", s.ID, got, s.Context[at:end])
			}
		}
	}
}

func TestDifficultyOutOfRangeIsRefused(t *testing.T) {
	for _, d := range [][2]int{{0, 3}, {3, 2}, {1, MaxDifficulty + 1}} {
		o := Options{Samples: 1, MinTokens: 500, MaxTokens: 500, Tasks: HardTasks(), MinDifficulty: d[0], MaxDifficulty: d[1]}
		if err := Generate(io.Discard, o); err == nil {
			t.Errorf("difficulty %v was taken", d)
		}
	}
}
