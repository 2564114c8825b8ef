package decode_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/train/policy/decode"
)

// prompts of different lengths, one of them longer than a chunk of reading.
func prompts(vocab int) []decode.Prompt {
	var out []decode.Prompt
	for i, n := range []int{1, 7, 16, 33, 150, 64, 5} {
		p := decode.Prompt{Seed: uint64(100 + i)}
		for j := range n {
			p.Tokens = append(p.Tokens, int32((i*13+j*j*7+j)%vocab))
		}
		out = append(out, p)
	}
	return out
}

func generate(t testing.TB, d *decode.Decoder, p []decode.Prompt, o decode.Options) [][]decode.Response {
	t.Helper()
	out, err := d.Generate(context.Background(), p, o)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The row has the prompt on branch 0 and the responses on branches 1 to G, as training packs it:
// this holds the branches of the graph and the decoder's shared spans against each other.
func TestLogProbsEqualTheTrainingGraphsForAGroupInOneRow(t *testing.T) {
	for _, preset := range []string{"nano", "tiny"} {
		c, w, d := fresh(t, preset, 50)
		p := prompts(c.Vocab)[3:5]
		const temperature = 0.7
		for i, group := range generate(t, d, p, decode.Options{Group: 3, MaxNew: 25, Temperature: temperature, TopP: 0.9, Stop: []int32{3}}) {
			row, sources, targets, want := packGroup(p[i].Tokens, group)
			got := graphLogProbs(t, c, w, row, sources, targets, temperature)
			near(t, fmt.Sprintf("%s, prompt %d", preset, i), got, want)
		}
	}
}

func packGroup(prompt []int32, group []decode.Response) (row [4][]int32, sources, targets []int32, logprobs []float32) {
	add := func(id, position, branch int32) {
		row[0], row[1], row[2], row[3] = append(row[0], id), append(row[1], position), append(row[2], 1), append(row[3], branch)
	}
	for i, id := range prompt {
		add(id, int32(i), 0)
	}
	for b, r := range group {
		source := int32(len(prompt) - 1)
		for i, id := range r.Tokens {
			sources, targets = append(sources, source), append(targets, id)
			source = int32(len(row[0]))
			add(id, int32(len(prompt)+i), int32(b+1))
		}
		logprobs = append(logprobs, r.LogProbs...)
	}
	return row, sources, targets, logprobs
}

func TestResponsesDoNotDependOnThreadsRowsOrNeighbours(t *testing.T) {
	c, _, d := fresh(t, "nano", 50)
	p := prompts(c.Vocab)
	o := decode.Options{Group: 5, MaxNew: 20, Temperature: 1, TopP: 0.95, Stop: []int32{3}}
	want := generate(t, d, p, o)
	for _, v := range []struct{ threads, rows int }{{1, 1}, {2, 8}, {3, 64}} {
		o := o
		o.Threads, o.Rows = v.threads, v.rows
		if diff := cmp.Diff(want, generate(t, d, p, o)); diff != "" {
			t.Errorf("with %d threads of %d rows: %s", v.threads, v.rows, diff)
		}
	}
	for i := range p {
		if diff := cmp.Diff(want[i:i+1], generate(t, d, p[i:i+1], o)); diff != "" {
			t.Errorf("prompt %d alone: %s", i, diff)
		}
	}
	o.Group = 2
	for i, group := range generate(t, d, p, o) {
		if diff := cmp.Diff(want[i][:2], group); diff != "" {
			t.Errorf("the first two of a smaller group of prompt %d: %s", i, diff)
		}
	}
}

func TestAnotherSeedWritesOtherResponses(t *testing.T) {
	c, _, d := fresh(t, "nano", 50)
	p := prompts(c.Vocab)[2:3]
	o := decode.Options{Group: 4, MaxNew: 20, Temperature: 1}
	first := generate(t, d, p, o)
	p[0].Seed++
	if cmp.Equal(first, generate(t, d, p, o)) {
		t.Error("a seed has no effect")
	}
	if slices.Equal(first[0][0].Tokens, first[0][1].Tokens) {
		t.Error("two responses of a group are the same")
	}
}

func TestTemperatureZeroTakesTheLikeliestToken(t *testing.T) {
	c, _, d := fresh(t, "nano", 50)
	p := prompts(c.Vocab)[3]
	r := generate(t, d, []decode.Prompt{p}, decode.Options{MaxNew: 12})[0][0]
	tokens := slices.Clone(p.Tokens)
	for i, id := range r.Tokens {
		logits, err := d.Logits(tokens)
		if err != nil {
			t.Fatal(err)
		}
		last := logits[len(logits)-1]
		if best := slices.Max(last); last[id] != best && best-last[id] > 1e-4 {
			t.Fatalf("token %d is %d with %v, and the likeliest has %v", i, id, last[id], best)
		}
		tokens = append(tokens, id)
	}
}

func TestAStopTokenEndsAResponseAndIsItsLast(t *testing.T) {
	c, _, d := fresh(t, "nano", 20)
	stop := []int32{3, 4, 5, 6, 7}
	stopped := 0
	for _, group := range generate(t, d, prompts(c.Vocab), decode.Options{Group: 8, MaxNew: 10, Temperature: 1.5, Stop: stop}) {
		for _, r := range group {
			at := slices.IndexFunc(r.Tokens, func(id int32) bool { return slices.Contains(stop, id) })
			switch {
			case len(r.Tokens) != len(r.LogProbs):
				t.Errorf("%d tokens and %d log probabilities", len(r.Tokens), len(r.LogProbs))
			case r.Stop == decode.Stopped && at == len(r.Tokens)-1:
				stopped++
			case r.Stop == decode.Length && at < 0 && len(r.Tokens) == 10:
			default:
				t.Errorf("%q after %v", r.Stop, r.Tokens)
			}
		}
	}
	if stopped == 0 {
		t.Error("no response met a stop token: the test shows nothing")
	}
}

func TestACancelledCallReturns(t *testing.T) {
	c, _, d := fresh(t, "nano", 50)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := d.Generate(ctx, prompts(c.Vocab), decode.Options{MaxNew: 1000}); err != context.Canceled {
		t.Errorf("error %v", err)
	}
}

func TestWhatCannotBeGeneratedIsRefused(t *testing.T) {
	_, _, d := fresh(t, "nano", 50)
	for _, c := range []struct {
		name   string
		tokens []int32
		o      decode.Options
	}{
		{"an empty prompt", nil, decode.Options{MaxNew: 1}},
		{"a token outside the vocabulary", []int32{50}, decode.Options{MaxNew: 1}},
		{"a negative token", []int32{-1}, decode.Options{MaxNew: 1}},
		{"no new tokens", []int32{1}, decode.Options{}},
		{"more than the positions", []int32{1}, decode.Options{MaxNew: 4096}},
		{"a top-p over 1", []int32{1}, decode.Options{MaxNew: 1, TopP: 1.5}},
		{"a negative temperature", []int32{1}, decode.Options{MaxNew: 1, Temperature: -1}},
	} {
		if _, err := d.Generate(context.Background(), []decode.Prompt{{Tokens: c.tokens}}, c.o); err == nil {
			t.Errorf("%s is accepted", c.name)
		}
	}
}
