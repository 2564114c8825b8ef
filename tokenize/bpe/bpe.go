// Package bpe turns text into token ids and back: byte-level BPE as Hugging Face's tokenizers and OpenAI's tiktoken do it.
//
// The one rule: the ids are those of the reference, for every text. The classes of characters and the normalisation are the
// reference's own (asked from it, see gen and exactness), not Go's, which follow a newer Unicode. What a tokenizer file asks
// for and the package does not do is an error that names the place in the file; nothing is approximated.
//
//	text ─ added tokens cut out ─ NFC ─ pattern ──▶ pieces ──▶ whole piece a token? ─ cached? ─ merged ──▶ ids
//
// What it costs: a Qwen2.5 tokenizer loads in some 90 ms and holds 11 MB; encoding allocates nothing per token, and up to
// 1.2 MB of caches for each goroutine that encodes at the same time. DESIGN.md has the figures, and what was tried in vain.
//
// A Tokenizer is safe for any number of goroutines.
package bpe

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"
)

// The kinds of tokenizer files.
const (
	KindHuggingFace = "huggingface" // tokenizer.json, model BPE
	KindWordLevel   = "wordlevel"   // tokenizer.json, model WordLevel
	KindTiktoken    = "tiktoken"    // a rank file
	KindBytes       = "bytes"       // one id for each byte
)

// Tokenizer encodes and decodes text. Load, Named and Parse make one.
type Tokenizer struct {
	name string
	kind string
	sum  [sha256.Size]byte

	normalize   bool // NFC
	added       addedSet
	prefixSpace bool
	pattern     pattern // nil: chain
	chain       []splitter
	quick       *quick
	cuts        bool // the pattern has safe places to cut at

	vocab  *vocab
	merger *merger    // nil without merges
	words  *wordLevel // nil but for KindWordLevel

	before, after []int32 // what AddSpecial puts around the text
	pool          sync.Pool
}

// Name returns the name that the tokenizer was loaded by: a file's base name, or that of an embedded one.
func (t *Tokenizer) Name() string { return t.name }

// Kind returns one of the Kind constants.
func (t *Tokenizer) Kind() string { return t.kind }

// SHA256 returns the hash of the file or ranks that the tokenizer was made from, in hexadecimal.
func (t *Tokenizer) SHA256() string { return hex.EncodeToString(t.sum[:]) }

// VocabSize returns the highest id plus one, added tokens included.
func (t *Tokenizer) VocabSize() int {
	n := t.vocab.size()
	for _, a := range t.added.all {
		n = max(n, int(a.ID)+1)
	}
	return n
}

// AddedTokens returns the added tokens in the order of the file.
func (t *Tokenizer) AddedTokens() []AddedToken { return append([]AddedToken(nil), t.added.all...) }

// TokenBytes returns the bytes that a token stands for; ok is false for an id that no token has.
func (t *Tokenizer) TokenBytes(id int32) (b []byte, ok bool) {
	if i, ok := t.added.byID[id]; ok {
		return []byte(t.added.all[i].Content), true
	}
	b = t.vocab.bytes(id)
	return append([]byte(nil), b...), len(b) > 0
}

// TokenText is TokenBytes as a string; a token that holds a part of a character is no valid UTF-8.
func (t *Tokenizer) TokenText(id int32) string {
	b, _ := t.TokenBytes(id)
	return string(b)
}

// Special reports whether the token is an added token marked as special.
func (t *Tokenizer) Special(id int32) bool {
	i, ok := t.added.byID[id]
	return ok && t.added.all[i].Special
}

// TokenID returns the id of the added token with this content, or else of the token with these bytes.
func (t *Tokenizer) TokenID(text string) (id int32, ok bool) {
	for _, a := range t.added.all {
		if a.Content == text {
			return a.ID, true
		}
	}
	if t.words != nil {
		id, ok = t.words.ids[text]
		return id, ok
	}
	id, _ = t.vocab.find(text)
	return id, id >= 0
}

// HasAddedToken reports whether encoding the text with Options{} would match an added token: whether it holds, say, "<|im_end|>".
func (t *Tokenizer) HasAddedToken(text string) bool {
	w := t.scratch()
	defer t.pool.Put(w)
	e := encoder{t: t, w: w}
	found := false
	emit := func(id int32, _ Span) { found = found || id >= 0 }
	text, _ = validUTF8(text)
	if m := t.added.raw; m != nil {
		e.split(m, text, nil, emit)
	}
	if m := t.added.normalized; m != nil && !found {
		if t.normalize {
			text = tables().nfc(text, &w.nfc)
		}
		e.split(m, text, nil, emit)
	}
	return found
}
