// Command gen packs what extract.py learnt from the reference tokenizers into unicode.bin, which package bpe embeds.
//
// The file is a deflated stream of unsigned varints, all tables one after the other; see unicode.go for the reader.
// It is small (about 10 KB), and no Unicode table of Go's takes part: Go's are newer than the references'.
package main

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"sort"
	"strconv"
	"strings"
)

// The order is that of the class constants in unicode.go.
var classes = map[string]byte{
	"upper": 1, "lower": 2, "letter": 3, "mark": 4, "number": 5, "space": 6, "newline": 7, "punct": 8, "symbol": 8,
}

const (
	other      = 9
	bitNumeric = 1 << 4
	bitWord    = 1 << 5
)

type facts struct {
	props     [0x110000]byte // class, bitNumeric, bitWord
	rust      [0x110000]byte // the class by the second engine, which must agree
	ccc       [0x110000]byte
	decomp    [][]uint64
	compose   [][]uint64
	extracted string
}

func main() {
	log.SetFlags(0)
	python := flag.String("python", "python3", "a Python that has tokenizers and tiktoken")
	facts := flag.String("facts", "", "read the output of extract.py from this file instead of running it")
	out := flag.String("out", "unicode.bin", "the file to write")
	flag.Parse()
	if err := run(*python, *facts, *out); err != nil {
		log.Fatalf("gen: %v", err)
	}
}

func run(python, path, out string) error {
	data, err := read(python, path)
	if err != nil {
		return err
	}
	f, err := parse(data)
	if err != nil {
		return err
	}
	for c := range f.props {
		if f.props[c]&15 != f.rust[c] {
			return fmt.Errorf("the references no longer agree on U+%04X: class %d and %d; unicode.bin needs a table for each", c, f.props[c]&15, f.rust[c])
		}
	}
	packed, err := f.pack()
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s: %d bytes, from %s\n", out, len(packed), f.extracted)
	return os.WriteFile(out, packed, 0o644)
}

func read(python, path string) ([]byte, error) {
	if path != "" {
		return os.ReadFile(path)
	}
	cmd := exec.Command(python, "exactness/extract.py")
	cmd.Stderr = os.Stderr
	return cmd.Output()
}

func parse(data []byte) (*facts, error) {
	f := new(facts)
	for c := range f.props {
		f.props[c], f.rust[c] = other, other
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		if err := f.line(strings.Fields(lines.Text())); err != nil {
			return nil, fmt.Errorf("fact %q: %w", lines.Text(), err)
		}
	}
	for _, c := range []rune{'\r', '\n'} {
		f.props[c], f.rust[c] = classes["newline"], classes["newline"]
	}
	return f, lines.Err()
}

func (f *facts) line(w []string) error {
	switch w[0] {
	case "version":
		f.extracted += w[1] + " " + w[2] + " "
		return nil
	case "class":
		table := &f.props
		if w[1] == "rust" {
			table = &f.rust
		}
		return fill(w[3:], func(c uint64) { table[c] = classes[w[2]] })
	case "numeric":
		return fill(w[1:], func(c uint64) { f.props[c] |= bitNumeric })
	case "word":
		return fill(w[1:], func(c uint64) { f.props[c] |= bitWord })
	case "ccc":
		class, err := strconv.Atoi(w[1])
		if err != nil {
			return err
		}
		return fill(w[2:], func(c uint64) { f.ccc[c] = byte(class) })
	case "decomp":
		row, err := hex(w[1:])
		f.decomp = append(f.decomp, row)
		return err
	case "compose":
		row, err := hex(w[1:])
		f.compose = append(f.compose, row)
		return err
	}
	return fmt.Errorf("unknown word %q", w[0])
}

func fill(w []string, set func(c uint64)) error {
	r, err := hex(w)
	if err != nil {
		return err
	}
	for c := r[0]; c <= r[1]; c++ {
		set(c)
	}
	return nil
}

func hex(w []string) ([]uint64, error) {
	row := make([]uint64, len(w))
	for i, s := range w {
		v, err := strconv.ParseUint(s, 16, 32)
		if err != nil {
			return nil, err
		}
		row[i] = v
	}
	return row, nil
}

// pack writes the two character tables as runs (length, value), then the decompositions and the compositions.
func (f *facts) pack() ([]byte, error) {
	var b []byte
	for _, table := range []*[0x110000]byte{&f.props, &f.ccc} {
		for i := 0; i < len(table); {
			j := i
			for j < len(table) && table[j] == table[i] {
				j++
			}
			b = binary.AppendUvarint(b, uint64(j-i))
			b = append(b, table[i])
			i = j
		}
	}
	sort.Slice(f.decomp, func(i, j int) bool { return f.decomp[i][0] < f.decomp[j][0] })
	b = binary.AppendUvarint(b, uint64(len(f.decomp)))
	last := uint64(0)
	for _, row := range f.decomp {
		b = binary.AppendUvarint(b, row[0]-last)
		last = row[0]
		b = binary.AppendUvarint(b, uint64(len(row)-1))
		for _, c := range row[1:] {
			b = binary.AppendUvarint(b, c)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(f.compose)))
	for _, row := range f.compose {
		for _, c := range row {
			b = binary.AppendUvarint(b, c)
		}
	}
	var z bytes.Buffer
	w, err := flate.NewWriter(&z, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(w, bytes.NewReader(b)); err != nil {
		return nil, err
	}
	err = w.Close()
	return z.Bytes(), err
}
