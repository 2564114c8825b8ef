package bpe

import (
	"bytes"
	"compress/flate"
	_ "embed"
	"encoding/binary"
	"io"
	"sync"
	"unicode/utf8"
)

// The classes of characters that the known patterns tell apart. Each character has exactly one.
const (
	clsEnd     = iota // no character: the end of the text, or a cut that an earlier splitter made
	clsUpper          // Lu, Lt
	clsLower          // Ll
	clsLetter         // Lm, Lo
	clsMark           // M
	clsNumber         // N
	clsSpace          // White_Space but \r and \n
	clsNewline        // \r, \n
	clsPunct          // P, S
	clsOther          // the rest: controls, format characters, unassigned
	clsInside         // a further mark that a pattern gives to characters of its own; see scan_deepseek.go
)

const (
	propClass   = 15
	propNumeric = 1 << 4 // Rust's char::is_numeric, an older table than clsNumber's
	propWord    = 1 << 5 // \w of the regex that guards single_word
)

// The Python that is asked must have tokenizers and tiktoken: that of exactness.sh. go run ./gen -python VENV/bin/python
//go:generate go run ./gen

//go:embed unicode.bin
var unicodeBin []byte

const (
	blockBits = 7
	blockSize = 1 << blockBits
	numBlocks = 0x110000 >> blockBits
)

// runeTable maps each character to a byte by two look-ups; equal blocks are stored once.
type runeTable struct {
	index  [numBlocks]uint16
	blocks [][blockSize]byte
}

func (t *runeTable) at(r rune) byte {
	if uint32(r) >= 0x110000 {
		return 0
	}
	return t.blocks[t.index[uint32(r)>>blockBits]][r&(blockSize-1)]
}

// unicodeData is what the references take characters for: the classes of tokenizers and tiktoken, the normalisation of tokenizers.
type unicodeData struct {
	props   runeTable
	norm    runeTable           // see nfc.go
	ccc     runeTable           // canonical combining class
	decomp  map[rune][]rune     // full canonical decompositions, Hangul excepted
	compose map[[2]rune]rune    // primary composites, Hangul excepted
	ascii   [utf8.RuneSelf]byte // props of ASCII
}

// tables unpacks unicode.bin once, at the first tokenizer that is loaded: 3 ms and 200 KB.
var tables = sync.OnceValue(func() *unicodeData {
	raw, err := io.ReadAll(flate.NewReader(bytes.NewReader(unicodeBin)))
	if err != nil {
		panic("bpe: the embedded unicode.bin is damaged: " + err.Error())
	}
	u := &unicodeData{decomp: map[rune][]rune{}, compose: map[[2]rune]rune{}}
	r := &varints{raw}
	r.table(&u.props)
	r.table(&u.ccc)
	c := rune(0)
	for range r.next() {
		c += rune(r.next())
		d := make([]rune, r.next())
		for i := range d {
			d[i] = rune(r.next())
		}
		u.decomp[c] = d
	}
	for range r.next() {
		a, b, c := rune(r.next()), rune(r.next()), rune(r.next())
		u.compose[[2]rune{a, b}] = c
	}
	for i := range u.ascii {
		u.ascii[i] = u.props.at(rune(i))
	}
	u.buildNorm()
	return u
})

// varints reads the stream that gen wrote.
type varints struct{ b []byte }

func (r *varints) next() uint64 {
	v, n := binary.Uvarint(r.b)
	r.b = r.b[n:]
	return v
}

func (r *varints) table(t *runeTable) {
	flat := make([]byte, 0, 0x110000)
	for len(flat) < 0x110000 {
		n := int(r.next())
		v := r.b[0]
		r.b = r.b[1:]
		flat = append(flat, bytes.Repeat([]byte{v}, n)...)
	}
	t.pack(flat)
}

// pack fills the table from one byte for each character.
func (t *runeTable) pack(flat []byte) {
	seen := make(map[[blockSize]byte]uint16)
	for i := range t.index {
		b := [blockSize]byte(flat[i<<blockBits:])
		n, ok := seen[b]
		if !ok {
			n = uint16(len(t.blocks))
			seen[b] = n
			t.blocks = append(t.blocks, b)
		}
		t.index[i] = n
	}
}

// mapped returns the table with every value replaced by f, which sees the character too.
func (t *runeTable) mapped(f func(r rune, v byte) byte) *runeTable {
	flat := make([]byte, 0x110000)
	for i := range flat {
		flat[i] = f(rune(i), t.at(rune(i)))
	}
	out := new(runeTable)
	out.pack(flat)
	return out
}

// classTable is what a scanner looks characters up in: a class for each, ASCII apart because it is nearly all there is.
type classTable struct {
	ascii [256]byte // clsEnd from 0x80 on: not a class, a sign to decode the character
	runes *runeTable
}

// newClassTable gives each character the class that remap makes of it.
func newClassTable(remap func(r rune, props byte) byte) *classTable {
	u := tables()
	t := &classTable{runes: u.props.mapped(remap)}
	for i := range utf8.RuneSelf {
		t.ascii[i] = t.runes.at(rune(i))
	}
	return t
}

// at returns the class of the character at s[i:] and its length in bytes; clsEnd and 0 at the end.
func (t *classTable) at(s string, i int) (class byte, size int) {
	if uint(i) >= uint(len(s)) {
		return clsEnd, 0
	}
	if b := s[i]; b < utf8.RuneSelf {
		return t.ascii[b], 1
	}
	return t.wide(s, i)
}

func (t *classTable) wide(s string, i int) (class byte, size int) {
	r, size := utf8.DecodeRuneInString(s[i:])
	return t.runes.at(r), size
}
