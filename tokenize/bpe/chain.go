package bpe

// splitter is one step of a pre-tokenizer sequence that no pattern fuses: it appends the ends of the parts it cuts s into.
type splitter interface {
	split(ends []int, s string) []int
}

// by cuts by a pattern, the matches and what lies between them: the behaviour "Isolated".
type by struct{ pattern }

func (b by) split(ends []int, s string) []int {
	for i := 0; i < len(s); {
		i = b.next(s, i)
		ends = append(ends, i)
	}
	return ends
}

// digits cuts numeric characters out, one by one or run by run.
type digits struct{ single bool }

func (d digits) split(ends []int, s string) []int {
	props := &tables().props
	was, start := false, 0
	for i, r := range s {
		is := props.at(r)&propNumeric != 0
		if i > start && (is != was || is && d.single) {
			ends = append(ends, i)
			start = i
		}
		was = is
	}
	if start < len(s) {
		ends = append(ends, len(s))
	}
	return ends
}

// appendChain runs the steps one after the other, each on the parts that the one before left.
func (t *Tokenizer) appendChain(dst []int32, s string, w *scratch) []int32 {
	ends := append(w.ends[0][:0], len(s))
	next := w.ends[1][:0]
	for _, step := range t.chain {
		next = next[:0]
		start := 0
		for _, end := range ends {
			first := len(next)
			next = step.split(next, s[start:end])
			for i := range next[first:] {
				next[first+i] += start
			}
			start = end
		}
		ends, next = next, ends
	}
	w.cache.init()
	start := 0
	for _, end := range ends {
		dst = t.piece(dst, s, start, end, w)
		start = end
	}
	w.ends = [2][]int{ends, next}
	return dst
}
