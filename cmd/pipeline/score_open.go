package main

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/spf13/cobra"
)

// A countedInput is a file, perhaps compressed, and how much of it has been read.
type countedInput struct {
	io.Reader
	closers []func() error
	read    atomic.Int64 // bytes of the file, before decompression
}

// Close closes everything, the outer layers first.
func (c *countedInput) Close() error {
	var errs []error
	for i := len(c.closers) - 1; i >= 0; i-- {
		errs = append(errs, c.closers[i]())
	}
	return errors.Join(errs...)
}

type counting struct {
	r io.Reader
	n *atomic.Int64
}

func (c counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// open opens the input. size is 0 where it is not known.
func (f *scoreFlags) open(cmd *cobra.Command) (in *countedInput, size int64, err error) {
	in = &countedInput{}
	if f.rollouts == "-" {
		in.Reader = counting{cmd.InOrStdin(), &in.read}
		return in, 0, nil
	}
	file, err := os.Open(f.rollouts)
	if err != nil {
		return nil, 0, err
	}
	in.closers = append(in.closers, file.Close)
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
		size = info.Size()
	}
	in.Reader = counting{file, &in.read}
	switch {
	case strings.HasSuffix(f.rollouts, ".gz"):
		z, err := gzip.NewReader(in.Reader)
		if err != nil {
			return nil, 0, errors.Join(err, in.Close())
		}
		in.Reader, in.closers = z, append(in.closers, z.Close)
	case strings.HasSuffix(f.rollouts, ".zst"):
		z, err := zstd.NewReader(in.Reader)
		if err != nil {
			return nil, 0, errors.Join(err, in.Close())
		}
		in.Reader, in.closers = z, append(in.closers, func() error { z.Close(); return nil })
	}
	return in, size, nil
}
