// Package synth makes long documents with questions whose answers a scorer can check.
//
// It feeds demos and tests, where real sets are too large, too few or not ours to give
// away. The rule: a seed decides every byte, on every platform - so there is no floating
// point here, and each sample has its own random stream, drawn from seed and number. Each
// answer follows from the document alone and no other answer does: names of facts never
// occur in the filler around them.
//
// The cost: one document in memory at a time; see BenchmarkGenerate.
//
//	lookup  facts about places among filler; one is asked for
//	chain   who handed something on to whom; follow some steps, then say where that person lives
//	table   tables of yearly figures; the sum of one year over one region of one table
//
// The difficulty of those follows from the length. That of the following is chosen:
//
//	needles    several values of one thing, all to be named in their order
//	keys       a chain of UUIDs leads to the question, among chains to other questions
//	variables  statements set variables from others; order matters
//	report     arithmetic over the tables of annual reports of several companies
//
// A second family, recall.go, has a closed vocabulary of 100 words and a tokenizer of its own:
// in-context lookup for models small enough to be watched while they learn.
package synth

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Tasks that samples can have.
const (
	TaskLookup = "lookup"
	TaskChain  = "chain"
	TaskTable  = "table"
)

// MinTokens is the shortest document that has room for its facts.
const MinTokens = 200

// Options say what to make.
type Options struct {
	Samples   int      // of recall tasks: documents
	MinTokens int      // approximate, of the document; of recall tasks exact, of the prompt; lengths are log-uniform
	MaxTokens int      // inclusive
	Tasks     []string // taken in turn; none: all three
	Seed      uint64
	// Difficulty of the tasks of HardTasks, from 1 to MaxDifficulty, drawn evenly; both 0: 2 to 4.
	MinDifficulty, MaxDifficulty int
	SFT                          bool // add a response: short reasoning that ends in "Therefore, the answer is X."; of recall tasks the answer alone
	Recall                       Recall
}

// ErrOptions means that no document can be made as the options say.
var ErrOptions = errors.New("options")

func (o *Options) check() error {
	if len(o.Tasks) == 0 {
		o.Tasks = Tasks()
	}
	if o.isRecall() {
		for _, t := range o.Tasks {
			if !slices.Contains(RecallTasks(), t) {
				return fmt.Errorf("task %q has prose, task %q a closed vocabulary; write two files", t, o.Tasks[0])
			}
		}
		return o.checkRecall()
	}
	for _, t := range o.Tasks {
		if tasks[t] == nil && hard[t] == nil {
			return fmt.Errorf("unknown task %q; tasks are %s", t, strings.Join(slices.Concat(Tasks(), HardTasks(), RecallTasks()), ", "))
		}
	}
	switch {
	case o.Samples < 0:
		return errors.New("number of samples is negative")
	case o.MinTokens < MinTokens:
		return fmt.Errorf("documents of %d tokens have no room for facts; %d is the least", o.MinTokens, MinTokens)
	case o.MaxTokens < o.MinTokens:
		return fmt.Errorf("at most %d tokens are fewer than at least %d", o.MaxTokens, o.MinTokens)
	}
	return o.checkDifficulty()
}

// isRecall reports whether the first task is one over the small vocabulary.
func (o *Options) isRecall() bool { return slices.Contains(RecallTasks(), o.Tasks[0]) }

// Tasks returns the names of the tasks whose difficulty follows from the length.
func Tasks() []string { return []string{TaskLookup, TaskChain, TaskTable} }

// tasks make a puzzle for a document of about that many tokens.
var tasks = map[string]func(rng *rand.Rand, tokens int) puzzle{
	TaskLookup: lookup,
	TaskChain:  chain,
	TaskTable:  table,
}

// A puzzle is a question, its answer, and what the document must hold for it.
type puzzle struct {
	question, answer string
	reasoning        string
	pieces           []piece // in the order of the document
	facts            int     // facts that the answer needs
	distractors      int     // facts like those, that it does not need
	difficulty       int     // 0: of a task that has none
}

// A piece is a sentence or a table to be set among the filler.
type piece struct {
	text   string
	block  bool // stands alone, between paragraphs
	needle bool // the answer needs it
}

// Generate writes samples as JSON lines: id, context, question, answer, data_source, meta
// and, for SFT, response. meta has the number of facts and distractors and the byte
// offsets in the context of what the answer needs.
func Generate(w io.Writer, o Options) error {
	if err := o.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrOptions, err)
	}
	out := bufio.NewWriterSize(w, 256<<10)
	var g generator
	next := g.sample
	if o.isRecall() {
		next = g.recall
	}
	for i := range o.Samples {
		line := next(o, i)
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return out.Flush()
}

// A generator keeps memory between samples.
type generator struct {
	doc  document
	line []byte
}

func (g *generator) sample(o Options, i int) []byte {
	rng := rand.New(rand.NewPCG(o.Seed, uint64(i)))
	task := o.Tasks[i%len(o.Tasks)]
	tokens := logUniform(rng, o.MinTokens, o.MaxTokens)
	p := o.puzzle(rng, task, tokens)
	needles := g.doc.write(rng, p.pieces, tokens)

	b := append(g.line[:0], `{"id":`...)
	b = quote(b, fmt.Sprintf("%s-%06d", task, i))
	b = append(b, `,"context":`...)
	b, _ = jsontext.AppendQuote(b, g.doc.text)
	b = quote(append(b, `,"question":`...), p.question)
	b = quote(append(b, `,"answer":`...), p.answer)
	if o.SFT {
		b = quote(append(b, `,"response":`...), p.reasoning+" Therefore, the answer is "+p.answer+".")
	}
	b = quote(append(b, `,"data_source":`...), "synth_"+task)
	b = append(b, `,"meta":{`...)
	if p.difficulty > 0 {
		b = fmt.Appendf(b, `"difficulty":%d,`, p.difficulty)
	}
	b = fmt.Appendf(b, `"facts":%d,"distractors":%d,"needles":[`, p.facts, p.distractors)
	for n, at := range needles {
		if n > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(at), 10)
	}
	g.line = append(b, "]}}\n"...)
	return g.line
}

func quote(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

// logUniform draws from [low, high] with density 1/x, in integers: x is drawn evenly and
// kept with probability low/x.
func logUniform(rng *rand.Rand, low, high int) int {
	for {
		x := low + rng.IntN(high-low+1)
		if rng.IntN(x) < low {
			return x
		}
	}
}

// pick draws n different elements.
func pick(rng *rand.Rand, from []string, n int) []string {
	from = slices.Clone(from)
	for i := range n {
		j := i + rng.IntN(len(from)-i)
		from[i], from[j] = from[j], from[i]
	}
	return from[:n]
}
