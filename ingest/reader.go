package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/longctx/pipeline/dataset"
)

// A Reader reads one split as chunks, in order. It is not safe for use by several goroutines.
type Reader struct {
	ctx    context.Context
	file   *os.File
	in     Planned
	hash   hash.Hash
	hashed int64
	source chunkSource
	index  int
	split  dataset.Split
	done   bool
}

// A chunkSource cuts the content of a split into records.
type chunkSource interface {
	// next returns the following records, or io.EOF.
	next() (buf []byte, records []record, err error)
	// lines returns the number of lines or rows that were read.
	lines() int64
	close() error
}

// OpenSplit opens split i of a plan for reading. The file must be as it was planned.
func OpenSplit(ctx context.Context, p *Plan, i int) (*Reader, error) {
	s := p.Splits[i]
	in := p.Inputs[s.Input]
	r, err := openSplit(ctx, in, s, p.options, chunkBytes)
	if err != nil {
		return nil, fmt.Errorf("input %q: %w", in.Name, err)
	}
	return r, nil
}

func openSplit(ctx context.Context, in Planned, s dataset.Split, o Options, chunk int) (*Reader, error) {
	f, err := os.Open(in.Path)
	if err != nil {
		return nil, reason(err)
	}
	r := &Reader{ctx: ctx, file: f, in: in, hash: sha256.New(), split: s}
	if err := r.unchanged(); err != nil {
		f.Close()
		return nil, err
	}
	switch {
	case in.Container == ContainerParquet:
		r.source, err = openTable(r, o)
	case in.Container == ContainerArrow:
		r.source, err = openArrow(r, o)
	case in.inLines():
		r.source, err = openLines(r, o, chunk)
	default:
		r.source, err = openWhole(r, o, chunk)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

// unchanged compares the file with what it was when it was planned.
func (r *Reader) unchanged() error {
	info, err := r.file.Stat()
	if err != nil {
		return reason(err)
	}
	if info.Size() != r.in.Bytes {
		return fmt.Errorf("%w: it had %d bytes, now %d", ErrInputChanged, r.in.Bytes, info.Size())
	}
	if !info.ModTime().Equal(r.in.ModTime) {
		return fmt.Errorf("%w: it was written to at %s", ErrInputChanged, info.ModTime().UTC().Format("2006-01-02 15:04:05.000"))
	}
	return nil
}

// Next returns the next chunk, or io.EOF when the whole split was read and its file is
// still what was planned.
func (r *Reader) Next() (Chunk, error) {
	if r.done {
		return Chunk{}, io.EOF
	}
	if err := r.ctx.Err(); err != nil {
		return Chunk{}, err
	}
	buf, records, err := r.source.next()
	if err == io.EOF {
		if err := r.unchanged(); err != nil {
			return Chunk{}, fmt.Errorf("input %q: %w", r.in.Name, err)
		}
		r.done = true
		return Chunk{}, io.EOF
	}
	if err != nil {
		return Chunk{}, fmt.Errorf("input %q: %w", r.in.Name, reason(err))
	}
	c := Chunk{Index: r.index, Input: r.split.Input, buf: buf, records: records}
	r.index++
	return c, nil
}

// Sum returns what is known of the split when Next has returned io.EOF.
func (r *Reader) Sum() Sum {
	return Sum{SHA256: hex.EncodeToString(r.hash.Sum(nil)), Lines: r.source.lines(), Bytes: r.hashed}
}

// BytesRead returns how many bytes of the input file the chunks so far have taken, for a
// progress bar: of compressed files the compressed ones; of Parquet the rows' share of the
// split's bytes. It never falls, and is Sum().Bytes at the end. Like Next, it is for one goroutine.
func (r *Reader) BytesRead() int64 {
	if t, ok := r.source.(*tableSource); ok && !t.finished {
		return t.bytesRead()
	}
	return r.hashed
}

// Close releases the file.
func (r *Reader) Close() error {
	err := r.source.close()
	if e := r.file.Close(); err == nil {
		err = e
	}
	return err
}

// account hashes bytes that the split owns.
func (r *Reader) account(b []byte) {
	r.hash.Write(b)
	r.hashed += int64(len(b))
}

// accountRange hashes bytes of the file that were read by other means.
func (r *Reader) accountRange(from, to int64) error {
	section := io.NewSectionReader(r.file, from, to-from)
	b := make([]byte, 64<<10)
	for {
		n, err := section.Read(b)
		r.account(b[:n])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
