package bpe

import (
	"slices"
	"strings"
	"sync/atomic"
)

// Span is the byte range [Start, End) of a text.
type Span struct{ Start, End int }

// Options say how a text is encoded. The zero value is what Hugging Face's encode(text, add_special_tokens=False) does.
type Options struct {
	// Plain are spans of the text, ascending and disjoint, inside which added and special tokens are ordinary text: no added
	// token is matched that touches one, nor is white space inside one stripped. Nothing else changes: the text is still
	// encoded as a whole, so that the edges of a span are no edges of pieces.
	Plain []Span
	// NoSpecial matches no added token at all.
	NoSpecial bool
	// AddSpecial puts the tokens of the post-processor around the text (for Llama 3 the one that begins a text), as
	// add_special_tokens=True does.
	AddSpecial bool
}

// Encode returns the token ids of the text. Invalid UTF-8 is read as Rust's from_utf8_lossy reads it: each maximal invalid
// sequence is one U+FFFD.
func (t *Tokenizer) Encode(text string, o Options) []int32 {
	return t.AppendEncode(make([]int32, 0, len(text)/4+4), text, o)
}

// AppendEncode appends the token ids of the text to dst. It allocates nothing but room in dst, once its scratch is warm.
func (t *Tokenizer) AppendEncode(dst []int32, text string, o Options) []int32 {
	w := t.scratch()
	defer t.pool.Put(w)
	e := encoder{t: t, w: w, dst: dst, plain: o.Plain}
	e.run(text, o)
	return e.dst
}

// Count returns len(Encode(text, o)) without keeping the ids.
func (t *Tokenizer) Count(text string, o Options) int {
	w := t.scratch()
	defer t.pool.Put(w)
	e := encoder{t: t, w: w, dst: w.count[:0], plain: o.Plain}
	e.run(text, o)
	w.count = e.dst
	if cap(w.count) > maxKept {
		w.count = nil
	}
	return len(e.dst)
}

// maxKept bounds, in elements, the buffers that a scratch keeps from text to text.
const maxKept = 1 << 20

// scratch is what one encoding works with. It is handed from text to text, so that its caches stay warm.
type scratch struct {
	nfc    nfcScratch
	merge  mergeScratch
	cache  pieceCache
	prefix []byte
	count  []int32
	ends   [2][]int
}

func (t *Tokenizer) scratch() *scratch {
	if w, ok := t.pool.Get().(*scratch); ok {
		return w
	}
	return new(scratch)
}

// encoder is one text on its way to ids.
type encoder struct {
	t       *Tokenizer
	w       *scratch
	dst     []int32
	plain   []Span
	workers int      // above 1: cut long segments at safe places
	offsets *offsets // nil: not asked for
}

// run encodes the whole text: added tokens are cut out first, what lies between them is normalised and tokenized by itself.
func (e *encoder) run(text string, o Options) {
	if slices.ContainsFunc(e.plain, func(s Span) bool { return s.Start >= s.End }) {
		e.plain = within(e.plain, 0, len(text)) // an empty span protects nothing
	}
	text, edits := validUTF8(text)
	if len(edits) > 0 {
		e.plain = moved(e.plain, edits)
	}
	if e.offsets != nil {
		e.offsets.replaced = edits
	}
	if o.AddSpecial {
		e.special(e.t.before, 0)
	}
	if o.NoSpecial || e.t.added.raw == nil {
		e.segment(text, 0, o)
	} else {
		e.split(e.t.added.raw, text, e.plain, func(id int32, at Span) {
			if id >= 0 {
				e.token(id, at)
			} else {
				e.segment(text[at.Start:at.End], at.Start, o)
			}
		})
	}
	if o.AddSpecial {
		e.special(e.t.after, len(text))
	}
}

// segment encodes text[base:][:len(s)], which holds no added token that matches text as it came.
func (e *encoder) segment(s string, base int, o Options) {
	if s == "" {
		return
	}
	norm := s
	var edits []edit
	if e.t.normalize {
		norm = tables().nfc(s, &e.w.nfc)
		edits = e.w.nfc.edits
	}
	if o.NoSpecial || e.t.added.normalized == nil {
		e.pieces(norm, Span{0, len(norm)}, base, edits)
		return
	}
	plain := within(e.plain, base, len(s))
	if len(edits) > 0 && len(plain) > 0 {
		plain = moved(plain, edits)
	}
	e.split(e.t.added.normalized, norm, plain, func(id int32, at Span) {
		if id >= 0 {
			e.token(id, e.original(at, base, edits))
		} else {
			e.pieces(norm, at, base, edits)
		}
	})
}

func (e *encoder) token(id int32, at Span) {
	e.dst = append(e.dst, id)
	if e.offsets != nil {
		e.offsets.add(at)
	}
}

func (e *encoder) special(ids []int32, at int) {
	for _, id := range ids {
		e.token(id, Span{at, at})
	}
}

// pieces encodes norm[at.Start:at.End], which is cut into pieces by the pre-tokenizer.
func (e *encoder) pieces(norm string, at Span, base int, edits []edit) {
	s := norm[at.Start:at.End]
	if s == "" {
		return
	}
	first := len(e.dst)
	prefixed := 0
	if e.t.prefixSpace && !strings.HasPrefix(s, " ") {
		e.w.prefix = append(append(e.w.prefix[:0], ' '), s...)
		s = unsafeString(e.w.prefix)
		prefixed = 1
	}
	switch {
	case e.t.words != nil:
		e.dst = e.t.words.append(e, e.dst, s, at.Start, base, edits)
		return
	case e.workers > 1 && e.t.cuts && len(s) >= 2*minParallel:
		e.dst = e.t.parallel(e.dst, s, e.workers)
	default:
		e.dst = e.t.appendPieces(e.dst, s, e.w)
	}
	if e.offsets != nil {
		e.offsets.addTokens(e, e.dst[first:], s, at.Start-prefixed, prefixed, base, edits)
	}
}

// appendPieces appends the tokens of s, piece by piece.
func (t *Tokenizer) appendPieces(dst []int32, s string, w *scratch) []int32 {
	switch p := t.pattern.(type) {
	case nil:
		return t.appendChain(dst, s, w)
	case bytewise:
		for i := range len(s) {
			dst = append(dst, int32(s[i]))
		}
		return dst
	default:
		return t.appendScan(dst, s, p, w)
	}
}

// piece appends the tokens of the piece s[i:end]: the token that it is, what the cache remembers, or what merging makes of it.
func (t *Tokenizer) piece(dst []int32, s string, i, end int, w *scratch) []int32 {
	n := end - i
	switch {
	case n == 1 && t.merger.byteID[s[i]] >= 0:
		return append(dst, t.merger.byteID[s[i]])
	case n > maxShort:
		return t.longPiece(dst, s[i:end], w)
	}
	var lo, hi uint64
	if i+16 <= len(s) {
		lo, hi = load64(s, i), load64(s, i+8)
		if n < 8 {
			lo, hi = lo&(1<<(8*uint(n)&63)-1), 0
		} else {
			hi &= 1<<(8*uint(n-8)&63) - 1
		}
		hi |= uint64(n) << 40
	} else {
		lo, hi = shortKey(s[i:end])
	}
	return t.shortPiece(dst, s[i:end], lo, hi, shortHash(lo, hi), w)
}

// shortPiece does it for a piece that has a key.
func (t *Tokenizer) shortPiece(dst []int32, s string, lo, hi, hash uint64, w *scratch) []int32 {
	slot := t.vocab.findShort(lo, hi, hash)
	if slot != nil {
		switch e := atomic.LoadUint64(&slot.hi); e >> stateBits {
		case stateSingle:
			return append(dst, int32(e>>idShift&(1<<idBits-1)))
		case stateUnknown:
			return t.learn(dst, s, int32(e>>idShift&(1<<idBits-1)), place{&slot.hi, stateBits}, w)
		}
	} else if t.vocab.wide {
		return t.longPiece(dst, s, w)
	}
	entry := w.cache.shortSlot(hash)
	if entry.lo == lo && entry.hi&keyMask == hi {
		return append(dst, entry.ids[:entry.hi>>keyBits]...)
	}
	first := len(dst)
	dst = t.merger.append(dst, s, &w.merge)
	if ids := dst[first:]; len(ids) <= maxShortIDs {
		entry.keep(lo, hi, ids)
	}
	return dst
}

// longPiece does it for a piece that has none.
func (t *Tokenizer) longPiece(dst []int32, s string, w *scratch) []int32 {
	id, at := t.vocab.findLong(s)
	if id >= 0 {
		switch at.state() {
		case stateSingle:
			return append(dst, id)
		case stateUnknown:
			return t.learn(dst, s, id, at, w)
		}
	}
	if len(s) > maxLong {
		return t.merger.append(dst, s, &w.merge)
	}
	entry := w.cache.longSlot(t.vocab.hash(s))
	if entry.holds(s) {
		return append(dst, entry.ids[:entry.n]...)
	}
	first := len(dst)
	dst = t.merger.append(dst, s, &w.merge)
	entry.keep(s, dst[first:])
	return dst
}

// learn merges a piece that is a token, and keeps whether that gives the token.
func (t *Tokenizer) learn(dst []int32, s string, id int32, at place, w *scratch) []int32 {
	first := len(dst)
	dst = t.merger.append(dst, s, &w.merge)
	if len(dst) == first+1 && dst[first] == id {
		at.set(stateSingle)
	} else {
		at.set(stateMerges)
	}
	return dst
}
