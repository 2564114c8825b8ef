package synth

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// lookup asks for one attribute of one place. Other places have the same attribute, and
// the place has others, so that neither word alone finds the fact.
func lookup(rng *rand.Rand, tokens int) puzzle {
	n := min(max(tokens/400, 3), 24)
	places := pick(rng, places(), min(n, len(placeNames)))
	attributes := pick(rng, attributeNames, 3)
	asked := rng.IntN(len(places))
	var p puzzle
	for i, place := range places {
		attribute := attributes[rng.IntN(len(attributes))]
		if i == asked {
			attribute = attributes[0]
		}
		value := strconv.Itoa(10_000 + rng.IntN(90_000))
		fact := fmt.Sprintf("The %s of the %s is %s.", attribute, place, value)
		if i == asked {
			p.question = fmt.Sprintf("What is the %s of the %s?", attribute, place)
			p.answer = value
			p.reasoning = fmt.Sprintf("The text says: %s", fact)
			other := fmt.Sprintf("The %s of the %s is %d.", attributes[1], place, 10_000+rng.IntN(90_000))
			p.pieces = append(p.pieces, piece{text: other})
		}
		p.pieces = append(p.pieces, piece{text: fact, needle: i == asked})
	}
	p.facts, p.distractors = 1, len(p.pieces)-1
	shuffle(rng, p.pieces)
	return p
}

// chain asks where the person lives who is reached by following some steps from another.
// Nobody hands the thing on twice, so there is one way to go.
func chain(rng *rand.Rand, tokens int) puzzle {
	steps := 2 + rng.IntN(min(max(tokens/1500, 1), 4))
	chains := min(max(tokens/1200, 2), 12)
	people := people(rng, chains*(steps+2))
	towns := pick(rng, townNames, len(townNames))
	thing := things[rng.IntN(len(things))]
	var p puzzle
	for c := range chains {
		holders := people[c*(steps+2) : (c+1)*(steps+2)] // one more than asked for, so that the end is not the answer
		asked := c == 0
		var said []string
		for i := range len(holders) - 1 {
			fact := fmt.Sprintf("%s handed the %s on to %s.", holders[i], thing, holders[i+1])
			needle := asked && i < steps
			p.pieces = append(p.pieces, piece{text: fact, needle: needle})
			if needle {
				said = append(said, fact)
			}
		}
		for i, holder := range holders {
			town := towns[(c*len(holders)+i)%len(towns)]
			fact := fmt.Sprintf("%s lives in %s.", holder, town)
			needle := asked && i == steps
			p.pieces = append(p.pieces, piece{text: fact, needle: needle})
			if needle {
				p.answer = town
				p.reasoning = strings.Join(append(said, fact), " ")
			}
		}
		if asked {
			p.question = fmt.Sprintf("Start with %s and follow %d times to whom the %s was handed on. In which town does the person reached live?",
				holders[0], steps, thing)
		}
	}
	p.facts, p.distractors = steps+1, len(p.pieces)-steps-1
	shuffle(rng, p.pieces)
	return p
}

// table asks for the sum of a year over the rows of one region in one of several tables.
func table(rng *rand.Rand, tokens int) puzzle {
	tables := min(max(tokens/2000, 1), 6)
	rows := min(max(tokens/150, 4), 24)
	subjects := pick(rng, goods, tables)
	var p puzzle
	for t := range tables {
		year := 2001 + rng.IntN(20)
		asked, regions := rng.IntN(3), pick(rng, regionNames, 4)
		places := pick(rng, places(), rows)
		var b strings.Builder
		fmt.Fprintf(&b, "Table of %s sold, in tonnes\n\nPlace | Region | %d | %d | %d\n--- | --- | --- | --- | ---", subjects[t], year, year+1, year+2)
		sum, addends := 0, []string{}
		for r, place := range places {
			region := regions[rng.IntN(len(regions))]
			if r == 0 {
				region = regions[0] // the sum is never over nothing
			}
			var figures [3]int
			for i := range figures {
				figures[i] = 1 + rng.IntN(999)
			}
			fmt.Fprintf(&b, "\n%s | %s | %d | %d | %d", place, region, figures[0], figures[1], figures[2])
			if region == regions[0] {
				sum += figures[asked]
				addends = append(addends, strconv.Itoa(figures[asked]))
			}
		}
		p.pieces = append(p.pieces, piece{text: b.String(), block: true, needle: t == 0})
		if t > 0 {
			p.distractors += rows
			continue
		}
		p.question = fmt.Sprintf("By the table of %s sold, what is the total of %d over all rows of the region %s?", subjects[0], year+asked, regions[0])
		p.answer = strconv.Itoa(sum)
		p.reasoning = fmt.Sprintf("In the table of %s, the rows of the region %s have %s in %d. Their sum is %s.",
			subjects[0], regions[0], strings.Join(addends, " + "), year+asked, p.answer)
		p.facts, p.distractors = len(addends), rows-len(addends)
	}
	shuffle(rng, p.pieces)
	return p
}

func shuffle(rng *rand.Rand, pieces []piece) {
	rng.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
}

// places returns all names of places that facts may be about.
func places() []string {
	all := make([]string, 0, len(placeNames)*len(placeKinds))
	for _, kind := range placeKinds {
		for _, name := range placeNames {
			all = append(all, name+" "+kind)
		}
	}
	return all
}

// people draws n different full names.
func people(rng *rand.Rand, n int) []string {
	all := make([]string, 0, len(firstNames)*len(lastNames))
	for _, first := range firstNames {
		for _, last := range lastNames {
			all = append(all, first+" "+last)
		}
	}
	return pick(rng, all, n)
}
