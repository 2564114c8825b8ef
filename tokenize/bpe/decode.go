package bpe

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// DecodeOptions say how ids become text.
type DecodeOptions struct {
	SkipSpecial bool // leave special tokens out
}

// Decode returns the text of the ids. Where they end or begin inside a character, U+FFFD stands for the rest of it, as in the
// reference. An added token gives its content; the reference reads that in the alphabet of bytes if it can, which damages
// contents with letters such as é. An id that no token has is an error.
func (t *Tokenizer) Decode(ids []int32, o DecodeOptions) (string, error) {
	b, err := t.AppendDecode(make([]byte, 0, 4*len(ids)), ids, o)
	if err != nil {
		return "", err
	}
	text, _ := validUTF8(unsafeString(b))
	return text, nil
}

// AppendDecode appends the bytes of the ids to dst, as they are: not valid UTF-8 if the ids cut a character.
func (t *Tokenizer) AppendDecode(dst []byte, ids []int32, o DecodeOptions) ([]byte, error) {
	for i, id := range ids {
		var ok bool
		if dst, ok = t.appendToken(dst, id, o); !ok {
			return dst, fmt.Errorf("bpe: decode: ids[%d]: no token has the id %d (%s has %d)", i, id, t.name, t.VocabSize())
		}
	}
	return dst, nil
}

func (t *Tokenizer) appendToken(dst []byte, id int32, o DecodeOptions) (_ []byte, ok bool) {
	if len(t.added.byID) > 0 {
		if i, ok := t.added.byID[id]; ok {
			if a := &t.added.all[i]; !a.Special || !o.SkipSpecial {
				dst = t.separate(dst)
				dst = append(dst, a.Content...)
			}
			return dst, true
		}
	}
	b := t.vocab.bytes(id)
	ok = uint(id) < uint(t.vocab.size()) && (len(b) > 0 || t.kind != KindTiktoken) // rank files may have holes
	if ok {
		dst = t.separate(dst)
	}
	return append(dst, b...), ok
}

// separate puts a space between the words of a WordLevel tokenizer, which knows no decoder.
func (t *Tokenizer) separate(dst []byte) []byte {
	if t.words != nil && len(dst) > 0 {
		return append(dst, ' ')
	}
	return dst
}

// Stream decodes ids that come one at a time. What it returns is always whole characters: bytes of one that is not complete
// wait for the next token.
type Stream struct {
	t    *Tokenizer
	o    DecodeOptions
	wait []byte
	some bool
}

// NewStream returns a Stream at the beginning of a text.
func (t *Tokenizer) NewStream(o DecodeOptions) *Stream { return &Stream{t: t, o: o} }

// Next returns the text that is complete with this token, which may be empty.
func (s *Stream) Next(id int32) (string, error) {
	b, ok := s.t.appendToken(s.wait, id, s.o)
	if !ok {
		return "", fmt.Errorf("bpe: decode: no token has the id %d (%s has %d)", id, s.t.name, s.t.VocabSize())
	}
	n := complete(b)
	text, _ := validUTF8(string(b[:n]))
	s.wait = append(b[:0], b[n:]...)
	if s.t.words != nil && text != "" {
		if s.some {
			text = " " + text
		}
		s.some = true
	}
	return text, nil
}

// Flush returns what still waits: U+FFFD for a character that was cut, else nothing.
func (s *Stream) Flush() string {
	text, _ := validUTF8(string(s.wait))
	s.wait = s.wait[:0]
	return text
}

// complete returns the length of b without a character at its end that more bytes could complete.
func complete(b []byte) int {
	for i := len(b) - 1; i >= 0 && i >= len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return i
			}
			break
		}
	}
	return len(b)
}

// String names the tokenizer for people.
func (t *Tokenizer) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s, %d tokens)", t.name, t.kind, t.VocabSize())
	return b.String()
}
