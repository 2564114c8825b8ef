package bpe

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pkoukk/tiktoken-go-loader/assets"
)

// encoding is what a rank file does not say: the pattern and the special tokens.
type encoding struct {
	name    string
	sum     string // SHA-256 of the rank file
	pattern func() pattern
	special map[string]int32
}

var (
	patternGPT2   = func() pattern { return gpt2{plainClasses()} }
	patternCL100K = func() pattern { return cl100k{plainClasses(), 3, true} }
	patternQwen   = func() pattern { return cl100k{plainClasses(), 1, false} }
	patternO200K  = func() pattern { return o200k{plainClasses()} }
)

// encodings are those of tiktoken's openai_public.py, and Qwen's from its tokenization_qwen.py.
var encodings = []encoding{
	{
		"o200k_base", "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d", patternO200K,
		map[string]int32{"<|endoftext|>": 199999, "<|endofprompt|>": 200018},
	},
	{"cl100k_base", "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7", patternCL100K, map[string]int32{
		"<|endoftext|>": 100257, "<|fim_prefix|>": 100258, "<|fim_middle|>": 100259, "<|fim_suffix|>": 100260, "<|endofprompt|>": 100276,
	}},
	{"p50k_base", "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069", patternGPT2, map[string]int32{"<|endoftext|>": 50256}},
	{"r50k_base", "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930", patternGPT2, map[string]int32{"<|endoftext|>": 50256}},
	{"qwen", "b2b1b8dfb5cc5f024bafc373121c6aba3f66f9a5a0269e243470a1de16a33186", patternQwen, qwenSpecial()},
}

func qwenSpecial() map[string]int32 {
	m := map[string]int32{"<|endoftext|>": 151643, "<|im_start|>": 151644, "<|im_end|>": 151645}
	for i := range int32(205) {
		m["<|extra_"+strconv.Itoa(int(i))+"|>"] = 151646 + i
	}
	return m
}

// Names returns the names that Named knows.
func Names() []string {
	return []string{"o200k_base", "cl100k_base", "p50k_base", "r50k_base", KindBytes}
}

// ErrUnknownName is what Named returns for a name that is not one of Names.
var ErrUnknownName = errors.New("no embedded tokenizer has this name")

// Named returns a tokenizer that needs no file. "bytes" has one id for each byte and <|endoftext|>, <|im_start|>, <|im_end|>
// and <|pad|> as 256 to 259: for models so small that a vocabulary would be most of them.
func Named(name string) (*Tokenizer, error) {
	if name == KindBytes {
		return newBytes(), nil
	}
	if !slices.Contains(Names(), name) {
		return nil, fmt.Errorf("bpe: tokenizer %q: %w; there are %s", name, ErrUnknownName, strings.Join(Names(), ", "))
	}
	data, err := assets.Assets.ReadFile(name + ".tiktoken")
	if err != nil {
		return nil, fmt.Errorf("bpe: embedded tokenizer: %w", err)
	}
	return Parse(name, data)
}

func newBytes() *Tokenizer {
	t := &Tokenizer{name: KindBytes, kind: KindBytes, pattern: bytewise{}, cuts: true, sum: sha256.Sum256([]byte("bytes 1"))}
	t.vocab = newVocab(256, 256)
	for b := range 256 {
		t.vocab.append([]byte{byte(b)})
		t.vocab.insert(int32(b), stateSingle)
	}
	t.addSpecial(map[string]int32{"<|endoftext|>": 256, "<|im_start|>": 257, "<|im_end|>": 258, "<|pad|>": 259})
	return t
}

func (t *Tokenizer) addSpecial(special map[string]int32) {
	var all []AddedToken
	for content, id := range special {
		all = append(all, AddedToken{ID: id, Content: content, Special: true})
	}
	slices.SortFunc(all, func(a, b AddedToken) int { return int(a.ID - b.ID) })
	t.added = newAddedSet(all, false)
}

// isRankFile reports whether the first line is a base64 word, a space and a number.
func isRankFile(data []byte) bool {
	line, _, _ := bytes.Cut(data, []byte("\n"))
	_, _, err := rankLine(bytes.TrimRight(line, "\r"))
	return err == nil
}

func rankLine(line []byte) (token []byte, rank int, err error) {
	word, number, ok := bytes.Cut(line, []byte(" "))
	if !ok {
		return nil, 0, errors.New("want a base64 word, a space and a rank")
	}
	token = make([]byte, base64.StdEncoding.DecodedLen(len(word)))
	n, err := base64.StdEncoding.Decode(token, word)
	if err != nil {
		return nil, 0, err
	}
	if n == 0 {
		return nil, 0, errors.New("an empty token")
	}
	rank, err = strconv.Atoi(string(number))
	if err != nil || rank < 0 || rank > longIDMask-1 {
		return nil, 0, fmt.Errorf("%q is no rank", number)
	}
	return token[:n], rank, nil
}

// parseRanks reads a rank file: the rank of a token is its id, and the order of merging.
func (t *Tokenizer) parseRanks(data []byte) error {
	t.kind = KindTiktoken
	e := t.encoding()
	if e == nil {
		return fmt.Errorf("a tiktoken rank file does not say by which pattern to cut the text, and this is none of %s; "+
			"name the file after the one whose pattern it has (Example: my-qwen.tiktoken), or convert it to a tokenizer.json", strings.Join(encodingNames(), ", "))
	}
	type ranked struct {
		token []byte
		line  int
	}
	ranks := make([]ranked, 0, len(data)/16)
	size := 0
	for n := 1; len(data) > 0; n++ {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		data = rest
		if line = bytes.TrimRight(line, "\r"); len(line) == 0 {
			continue
		}
		token, rank, err := rankLine(line)
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		for rank >= len(ranks) {
			if rank > 4*n+1<<16 {
				return fmt.Errorf("line %d: rank %d leaves a hole of more than %d ids", n, rank, 3*n)
			}
			ranks = append(ranks, ranked{})
		}
		if ranks[rank].token != nil {
			return fmt.Errorf("line %d: rank %d was given in line %d", n, rank, ranks[rank].line)
		}
		ranks[rank] = ranked{token, n}
		size += len(token)
	}
	t.vocab = newVocab(len(ranks), size)
	for _, r := range ranks {
		t.vocab.append(r.token)
	}
	t.merger = newMerger(2 * len(ranks))
	for id, r := range ranks {
		if r.token == nil {
			continue
		}
		if same := t.vocab.insert(int32(id), stateSingle); same >= 0 {
			return fmt.Errorf("line %d: the token %q is that of line %d", r.line, r.token, ranks[same].line)
		}
		if len(r.token) == 1 {
			t.merger.byteID[r.token[0]] = int32(id)
		}
	}
	for b, id := range t.merger.byteID {
		if id < 0 {
			return fmt.Errorf("byte 0x%02x has no rank: the file is not whole", b)
		}
	}
	t.pairsOfRanks()
	t.pattern = e.pattern()
	t.quick = newQuick(t.pattern, &t.merger.byteID)
	t.cuts = true
	t.addSpecial(e.special)
	return nil
}

// pairsOfRanks makes explicit what tiktoken looks up by bytes: two tokens merge if their bytes together are a token.
func (t *Tokenizer) pairsOfRanks() {
	for id := range int32(t.vocab.size()) {
		token := unsafeString(t.vocab.bytes(id))
		for i := 1; i < len(token); i++ {
			left, _ := t.vocab.find(token[:i])
			if left < 0 {
				continue
			}
			if right, _ := t.vocab.find(token[i:]); right >= 0 {
				t.merger.add(left, right, uint32(id))
			}
		}
	}
	t.merger.finish()
}

// encoding finds what belongs to the rank file: by its content, or else by its name.
func (t *Tokenizer) encoding() *encoding {
	sum := hex.EncodeToString(t.sum[:])
	for i := range encodings {
		if encodings[i].sum == sum {
			return &encodings[i]
		}
	}
	for i := range encodings {
		if strings.Contains(strings.ToLower(t.name), encodings[i].name) {
			return &encodings[i]
		}
	}
	return nil
}

func encodingNames() []string {
	var names []string
	for _, e := range encodings {
		names = append(names, e.name)
	}
	return names
}
