package ingest

import (
	"bufio"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds the memory of zstd: 128 MiB is what its own tool takes without being asked.
const maxWindow = 128 << 20

// A corruptError means that compressed data is damaged, as against a failing disk.
type corruptError struct{ err error }

func (e *corruptError) Error() string { return e.err.Error() }

// A compressedSource reads the lines of a compressed file. The hash is of the compressed
// bytes, to the end of the file even where they are damaged.
type compressedSource struct {
	*lineSource
	raw    *hashedFile
	closer func()
}

func openCompressed(r *Reader, o Options, chunk int) (*compressedSource, error) {
	raw := &hashedFile{r: r}
	in, closer, err := decompress(r.in.Container, raw)
	if raw.err != nil {
		return nil, reason(raw.err)
	}
	c := &compressedSource{raw: raw, closer: closer}
	c.lineSource = &lineSource{maxRecord: int(o.MaxRecord), chunk: chunk, end: -1}
	c.in = &corruptible{in: in, raw: raw, err: err}
	return c, nil
}

func decompress(c Container, raw io.Reader) (io.Reader, func(), error) {
	if c == ContainerGzip {
		z, err := newGzipReader(raw)
		return z, func() {}, err
	}
	z, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, func() {}, err
	}
	return z, z.Close, nil
}

// gzipReader reads the members of a gzip file one after the other, and takes zeros after one
// for padding, as gzip's own tool does.
type gzipReader struct {
	in *bufio.Reader
	z  *gzip.Reader
}

func newGzipReader(raw io.Reader) (*gzipReader, error) {
	g := &gzipReader{in: bufio.NewReaderSize(raw, 32<<10)}
	var err error
	if g.z, err = gzip.NewReader(g.in); err != nil {
		return nil, err
	}
	g.z.Multistream(false)
	return g, nil
}

func (g *gzipReader) Read(b []byte) (int, error) {
	for {
		n, err := g.z.Read(b)
		if err != io.EOF {
			return n, err
		}
		if err = g.nextMember(); n > 0 || err != nil {
			return n, err
		}
	}
}

func (g *gzipReader) nextMember() error {
	for {
		c, err := g.in.ReadByte()
		if err != nil {
			return err
		}
		if c != 0 {
			break
		}
	}
	if err := g.in.UnreadByte(); err != nil {
		return err
	}
	if err := g.z.Reset(g.in); err != nil {
		return err
	}
	g.z.Multistream(false)
	return nil
}

func (c *compressedSource) next() ([]byte, []record, error) {
	buf, records, err := c.lineSource.next()
	if err == io.EOF {
		if _, err := io.Copy(io.Discard, c.raw); err != nil {
			return nil, nil, err
		}
	}
	return buf, records, err
}

func (c *compressedSource) close() error {
	c.closer()
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
