package bpe

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

var jsontextEOF = io.ErrUnexpectedEOF

// hfModel is the model of a tokenizer.json, its vocabulary and merges still as JSON: they are 95 % of the file, and read by
// hand once the JSON library has found them well-formed.
type hfModel struct {
	kind          string
	vocab, merges jsontext.Value
	unknown       string
	ignoreMerges  bool

	seen     []string         // the names of the tokens by id, as they stand in the file (quoted)
	oddities map[string]int32 // tokens whose name is not in the alphabet of bytes: no piece of text is ever one
}

func (m *hfModel) read(data jsontext.Value) error {
	if data.Kind() != '{' {
		return wrong("model", "want an object, not %s %s", kindName(data.Kind()), short(data))
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true))
	if _, err := dec.ReadToken(); err != nil {
		return atPointer(err)
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return atPointer(err)
		}
		key := name.String()
		value, err := dec.ReadValue()
		if err != nil {
			return atPointer(err)
		}
		if err := m.field(key, value); err != nil {
			return err
		}
	}
	if m.vocab == nil {
		return wrong("model.vocab", "missing")
	}
	return nil
}

func (m *hfModel) field(key string, value jsontext.Value) error {
	path := "model." + key
	switch key {
	case "type":
		return decode(path, value, &m.kind)
	case "vocab":
		m.vocab = value
	case "merges":
		m.merges = value
		if value.Kind() != '[' {
			return wrong(path, "want a list, not %s %s", kindName(value.Kind()), short(value))
		}
	case "unk_token":
		if value.Kind() != 'n' {
			return decode(path, value, &m.unknown)
		}
	case "ignore_merges":
		return decode(path, value, &m.ignoreMerges)
	case "dropout":
		if s := value.String(); s != "null" && s != "0.0" && s != "0" {
			return unsupported(path, "dropout", "encoding would be random; set it to null")
		}
	case "byte_fallback":
		if value.Kind() == 't' {
			return unsupported(path, "byte_fallback", "the model is not byte-level; the engine on daulet/tokenizers (build tag hf) does it")
		}
	case "continuing_subword_prefix", "end_of_word_suffix":
		if s := value.String(); s != "null" && s != `""` {
			return unsupported(path, s, "the model is not byte-level; the engine on daulet/tokenizers (build tag hf) does it")
		}
	}
	return nil
}

// byteChar maps the characters of the alphabet of bytes (GPT-2's) to the bytes they stand for, -1 for others.
var byteChar = func() (t [324]int16) {
	for i := range t {
		t[i] = -1
	}
	n := 256
	for b := range 256 {
		if b >= '!' && b <= '~' || b >= 0xA1 && b != 0xAD {
			t[b] = int16(b)
		} else {
			t[n] = int16(b)
			n++
		}
	}
	return t
}()

// fromByteChars appends the bytes that a token's name stands for; ok is false if a character is not of the alphabet.
func fromByteChars(dst, name []byte) (_ []byte, ok bool) {
	for i := 0; i < len(name); {
		if b := name[i]; b < utf8.RuneSelf {
			if byteChar[b] < 0 {
				return dst, false
			}
			dst = append(dst, b)
			i++
			continue
		}
		r, n := utf8.DecodeRune(name[i:])
		if int(r) >= len(byteChar) || byteChar[r] < 0 {
			return dst, false
		}
		dst = append(dst, byte(byteChar[r]))
		i += n
	}
	return dst, true
}

// members calls f with each name (quoted) and value of a well-formed object whose values are no strings, lists or objects.
func members(object []byte, f func(name, value []byte) error) error {
	for i := skipBlank(object, 1); object[i] != '}'; {
		end := i + stringLen(object[i:])
		name := object[i:end]
		start := skipBlank(object, end)
		start = skipBlank(object, start+1) // the colon
		end = start
		for c := object[end]; c != ',' && c != '}'; c = object[end] {
			switch c {
			case '"', '[', '{':
				return f(name, object[start:min(len(object), start+40)])
			}
			end++
		}
		if err := f(name, bytes.TrimRight(object[start:end], " \t\r\n")); err != nil {
			return err
		}
		if i = end; object[i] == ',' {
			i = skipBlank(object, i+1)
		}
	}
	return nil
}

func skipBlank(b []byte, i int) int {
	for b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r' {
		i++
	}
	return i
}

// stringLen returns the length of the quoted string that b begins with.
func stringLen(b []byte) int {
	for i := 1; ; i++ {
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
}

// unquote returns what the quoted string says: a part of it where nothing is escaped, else a copy in buf.
func unquote(quoted, buf []byte) []byte {
	if inner := quoted[1 : len(quoted)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	out, _ := jsontext.AppendUnquote(buf[:0], quoted) // cannot fail: the decoder has read it before
	return out
}

// tokenID reads an id.
func tokenID(name, value []byte) (int32, error) {
	n, err := strconv.ParseUint(unsafeString(value), 10, 32)
	if err != nil || n > longIDMask-1 {
		return 0, wrong(fmt.Sprintf("model.vocab[%s]", name), "want an id, not %s", value)
	}
	return int32(n), nil
}

// byID fills m.seen: the quoted name of each token by id. Every id from 0 on must be there once.
func (m *hfModel) byID() error {
	if m.vocab.Kind() != '{' {
		return wrong("model.vocab", "want an object of tokens and ids, not %s", kindName(m.vocab.Kind()))
	}
	m.seen = make([]string, 0, len(m.vocab)/16)
	count := 0
	err := members(m.vocab, func(name, value []byte) error {
		id, err := tokenID(name, value)
		if err != nil {
			return err
		}
		if int(id) > len(m.vocab) {
			return wrong(fmt.Sprintf("model.vocab[%s]", name), "the id %d leaves a hole: the file has room for at most %d tokens", id, len(m.vocab)/5)
		}
		for int(id) >= len(m.seen) {
			m.seen = append(m.seen, "")
		}
		if m.seen[id] != "" {
			return wrong(fmt.Sprintf("model.vocab[%s]", name), "the id %d is that of %s", id, m.seen[id])
		}
		m.seen[id] = unsafeString(name)
		count++
		return nil
	})
	if err != nil || count == len(m.seen) {
		return err
	}
	for id, name := range m.seen {
		if name == "" {
			return wrong("model.vocab", "no token has the id %d, of 0 to %d: ids must have no holes", id, len(m.seen)-1)
		}
	}
	return nil
}

// buildBPE makes the vocabulary and the merges.
func (t *Tokenizer) buildBPE(m *hfModel) error {
	if err := m.byID(); err != nil {
		return err
	}
	if m.merges == nil {
		return wrong("model.merges", "missing")
	}
	t.vocab = newVocab(len(m.seen), len(m.vocab)/2)
	m.oddities = map[string]int32{}
	state := uint64(stateUnknown)
	if m.ignoreMerges {
		state = stateSingle
	}
	if len(m.seen) >= 1<<pairIDBits {
		return unsupported("model.vocab", fmt.Sprintf("a vocabulary of %d tokens", len(m.seen)), fmt.Sprintf("%d is the most", 1<<pairIDBits-1))
	}
	t.merger = newMerger(bytes.Count(m.merges, []byte(`",`)))
	var raw, buf []byte
	for id, quoted := range m.seen {
		name := unquote(unsafeBytes(quoted), buf)
		var ok bool
		if raw, ok = fromByteChars(raw[:0], name); !ok || len(raw) == 0 {
			m.oddities[string(name)] = int32(id)
			t.vocab.append(name)
			continue
		}
		t.vocab.append(raw)
		if same := t.vocab.insert(int32(id), state); same >= 0 {
			return wrong(fmt.Sprintf("model.vocab[%s]", quoted), "the same token has the id %d", same)
		}
		if len(raw) == 1 {
			t.merger.byteID[raw[0]] = int32(id)
		}
	}
	if err := t.buildMerges(m); err != nil {
		return err
	}
	if m.unknown != "" {
		for b, id := range t.merger.byteID {
			if id < 0 && couldBeUTF8(b) {
				return unsupported("model.unk_token", fmt.Sprintf("%q for byte 0x%02x, which has no token,", m.unknown, b), "add the byte to the vocabulary")
			}
		}
	}
	t.merger.finish()
	if t.pattern != nil {
		t.quick = newQuick(t.pattern, &t.merger.byteID)
	}
	return nil
}

// couldBeUTF8 reports whether the byte occurs in valid UTF-8.
func couldBeUTF8(b int) bool { return b < 0xF5 && b != 0xC0 && b != 0xC1 }

// buildMerges reads the merges, each "left right" or ["left", "right"].
func (t *Tokenizer) buildMerges(m *hfModel) error {
	b := []byte(m.merges)
	var bufs [3][]byte
	rank := uint32(0)
	for i := skipBlank(b, 1); b[i] != ']'; rank++ {
		if rank >= rankMask {
			return unsupported("model.merges", "a list of so many merges", fmt.Sprintf("%d is the most", rankMask))
		}
		var left, right []byte
		switch b[i] {
		case '"':
			n := stringLen(b[i:])
			pair := unquote(b[i:i+n], bufs[0])
			i += n
			var ok bool
			left, right, ok = bytes.Cut(pair, []byte(" "))
			if !ok || bytes.IndexByte(right, ' ') >= 0 {
				return wrong(mergePath(rank), "want two pieces with a space between them, not %q", pair)
			}
		case '[':
			var parts [2][]byte
			n := 0
			for i = skipBlank(b, i+1); b[i] == '"' && n < 2; n++ {
				size := stringLen(b[i:])
				bufs[n] = append(bufs[n][:0], unquote(b[i:i+size], bufs[2])...)
				parts[n] = bufs[n]
				if i = skipBlank(b, i+size); b[i] == ',' {
					i = skipBlank(b, i+1)
				}
			}
			if n != 2 || b[i] != ']' {
				return wrong(mergePath(rank), "want a list of two pieces")
			}
			i++
			left, right = parts[0], parts[1]
		default:
			return wrong(mergePath(rank), "want two pieces, not %s", short(b[i:]))
		}
		if err := t.addMerge(left, right, rank, m.oddities); err != nil {
			return err
		}
		if i = skipBlank(b, i); b[i] == ',' {
			i = skipBlank(b, i+1)
		}
	}
	return nil
}

func mergePath(rank uint32) string { return fmt.Sprintf("model.merges[%d]", rank) }

func (t *Tokenizer) addMerge(left, right []byte, rank uint32, oddities map[string]int32) error {
	t.merger.result = append(t.merger.result, -1)
	var room [128]byte
	a, ok1 := fromByteChars(room[:0], left)
	both, ok2 := fromByteChars(a, right)
	if !ok1 || !ok2 {
		for _, name := range [][]byte{left, right, append(bytes.Clone(left), right...)} {
			if _, ok := t.vocabID(string(name), oddities); !ok {
				return wrong(mergePath(rank), "piece %q is not in the vocabulary", name)
			}
		}
		return nil // no text has these characters after ByteLevel
	}
	l, _ := t.vocab.find(unsafeString(both[:len(a)]))
	r, _ := t.vocab.find(unsafeString(both[len(a):]))
	id, _ := t.vocab.find(unsafeString(both))
	switch {
	case l < 0:
		return wrong(mergePath(rank), "piece %q is not in the vocabulary", left)
	case r < 0:
		return wrong(mergePath(rank), "piece %q is not in the vocabulary", right)
	case id < 0:
		return wrong(mergePath(rank), "the pieces %q and %q give %q, which is not in the vocabulary", left, right, string(left)+string(right))
	}
	t.merger.add(l, r, rank)
	t.merger.result[rank] = id
	return nil
}

// buildWords makes the vocabulary of a WordLevel model.
func (t *Tokenizer) buildWords(m *hfModel) error {
	if err := m.byID(); err != nil {
		return err
	}
	t.words.ids = make(map[string]int32, len(m.seen))
	t.vocab = newVocab(len(m.seen), len(m.vocab))
	for id, quoted := range m.seen {
		name := unquote(unsafeBytes(quoted), nil)
		if same, ok := t.words.ids[string(name)]; ok {
			return wrong(fmt.Sprintf("model.vocab[%s]", quoted), "the same token has the id %d", same)
		}
		t.words.ids[string(name)] = int32(id)
		t.vocab.append(name)
	}
	unknown, ok := t.words.ids[m.unknown]
	if !ok {
		return wrong("model.unk_token", "%q is not in the vocabulary", m.unknown)
	}
	t.words.unknown = unknown
	m.oddities = t.words.ids
	return nil
}
