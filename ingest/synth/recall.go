package synth

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Tasks over a small closed vocabulary, for models that are trained from nothing: facts "key value"
// among filler, and a question "? key". Every word is one token of Tokenizer's. Guessing one of the
// values gives 1 / facts.
//
//	recall        the value stands behind the key
//	recall_chain  the value of a key is another key; the question has a "?" for each fact to follow
//	recall_rare   the fact that is asked for is written backwards: "value < key"
//	recall_wrong  the reference answer is a value that the document does not have: nothing can be learned
const (
	TaskRecall      = "recall"
	TaskRecallChain = "recall_chain"
	TaskRecallRare  = "recall_rare"
	TaskRecallWrong = "recall_wrong"
)

// RecallTasks returns the names of the tasks over the small vocabulary. They and the other tasks
// are not mixed in one file.
func RecallTasks() []string {
	return []string{TaskRecall, TaskRecallChain, TaskRecallRare, TaskRecallWrong}
}

// chainLinks is how many keys of a chain lead to another key.
const chainLinks = 2

// Recall says what the documents of the recall tasks hold.
type Recall struct {
	MinFacts, MaxFacts int // facts of a document, inclusive
	ValueTokens        int // words of a value
	Questions          int // samples of one document: each goes on with the talk of those before it
}

func (o *Options) checkRecall() error {
	r := &o.Recall
	for _, d := range []struct {
		value *int
		def   int
	}{{&r.MinFacts, 4}, {&r.MaxFacts, max(r.MinFacts, 4)}, {&r.ValueTokens, 1}, {&r.Questions, 1}} {
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	least := 1
	if slices.Contains(o.Tasks, TaskRecallChain) {
		least = chainLinks + 1
	}
	switch room := o.MinTokens - o.questionTokens(); {
	case o.Samples < 0:
		return errors.New("number of samples is negative")
	case r.MinFacts < least || r.MaxFacts < r.MinFacts || r.MaxFacts > len(recallKeys):
		return fmt.Errorf("%d..%d facts: a document has %d to %d", r.MinFacts, r.MaxFacts, least, len(recallKeys))
	case r.ValueTokens < 1 || r.ValueTokens > 4:
		return fmt.Errorf("values of %d words: 1 to 4 are possible", r.ValueTokens)
	case r.Questions < 1:
		return fmt.Errorf("%d questions on a document", r.Questions)
	case o.MaxTokens < o.MinTokens:
		return fmt.Errorf("at most %d tokens are fewer than at least %d", o.MaxTokens, o.MinTokens)
	case room < r.MinFacts*(1+r.ValueTokens)+1:
		return fmt.Errorf("prompts of %d tokens have no room for %d facts with values of %d", o.MinTokens, r.MinFacts, r.ValueTokens)
	}
	return nil
}

// questionTokens is the length of the longest question.
func (o *Options) questionTokens() int {
	if slices.Contains(o.Tasks, TaskRecallChain) {
		return chainLinks + 2
	}
	return 2
}

// A recallFact is a key with its value.
type recallFact struct {
	key   string
	value []string
	rare  bool // written backwards
}

// recall appends the samples of one document. The first prompt has exactly so many tokens under
// the prompt template "none"; each later one has a question and an answer more. Seeing an answer
// to the same question before it is what copying is learned from first.
func (g *generator) recall(o Options, i int) []byte {
	rng := rand.New(rand.NewPCG(o.Seed, uint64(i)))
	task := o.Tasks[i%len(o.Tasks)]
	tokens := logUniform(rng, o.MinTokens, o.MaxTokens)
	most := (tokens - o.questionTokens() - 1) / (1 + o.Recall.ValueTokens)
	n := o.Recall.MinFacts + rng.IntN(min(o.Recall.MaxFacts, most)-o.Recall.MinFacts+1)
	facts := newFacts(rng, n, o.Recall.ValueTokens)
	if task == TaskRecallChain {
		for c := range chainLinks {
			facts[c].value = []string{facts[c+1].key}
		}
	}
	facts[0].rare = task == TaskRecallRare
	question := "?"
	if task == TaskRecallChain {
		question = strings.TrimSpace(strings.Repeat("? ", chainLinks+1))
	}
	context := layOut(rng, slices.Clone(facts), tokens-len(strings.Fields(question))-1)
	b := g.line[:0]
	talk := ""
	for q := range o.Recall.Questions {
		asked := &facts[0]
		if q > 0 { // with replacement: what was asked before may be asked again
			asked = &facts[rng.IntN(n)]
		}
		answer := asked.value
		switch task {
		case TaskRecallChain:
			answer = facts[chainLinks].value
		case TaskRecallWrong:
			answer = absent(rng, facts)
		}
		talk += question + " " + asked.key
		b = o.recallLine(b, fmt.Sprintf("%s-%06d-%d", task, i, q), task, context, talk, strings.Join(answer, " "), n)
		if task != TaskRecall {
			break // the other tasks ask for one fact
		}
		talk += " " + strings.Join(answer, " ") + " "
	}
	g.line = b
	return b
}

func (o *Options) recallLine(b []byte, id, task, context, question, answer string, facts int) []byte {
	b = quote(append(b, `{"id":`...), id)
	b = quote(append(b, `,"context":`...), context)
	b = quote(append(b, `,"question":`...), question)
	b = quote(append(b, `,"answer":`...), answer)
	if o.SFT {
		b, _ = jsontext.AppendQuote(append(b, `,"response":`...), answer)
	}
	b = quote(append(b, `,"data_source":`...), "synth_"+task)
	b = strconv.AppendInt(append(b, `,"meta":{"facts":`...), int64(facts), 10)
	return append(b, "}}\n"...)
}

// newFacts draws facts with different keys and different values.
func newFacts(rng *rand.Rand, n, words int) []recallFact {
	keys := pick(rng, recallKeys, n)
	facts, taken := make([]recallFact, n), map[string]bool{}
	for i := range facts {
		facts[i] = recallFact{key: keys[i], value: newValue(rng, words, taken)}
	}
	return facts
}

// newValue draws a value that is not taken, and takes it.
func newValue(rng *rand.Rand, words int, taken map[string]bool) []string {
	for {
		value := make([]string, words)
		for w := range value {
			value[w] = recallValues[rng.IntN(len(recallValues))]
		}
		if text := strings.Join(value, " "); !taken[text] {
			taken[text] = true
			return value
		}
	}
}

// absent draws a value that no fact has.
func absent(rng *rand.Rand, facts []recallFact) []string {
	taken := map[string]bool{}
	for _, f := range facts {
		taken[strings.Join(f.value, " ")] = true
	}
	return newValue(rng, len(facts[len(facts)-1].value), taken)
}

// layOut writes facts in random order, with filler at random places, in so many words.
func layOut(rng *rand.Rand, facts []recallFact, words int) string {
	rng.Shuffle(len(facts), func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
	filler := words
	for _, f := range facts {
		filler -= len(f.words())
	}
	places := make([]int, len(facts))
	for i := range places {
		places[i] = rng.IntN(filler + 1)
	}
	slices.Sort(places)
	text := make([]string, 0, words)
	for at, next := 0, 0; at <= filler; at++ {
		for ; next < len(facts) && places[next] == at; next++ {
			text = append(text, facts[next].words()...)
		}
		if at < filler {
			text = append(text, recallFiller[rng.IntN(len(recallFiller))])
		}
	}
	return strings.Join(text, " ")
}

func (f *recallFact) words() []string {
	if f.rare {
		return append(slices.Clone(f.value), rareMark, f.key)
	}
	return append([]string{f.key}, f.value...)
}
