package bpe

import "sync"

// minParallel is the least text, in bytes, that is worth a goroutine.
const minParallel = 64 << 10

// EncodeParallel is Encode on several goroutines: text between added tokens is cut at places where no pattern can see across,
// so the ids are the same. Text without such places, or cut by an unknown pattern, is encoded by one.
func (t *Tokenizer) EncodeParallel(text string, workers int, o Options) []int32 {
	w := t.scratch()
	defer t.pool.Put(w)
	e := encoder{t: t, w: w, dst: make([]int32, 0, len(text)/4+4), plain: o.Plain, workers: workers}
	e.run(text, o)
	return e.dst
}

func (t *Tokenizer) parallel(dst []int32, s string, workers int) []int32 {
	size := max(len(s)/(4*workers), minParallel)
	var parts []string
	for len(s) > 0 {
		n := len(s)
		if n > size {
			n = size + safeCut(s[size:])
		}
		parts = append(parts, s[:n])
		s = s[n:]
	}
	ids := make([][]int32, len(parts))
	work := make(chan int, len(parts))
	for i := range parts {
		work <- i
	}
	close(work)
	var wg sync.WaitGroup
	for range min(workers, len(parts)) {
		wg.Go(func() {
			w := t.scratch()
			defer t.pool.Put(w)
			for i := range work {
				ids[i] = t.appendPieces(make([]int32, 0, len(parts[i])/4+4), parts[i], w)
			}
		})
	}
	wg.Wait()
	for _, part := range ids {
		dst = append(dst, part...)
	}
	return dst
}

// safeCut returns a position of s at which a piece ends whatever comes before or after, or len(s). Between an ASCII letter and
// a space that an ASCII letter follows, every known pattern ends a word and begins the next; so it does before a
// full-width comma or full stop that stands between two Chinese characters.
func safeCut(s string) int {
	for i := 1; i+1 < len(s); i++ {
		switch s[i] {
		case ' ':
			if isASCIILetter(s, i-1) && isASCIILetter(s, i+1) {
				return i
			}
		case 0xE3, 0xEF:
			if i+6 <= len(s) && i >= 3 && (s[i:i+3] == "。" || s[i:i+3] == "，") && chineseAt(s, i-3) && chineseAt(s, i+3) {
				return i
			}
		}
	}
	return len(s)
}

// chineseAt reports whether a character of U+5000 to U+8FFF stands at s[i:].
func chineseAt(s string, i int) bool {
	return s[i] >= 0xE5 && s[i] <= 0xE8 && s[i+1]&0xC0 == 0x80 && s[i+2]&0xC0 == 0x80
}
