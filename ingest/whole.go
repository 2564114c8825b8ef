package ingest

import (
	"errors"
	"io"
)

// A corruptError means that the content of a file is damaged, as against a failing disk.
type corruptError struct{ err error }

func (e *corruptError) Error() string { return e.err.Error() }

// A wholeSource reads the text of a file that is one split: compressed, or not made of lines.
// The hash is of the file's bytes, to its end even where they are damaged.
type wholeSource struct {
	textSource
	raw    *hashedFile
	closer func()
}

// A textSource cuts text into records, as a chunkSource does, and holds nothing that must be closed.
type textSource interface {
	next() (buf []byte, records []record, err error)
	lines() int64
}

func openWhole(r *Reader, o Options, chunk int) (*wholeSource, error) {
	raw := &hashedFile{r: r}
	w := &wholeSource{raw: raw, closer: func() {}}
	var in io.Reader = raw
	if r.in.Container != ContainerText {
		z, closer, err := decompress(r.in.Container, raw)
		if raw.err != nil {
			return nil, reason(raw.err)
		}
		w.closer = closer
		in = &corruptible{in: z, raw: raw, err: err}
	}
	switch r.in.Layout {
	case LayoutElements:
		w.textSource = &elementSource{in: in, maxRecord: int(o.MaxRecord), chunk: chunk}
	case LayoutCSV:
		w.textSource = newCSVSource(in, comma(r.in.Path), int(o.MaxRecord))
	default:
		w.textSource = &lineSource{in: in, maxRecord: int(o.MaxRecord), chunk: chunk, end: -1}
	}
	return w, nil
}

func (w *wholeSource) next() ([]byte, []record, error) {
	buf, records, err := w.textSource.next()
	if err == io.EOF {
		if _, err := io.Copy(io.Discard, w.raw); err != nil {
			return nil, nil, err
		}
	}
	return buf, records, err
}

func (w *wholeSource) close() error {
	w.closer()
	return nil
}

// hashedFile reads the file and remembers an error that is the disk's, not the data's.
type hashedFile struct {
	r   *Reader
	err error
}

func (h *hashedFile) Read(b []byte) (int, error) {
	n, err := h.r.file.Read(b)
	h.r.account(b[:n])
	if err != nil && err != io.EOF {
		h.err = err
	}
	return n, err
}

// corruptible marks the decompressor's errors as corruptError.
type corruptible struct {
	in  io.Reader
	raw *hashedFile
	err error // of opening
}

func (c *corruptible) Read(b []byte) (int, error) {
	if c.err != nil {
		return 0, &corruptError{c.err}
	}
	n, err := c.in.Read(b)
	switch {
	case err == nil || err == io.EOF:
		return n, err
	case c.raw.err != nil:
		return n, c.raw.err
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("the compressed data is cut off")
	}
	return n, &corruptError{err}
}
