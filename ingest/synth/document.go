package synth

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// bytesPerToken is what the filler has of them with the usual vocabularies of 100,000 to 200,000 tokens.
const bytesPerToken = 5

// A document is prose with pieces set into it.
type document struct{ text []byte }

// write fills the document with about so many tokens and returns where the pieces that
// are needles begin. Pieces keep their order; their places are drawn evenly.
func (d *document) write(rng *rand.Rand, pieces []piece, tokens int) (needles []int) {
	d.text = d.text[:0]
	filler := tokens * bytesPerToken
	for _, p := range pieces {
		filler -= len(p.text)
	}
	filler = max(filler, 0)
	places := make([]int, len(pieces))
	for i := range places {
		places[i] = rng.IntN(filler + 1)
	}
	slices.Sort(places)
	written, left, next := 0, sentencesIn(rng), 0 // left: sentences until the paragraph ends
	for written < filler || next < len(pieces) {
		if next < len(pieces) && places[next] <= written {
			p := pieces[next]
			next++
			if p.block {
				left = sentencesIn(rng)
			}
			d.separate(p.block)
			if p.needle {
				needles = append(needles, len(d.text))
			}
			d.text = append(d.text, p.text...)
			if p.block {
				d.text = append(d.text, "\n\n"...)
			}
			continue
		}
		from := len(d.text)
		if d.separate(left == 0); left == 0 {
			left = sentencesIn(rng)
		}
		d.text = appendSentence(d.text, rng)
		left--
		written += len(d.text) - from
	}
	d.text = trimEnd(d.text)
	return needles
}

func sentencesIn(rng *rand.Rand) int { return 3 + rng.IntN(6) }

// separate puts what belongs between two sentences, or two paragraphs.
func (d *document) separate(paragraph bool) {
	switch n := len(d.text); {
	case n == 0 || d.text[n-1] == '\n':
	case paragraph:
		d.text = append(d.text, "\n\n"...)
	default:
		d.text = append(d.text, ' ')
	}
}

func trimEnd(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] == '\n' {
		b = b[:len(b)-1]
	}
	return b
}

// A pattern is a sentence cut at its gaps: text, words, text, words, .., text.
type pattern struct {
	text  []string
	words [][]string
}

var patterns = parsePatterns(sentences)

// parsePatterns cuts lines such as "The {adjective} {noun} waited." at their gaps.
func parsePatterns(lines string) (patterns []pattern) {
	for line := range strings.Lines(strings.TrimSpace(lines)) {
		var p pattern
		rest := strings.TrimSpace(line)
		for {
			text, gap, ok := strings.Cut(rest, "{")
			p.text = append(p.text, text)
			if !ok {
				break
			}
			name, after, _ := strings.Cut(gap, "}")
			p.words = append(p.words, vocabulary[name])
			rest = after
		}
		patterns = append(patterns, p)
	}
	return patterns
}

// appendSentence appends one sentence of filler.
func appendSentence(b []byte, rng *rand.Rand) []byte {
	p := &patterns[rng.IntN(len(patterns))]
	b = append(b, p.text[0]...)
	for i, words := range p.words {
		word := words[rng.IntN(len(words))]
		if (strings.HasSuffix(p.text[i], " a ") || p.text[i] == "A ") && vowel(word) {
			b = append(b[:len(b)-1], 'n', ' ')
		}
		b = append(b, word...)
		b = append(b, p.text[i+1]...)
	}
	return b
}

// vowel reports whether a word takes "an".
func vowel(word string) bool {
	if strings.HasPrefix(word, "uni") || strings.HasPrefix(word, "use") {
		return false
	}
	return strings.IndexByte("aeiou", word[0]) >= 0 || strings.HasPrefix(word, "honest")
}
