package remote

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/gofrs/flock"
)

// A digest is a hash that a server promised.
type digest struct {
	kind string // "sha256", "git" (SHA-1 with git's header), or empty: none
	hex  string
}

// hash returns what computes it of a content of some length.
func (d digest) hash(size int64) hash.Hash {
	switch {
	case d.hex == "":
	case d.kind == "sha256":
		return sha256.New()
	case d.kind == "git":
		h := sha1.New()
		fmt.Fprintf(h, "blob %d\x00", size)
		return h
	}
	return nil
}

// A wanted is one file to bring.
type wanted struct {
	where  string // address of the content
	name   string // for people
	local  string // where it is to stand in the cache
	size   int64  // -1: not known
	digest digest
}

// bring makes sure that a file stands in the cache. Several processes may want the same: one brings it.
func (f *Fetcher) bring(ctx context.Context, w wanted) error {
	if _, err := os.Stat(w.local); err == nil {
		return nil
	}
	if f.o.Offline {
		return fmt.Errorf("%w, and it was not fetched before", ErrOffline)
	}
	if err := os.MkdirAll(filepath.Dir(w.local), 0o777); err != nil {
		return err
	}
	lock := flock.New(w.local + ".lock")
	if _, err := lock.TryLockContext(ctx, 200*time.Millisecond); err != nil {
		return err
	}
	defer func() {
		lock.Unlock()
		os.Remove(w.local + ".lock")
	}()
	if _, err := os.Stat(w.local); err == nil {
		return nil
	}
	part := w.local + ".part"
	if err := f.download(ctx, w, part); err != nil {
		return err
	}
	return f.keep(part, w)
}

// download completes a part of a file, from wherever it broke off. Tries that got further do not count.
func (f *Fetcher) download(ctx context.Context, w wanted, part string) error {
	for {
		before := sizeOf(part)
		_, err := retry(ctx, f.o, func() (struct{}, error) {
			return struct{}{}, f.more(ctx, w, part)
		})
		var cut *cutError
		if errors.As(err, &cut) && sizeOf(part) > before {
			continue
		}
		return err
	}
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// A cutError means that a content broke off.
type cutError struct{ err error }

func (e *cutError) Error() string { return "cut off: " + e.err.Error() }
func (e *cutError) Unwrap() error { return e.err }

// more asks once for what is missing, and appends it.
func (f *Fetcher) more(ctx context.Context, w wanted, part string) error {
	have := sizeOf(part)
	if w.size >= 0 && have == w.size {
		return nil
	}
	if w.size >= 0 && have > w.size {
		have = 0
	}
	header := http.Header{}
	if have > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	resp, err := f.request(ctx, w.where, header)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusOK:
		have = 0 // all of it, whatever was asked for
	case resp.StatusCode == http.StatusPartialContent && have > 0 && rangeStart(resp) == have:
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable || resp.StatusCode == http.StatusPartialContent:
		os.Remove(part)
		return fmt.Errorf("the server has no bytes from %d on", have)
	default:
		return statusError(resp, f.o.Token != "")
	}
	return f.append(w, part, have, resp)
}

func rangeStart(resp *http.Response) int64 {
	text, _, _ := strings.Cut(strings.TrimPrefix(resp.Header.Get("Content-Range"), "bytes "), "-")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// append writes an answer behind the bytes at hand.
func (f *Fetcher) append(w wanted, part string, have int64, resp *http.Response) error {
	file, err := os.OpenFile(part, os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return permanent(err)
	}
	defer file.Close()
	if err := file.Truncate(have); err != nil {
		return permanent(err)
	}
	if _, err := file.Seek(have, io.SeekStart); err != nil {
		return permanent(err)
	}
	total := w.size
	if total < 0 && resp.ContentLength >= 0 {
		total = have + resp.ContentLength
	}
	out := &counting{file: file, done: have, total: total, tell: func(done int64) { f.o.Progress(w.name, done, total) }}
	_, err = io.Copy(out, resp.Body)
	switch {
	case out.err != nil:
		return permanent(out.err)
	case err != nil:
		return &cutError{err}
	case total >= 0 && out.done != total:
		return &cutError{fmt.Errorf("%d bytes of %d came", out.done, total)}
	}
	return permanent(file.Sync())
}

// A counting writer keeps errors of the disk apart from those of the network.
type counting struct {
	file  *os.File
	done  int64
	total int64
	tell  func(done int64)
	err   error
}

func (c *counting) Write(b []byte) (int, error) {
	if c.total >= 0 && c.done+int64(len(b)) > c.total {
		return 0, fmt.Errorf("more than the %d bytes that were promised", c.total)
	}
	n, err := c.file.Write(b)
	c.done += int64(n)
	c.err = err
	c.tell(c.done)
	return n, err
}

// keep checks a complete part, and gives it its name.
func (f *Fetcher) keep(part string, w wanted) error {
	file, err := os.Open(part)
	if err != nil {
		return err
	}
	defer file.Close()
	size := sizeOf(part)
	content := sha256.New()
	var out io.Writer = content
	promised := w.digest.hash(size)
	if promised != nil {
		out = io.MultiWriter(content, promised)
	}
	if _, err := io.Copy(out, file); err != nil {
		return err
	}
	if promised != nil {
		if got := hex.EncodeToString(promised.Sum(nil)); got != w.digest.hex {
			os.Remove(part)
			return fmt.Errorf("its %s hash is %.12s, and the server promised %.12s: what came is thrown away", w.digest.kind, got, w.digest.hex)
		}
	}
	blob := filepath.Join(f.o.Cache, "blobs", hex.EncodeToString(content.Sum(nil)))
	if err := os.MkdirAll(filepath.Dir(blob), 0o777); err != nil {
		return err
	}
	if err := os.Rename(part, blob); err != nil {
		return err
	}
	target, err := filepath.Rel(filepath.Dir(w.local), blob)
	if err != nil {
		return err
	}
	if err := os.Symlink(target, w.local); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

// writeAside replaces a small file.
func writeAside(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	t, err := os.CreateTemp(filepath.Dir(path), ".aside-*")
	if err != nil {
		return err
	}
	defer os.Remove(t.Name())
	if _, err := t.Write(data); err != nil {
		t.Close()
		return err
	}
	if err := t.Close(); err != nil {
		return err
	}
	return os.Rename(t.Name(), path)
}

func permanent(err error) error {
	if err == nil {
		return nil
	}
	return backoff.Permanent(err)
}
