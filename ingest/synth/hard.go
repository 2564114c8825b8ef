package synth

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// Tasks whose difficulty is chosen: how many facts the answer needs, whatever the length.
const (
	TaskNeedles   = "needles"
	TaskKeys      = "keys"
	TaskVariables = "variables"
	TaskReport    = "report"
)

// MaxDifficulty is the hardest that there is.
const MaxDifficulty = 10

// HardTasks returns the names of the tasks with a difficulty.
func HardTasks() []string { return []string{TaskNeedles, TaskKeys, TaskVariables, TaskReport} }

// hard make a puzzle of a difficulty from 1 on, for a document of about that many tokens.
var hard = map[string]func(rng *rand.Rand, tokens, difficulty int) puzzle{
	TaskNeedles:   needles,
	TaskKeys:      keys,
	TaskVariables: variables,
	TaskReport:    report,
}

// puzzle makes the puzzle of one sample.
func (o *Options) puzzle(rng *rand.Rand, task string, tokens int) puzzle {
	if make := tasks[task]; make != nil {
		return make(rng, tokens)
	}
	difficulty := o.MinDifficulty + rng.IntN(o.MaxDifficulty-o.MinDifficulty+1)
	p := hard[task](rng, tokens, difficulty)
	p.difficulty = difficulty
	return p
}

func (o *Options) checkDifficulty() error {
	if o.MinDifficulty == 0 && o.MaxDifficulty == 0 {
		o.MinDifficulty, o.MaxDifficulty = 2, 4
	}
	if o.MinDifficulty < 1 || o.MaxDifficulty < o.MinDifficulty || o.MaxDifficulty > MaxDifficulty {
		return fmt.Errorf("difficulty %d to %d; it goes from 1 to %d", o.MinDifficulty, o.MaxDifficulty, MaxDifficulty)
	}
	return nil
}

// needles asks for every value that one place was given of one attribute, in their order: as
// many as the difficulty says, among other attributes of the place and other places of the attribute.
func needles(rng *rand.Rand, tokens, difficulty int) puzzle {
	all := pick(rng, places(), 1+min(max(tokens/500, 3), 40))
	attributes := pick(rng, attributeNames, 4)
	var p puzzle
	fact := func(attribute, place string, needle bool) {
		text := fmt.Sprintf("The %s of the %s was set to %d.", attribute, place, 10_000+rng.IntN(90_000))
		p.pieces = append(p.pieces, piece{text: text, needle: needle})
	}
	for range difficulty {
		fact(attributes[0], all[0], true)
	}
	for _, a := range attributes[1:] {
		fact(a, all[0], false)
	}
	for _, place := range all[1:] {
		fact(attributes[0], place, false)
	}
	shuffle(rng, p.pieces)
	var values, said []string
	for _, piece := range p.pieces {
		if piece.needle {
			words := strings.Fields(piece.text)
			values = append(values, strings.TrimSuffix(words[len(words)-1], "."))
			said = append(said, piece.text)
		}
	}
	p.question = fmt.Sprintf("To which values was the %s of the %s set? Name all of them in their order, with commas between.", attributes[0], all[0])
	p.answer, p.reasoning = strings.Join(values, ", "), strings.Join(said, " ")
	p.facts, p.distractors = difficulty, len(p.pieces)-difficulty
	return p
}

// keys hides the question: a chain of keys leads to it, others lead to other questions, and the
// facts that answer all of them stand in the document too (KeyChain, arXiv 2510.19363, section 3).
func keys(rng *rand.Rand, tokens, difficulty int) puzzle {
	chains := min(max(tokens/600, 2), 24)
	all := pick(rng, places(), chains)
	attributes := pick(rng, attributeNames, len(attributeNames))
	used := map[string]bool{}
	var p puzzle
	for c := range chains {
		value := strconv.Itoa(10_000 + rng.IntN(90_000))
		fact := piece{text: fmt.Sprintf("The %s of the %s is %s.", attributes[c%len(attributes)], all[c], value), needle: c == 0}
		question := fmt.Sprintf("What is the %s of the %s?", attributes[c%len(attributes)], all[c])
		key := newKey(rng, used)
		var said []string
		if c == 0 {
			p.answer = value
			p.question = fmt.Sprintf("Start with the key %s and go where each key leads. What is the answer to the question that the last key opens?", key)
		}
		for step := range difficulty {
			text := fmt.Sprintf("Key %s opens the question: %s", key, question)
			if step < difficulty-1 {
				next := newKey(rng, used)
				text = fmt.Sprintf("Key %s leads to key %s.", key, next)
				key = next
			}
			p.pieces = append(p.pieces, piece{text: text, needle: c == 0})
			said = append(said, text)
		}
		p.pieces = append(p.pieces, fact)
		if c == 0 {
			p.reasoning = strings.Join(append(said, fact.text), " ")
		}
	}
	p.facts, p.distractors = difficulty+1, len(p.pieces)-difficulty-1
	shuffle(rng, p.pieces)
	return p
}

// newKey draws a random UUID (version 4) that was not drawn before.
func newKey(rng *rand.Rand, used map[string]bool) string {
	for {
		a, b := rng.Uint64(), rng.Uint64()
		key := fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48&0x3fff|0x8000, b&(1<<48-1))
		if !used[key] {
			used[key] = true
			return key
		}
	}
}

// variables asks for the value of one variable at the end. It was made from another, and that from
// another, as many steps as the difficulty says; some of them are set anew later, which changes
// nothing in what was made from them before.
func variables(rng *rand.Rand, tokens, difficulty int) puzzle {
	chains := min(max(tokens/500, 2), 30)
	names := pick(rng, variableNames(), chains*(difficulty+1))
	values := map[string]int{}
	lines := make([][]piece, chains) // each in its order
	var p puzzle
	for c := range chains {
		chain := names[c*(difficulty+1) : (c+1)*(difficulty+1)]
		var said []string
		set := func(text string, needle bool) {
			lines[c] = append(lines[c], piece{text: text, needle: needle && c == 0})
			if needle {
				said = append(said, text)
			}
		}
		for i, name := range chain {
			if i == 0 {
				values[name] = 100 + rng.IntN(900)
				set(fmt.Sprintf("Set %s to %d.", name, values[name]), true)
				continue
			}
			by := 1 + rng.IntN(99)
			before := chain[i-1]
			if rng.IntN(2) == 0 {
				values[name] = values[before] + by
				set(fmt.Sprintf("Set %s to %s plus %d.", name, before, by), true)
			} else {
				values[name] = values[before] - by
				set(fmt.Sprintf("Set %s to %s minus %d.", name, before, by), true)
			}
			if rng.IntN(3) == 0 {
				set(fmt.Sprintf("Set %s to %d.", before, 100+rng.IntN(900)), false)
			}
		}
		if c == 0 {
			last := chain[len(chain)-1]
			p.question = fmt.Sprintf("Follow the statements in the order of the text. What is the value of %s at the end?", last)
			p.answer = strconv.Itoa(values[last])
			p.reasoning = strings.Join(said, " ") + fmt.Sprintf(" So %s is %s.", last, p.answer)
		}
	}
	p.pieces = interleave(rng, lines)
	p.facts, p.distractors = difficulty+1, len(p.pieces)-difficulty-1
	return p
}

// interleave mixes lists, each of which keeps its order.
func interleave(rng *rand.Rand, lists [][]piece) []piece {
	var turns []int
	for i, l := range lists {
		turns = append(turns, slices.Repeat([]int{i}, len(l))...)
	}
	rng.Shuffle(len(turns), func(i, j int) { turns[i], turns[j] = turns[j], turns[i] })
	var out []piece
	for _, i := range turns {
		out = append(out, lists[i][0])
		lists[i] = lists[i][1:]
	}
	return out
}

// variableNames are words of three capital letters, which nothing else in a document is.
func variableNames() []string {
	const consonants, vowels = "BDFGKLMNPRSTVZ", "AEIOU"
	var names []string
	for _, a := range consonants {
		for _, b := range vowels {
			for _, c := range consonants {
				names = append(names, string([]rune{a, b, c}))
			}
		}
	}
	return names
}
