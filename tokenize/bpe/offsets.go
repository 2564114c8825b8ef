package bpe

import "unicode/utf8"

// offsets collects where in the original text each token comes from.
type offsets struct {
	spans    []Span
	replaced []edit // what invalid UTF-8 was replaced by, before anything else
}

// EncodeOffsets returns the token ids and, for each, the bytes of the text it stands for. A token that holds a part of a
// character has the whole character, and one that holds a part of what normalisation changed has all that changed with it;
// so neighbours may overlap, but together they cover the text, except for bytes that have no token at all. White space that an added token strips
// belongs to it. A token that the text does not have (Options.AddSpecial) has an empty span.
func (t *Tokenizer) EncodeOffsets(text string, o Options) (ids []int32, at []Span) {
	w := t.scratch()
	defer t.pool.Put(w)
	e := encoder{t: t, w: w, plain: o.Plain, offsets: new(offsets)}
	e.run(text, o)
	return e.dst, e.offsets.spans
}

func (f *offsets) add(at Span) {
	if len(f.replaced) > 0 {
		at = Span{unshifted(at.Start, f.replaced, false), unshifted(at.End, f.replaced, true)}
	}
	f.spans = append(f.spans, at)
}

// addTokens adds the spans of tokens that lie one behind the other in s; s begins at position from of the normalised segment.
// The first prefixed bytes of s are not of the text.
func (f *offsets) addTokens(e *encoder, ids []int32, s string, from, prefixed, base int, edits []edit) {
	i := 0
	for _, id := range ids {
		for e.t.merger != nil && e.t.merger.byteID[s[i]] < 0 {
			i++ // a byte that has no token
		}
		at := Span{i, i + e.t.tokenLen(id)}
		i = at.End
		for at.Start > 0 && !utf8.RuneStart(s[at.Start]) {
			at.Start--
		}
		for at.End < len(s) && !utf8.RuneStart(s[at.End]) {
			at.End++
		}
		if at.End <= prefixed { // the space put before the text goes with its first character, as in the reference
			_, n := utf8.DecodeRuneInString(s[prefixed:])
			at.End = prefixed + n
		}
		at = Span{max(at.Start, prefixed) + from, at.End + from}
		f.add(e.original(at, base, edits))
	}
}

func (t *Tokenizer) tokenLen(id int32) int { return len(t.vocab.bytes(id)) }

// original carries a span of a normalised segment back to the text, whose segment begins at base.
func (e *encoder) original(at Span, base int, edits []edit) Span {
	if len(edits) > 0 && e.offsets != nil {
		at = Span{unshifted(at.Start, edits, false), unshifted(at.End, edits, true)}
	}
	return Span{at.Start + base, at.End + base}
}

// unshifted is the way back of shifted.
func unshifted(i int, edits []edit, up bool) int {
	shift := 0
	for _, e := range edits {
		start := e.Start + shift
		if i <= start {
			break
		}
		if i < start+e.n {
			if up {
				return e.End
			}
			return e.Start
		}
		shift += e.n - (e.End - e.Start)
	}
	return i - shift
}
