package ingest

import (
	"bufio"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds the memory of zstd: 128 MiB is what its own tool takes without being asked.
const maxWindow = 128 << 20

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
