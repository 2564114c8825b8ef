// Command exactness encodes texts for compare.py, which holds the ids against those of the reference.
//
//	exactness TOKENIZER [ordinary]     a file, a folder, or the name of an embedded tokenizer
//
// It reads texts from standard input, each behind its length (uint32, little endian), and answers each with the number of ids
// and the ids (int32). "ordinary" matches no added tokens. A text is answered when the next is asked for, or all at the end.
package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/longctx/pipeline/tokenize/bpe"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "exactness:", err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("usage: exactness TOKENIZER [ordinary]")
	}
	load := bpe.Load
	if slices.Contains(bpe.Names(), args[0]) {
		load = bpe.Named
	}
	t, err := load(args[0])
	if err != nil {
		return err
	}
	o := bpe.Options{NoSpecial: slices.Contains(args, "ordinary"), AddSpecial: slices.Contains(args, "special")}
	r, w := bufio.NewReaderSize(in, 1<<20), bufio.NewWriterSize(out, 1<<20)
	var text, reply []byte
	var ids []int32
	for {
		var head [4]byte
		if _, err := io.ReadFull(r, head[:]); err == io.EOF {
			return w.Flush()
		} else if err != nil {
			return err
		}
		text = slices.Grow(text[:0], int(binary.LittleEndian.Uint32(head[:])))[:binary.LittleEndian.Uint32(head[:])]
		if _, err := io.ReadFull(r, text); err != nil {
			return err
		}
		ids = t.AppendEncode(ids[:0], string(text), o)
		if got := t.Count(string(text), o); got != len(ids) {
			return fmt.Errorf("bpe.Count says %d, Encode gives %d ids: %q", got, len(ids), text)
		}
		reply = binary.LittleEndian.AppendUint32(reply[:0], uint32(len(ids)))
		for _, id := range ids {
			reply = binary.LittleEndian.AppendUint32(reply, uint32(id))
		}
		if _, err := w.Write(reply); err != nil {
			return err
		}
		if r.Buffered() == 0 {
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
}
