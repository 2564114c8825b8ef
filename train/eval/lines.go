package eval

import (
	"bufio"
	"errors"
	"io"
	"iter"
)

// lines returns the lines of a text with their ends; the last may have none. A line is valid
// until the next step.
func lines(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		b := bufio.NewReaderSize(r, 1<<20)
		var long []byte
		for {
			part, err := b.ReadSlice('\n')
			if errors.Is(err, bufio.ErrBufferFull) {
				long = append(long, part...)
				continue
			}
			if err != nil && !errors.Is(err, io.EOF) {
				yield(nil, err)
				return
			}
			line := part
			if len(long) > 0 {
				long = append(long, part...)
				line = long
			}
			if len(line) > 0 && !yield(line, nil) {
				return
			}
			if err != nil {
				return
			}
			long = long[:0]
		}
	}
}
