package synth

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

var lineItems = strings.Split("Revenue,Cost of sales,Staff costs,Rent and rates,Depreciation,Interest paid", ",")

const reportYears = 3

// A company's annual report: figures[segment][item][year], in thousands.
type annualReport struct {
	name     string
	first    int // the first of the years
	segments []string
	figures  [][][reportYears]int
}

// report asks for arithmetic over the tables of one of several annual reports, which have the same
// segments, items and years. Difficulty 1 reads a figure; 2 takes the change over the years; from
// 3 on the revenue of n-1 segments less n-2 kinds of their costs is summed.
func report(rng *rand.Rand, tokens, difficulty int) puzzle {
	segments := pick(rng, goods, max(difficulty-1, 2))
	companies := min(max(tokens/(len(segments)*200), 1), 12)
	names := pick(rng, lastNames, companies)
	first := 2001 + rng.IntN(20)
	var p puzzle
	for c, name := range names {
		r := newReport(rng, name+" Holdings", first, segments)
		for s := range segments {
			p.pieces = append(p.pieces, piece{text: r.table(s), block: true})
		}
		if c == 0 {
			p.ask(rng, r, difficulty)
		} else {
			p.distractors += len(segments) * len(lineItems) * reportYears
		}
	}
	shuffle(rng, p.pieces)
	return p
}

func newReport(rng *rand.Rand, name string, first int, segments []string) annualReport {
	r := annualReport{name: name, first: first, segments: segments}
	for range segments {
		var items [][reportYears]int
		for range lineItems {
			var years [reportYears]int
			for y := range years {
				years[y] = 100 + rng.IntN(9900)
			}
			items = append(items, years)
		}
		r.figures = append(r.figures, items)
	}
	return r
}

// table writes the tables of one segment as a report does.
func (r *annualReport) table(segment int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Annual report of %s: the %s segment, in thousands\n\nItem", r.name, r.segments[segment])
	for y := range reportYears {
		fmt.Fprintf(&b, " | %d", r.first+y)
	}
	b.WriteString("\n---" + strings.Repeat(" | ---", reportYears))
	for i, item := range lineItems {
		b.WriteString("\n" + item)
		for _, n := range r.figures[segment][i] {
			fmt.Fprintf(&b, " | %d", n)
		}
	}
	return b.String()
}

// ask sets question and answer.
func (p *puzzle) ask(rng *rand.Rand, r annualReport, difficulty int) {
	used := 1 // segments of which the answer needs the table
	switch difficulty {
	case 1:
		item, year := rng.IntN(len(lineItems)), rng.IntN(reportYears)
		p.question = fmt.Sprintf("By the annual report of %s, what is the figure of %s of the %s segment in %d, in thousands?", r.name, lineItems[item], r.segments[0], r.first+year)
		p.answer = strconv.Itoa(r.figures[0][item][year])
		p.reasoning = fmt.Sprintf("The table of the %s segment says %s.", r.segments[0], p.answer)
		p.facts = 1
	case 2:
		item := rng.IntN(len(lineItems))
		from, to := r.figures[0][item][0], r.figures[0][item][reportYears-1]
		p.question = fmt.Sprintf("By the annual report of %s, by how much did %s of the %s segment change from %d to %d, in thousands? A fall is negative.",
			r.name, lineItems[item], r.segments[0], r.first, r.first+reportYears-1)
		p.answer = strconv.Itoa(to - from)
		p.reasoning = fmt.Sprintf("%d - %d = %s.", to, from, p.answer)
		p.facts = 2
	default:
		year, costs := rng.IntN(reportYears), min(difficulty-2, len(lineItems)-1)
		used = len(r.segments)
		total, terms := 0, []string{}
		for s := range r.segments {
			total += r.figures[s][0][year]
			terms = append(terms, fmt.Sprintf("+ %d", r.figures[s][0][year]))
			for i := 1; i <= costs; i++ {
				total -= r.figures[s][i][year]
				terms = append(terms, fmt.Sprintf("- %d", r.figures[s][i][year]))
			}
		}
		p.question = fmt.Sprintf("By the annual report of %s, what is the revenue of the segments %s in %d, taken together, less their %s, in thousands? A loss is negative.",
			r.name, and(r.segments), r.first+year, and(lineItems[1:costs+1]))
		p.answer = strconv.Itoa(total)
		p.reasoning = fmt.Sprintf("%s = %s.", strings.TrimPrefix(strings.Join(terms, " "), "+ "), p.answer)
		p.facts = len(terms)
	}
	for s := range used {
		p.pieces[s].needle = true
	}
	p.distractors += len(r.segments)*len(lineItems)*reportYears - p.facts
}

// and joins a list as prose does.
func and(list []string) string {
	if len(list) == 1 {
		return list[0]
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}
