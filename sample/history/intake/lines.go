package intake

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// A line is one record of a file.
type line struct {
	text    []byte // without its end; valid until the next line
	number  int64  // from 1
	offset  int64  // of its first byte
	cutOff  bool   // the file ends without a newline after it
	tooLong bool   // text is only its beginning
}

// lines cuts a file into lines and skips the empty ones. A line longer than the limit is
// skipped without being held.
type lines struct {
	r      *bufio.Reader
	limit  int
	buf    []byte
	number int64
	offset int64
}

func newLines(r io.Reader, limit int) *lines {
	return &lines{r: bufio.NewReaderSize(r, 1<<20), limit: limit}
}

var bom = []byte("\xef\xbb\xbf")

// next returns the next line that is not empty; io.EOF after the last.
func (l *lines) next() (line, error) {
	for {
		out, err := l.one()
		if err != nil || out.tooLong || len(bytes.TrimSpace(out.text)) > 0 {
			return out, err
		}
	}
}

func (l *lines) one() (line, error) {
	out := line{number: l.number + 1, offset: l.offset}
	l.number++
	text, err := l.r.ReadSlice('\n')
	l.offset += int64(len(text))
	if errors.Is(err, bufio.ErrBufferFull) {
		l.buf = append(l.buf[:0], text...)
		for errors.Is(err, bufio.ErrBufferFull) {
			text, err = l.r.ReadSlice('\n')
			l.offset += int64(len(text))
			if len(l.buf) <= l.limit {
				l.buf = append(l.buf, text...)
			}
		}
		text = l.buf
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return out, err
	}
	if errors.Is(err, io.EOF) {
		if len(text) == 0 {
			return out, io.EOF
		}
		out.cutOff = true
	}
	if out.number == 1 {
		text = bytes.TrimPrefix(text, bom)
	}
	out.text = bytes.TrimRight(text, "\r\n")
	if len(out.text) > l.limit {
		out.text, out.tooLong = out.text[:l.limit], true
	}
	return out, nil
}
