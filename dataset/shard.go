package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	parquetzstd "github.com/parquet-go/parquet-go/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
)

// RowGroupBytes bounds the uncompressed bytes of a row group, so that neither writer nor
// reader holds more. A single larger row is a row group alone.
const RowGroupBytes = 16 << 20

// ErrCorrupt means that a file is not what its manifest says, or cannot be decoded.
var ErrCorrupt = errors.New("corrupt")

// A Layout is one of the column sets of a shard.
type Layout string

// Layouts: two for the stages between, two for a finished dataset.
const (
	LayoutIngest   Layout = "ingest"
	LayoutTokenize Layout = "tokenize"
	LayoutFull     Layout = "full"
	LayoutLean     Layout = "lean" // --no-text
)

// record is what the writer asks of a row type.
type record interface {
	size() int64
	tokenCount() int64
	id() string
}

// A ShardWriter writes the rows of one shard in the order they come.
type ShardWriter interface {
	// Append adds rows of a batch. The batch may be released afterwards.
	Append(v Batch, rows []int) error
	// Finish syncs the shard; the caller syncs its folder. Path, rows, tokens, bytes and hash are set.
	Finish() (Shard, error)
	// Abort throws the shard away.
	Abort()
}

// NewShardWriter begins a shard.
func NewShardWriter(fsys FS, name string, layout Layout) (ShardWriter, error) {
	switch layout {
	case LayoutIngest:
		return newWriter(fsys, name, Batch.ingestRow)
	case LayoutTokenize:
		return newWriter(fsys, name, Batch.tokenRow)
	case LayoutLean:
		return newWriter(fsys, name, Batch.leanRow)
	case LayoutFull:
		return newWriter(fsys, name, Batch.row)
	}
	return nil, fmt.Errorf("unknown layout %q", layout)
}

type writer[R record] struct {
	file    *HashedFile
	pq      *parquet.GenericWriter[R]
	convert func(Batch, int) R
	row     [1]R
	group   int64 // bytes in the open row group
	shard   Shard
}

// codec is zstd at its fastest level: on token ids the default level takes twice the time for
// files 0.1 % smaller. What an encoder has compressed before changes nothing in its output.
var codec = &parquetzstd.Codec{Level: zstd.SpeedFastest, Concurrency: 1}

func newWriter[R record](fsys FS, name string, convert func(Batch, int) R) (*writer[R], error) {
	file, err := CreateHashed(fsys, name)
	if err != nil {
		return nil, err
	}
	pq := parquet.NewGenericWriter[R](file,
		parquet.Compression(codec),
		parquet.CreatedBy("pipeline", fmt.Sprint(FormatVersion), ""),
		parquet.DefaultEncoding(&parquet.Plain),
		// Statistics in page headers hold whole values: every document would stand there four times.
		parquet.DataPageStatistics(false),
		// Bounds of text and ids help no reader and cost a pass over the largest columns.
		parquet.SkipPageBounds("context"), parquet.SkipPageBounds("question"),
		parquet.SkipPageBounds("prompt_tokens", "list", "element"), parquet.SkipPageBounds("response_tokens", "list", "element"),
	)
	return &writer[R]{file: file, pq: pq, convert: convert, shard: Shard{Path: name}}, nil
}

func (w *writer[R]) Append(v Batch, rows []int) error {
	for _, i := range rows {
		if err := w.add(w.convert(v, i)); err != nil {
			return err
		}
	}
	return nil
}

// add writes one row. Parquet pages end where a call of Write does, so rows go one by one:
// pages and row groups are a pure function of the rows, never of the batches they came in.
func (w *writer[R]) add(r R) error {
	size := r.size()
	if w.group > 0 && w.group+size > RowGroupBytes {
		if err := w.pq.Flush(); err != nil {
			return w.wrap(err)
		}
		w.group = 0
	}
	w.group += size
	w.shard.Rows++
	w.shard.Tokens += r.tokenCount()
	w.row[0] = r
	_, err := w.pq.Write(w.row[:])
	return w.wrap(err)
}

func (w *writer[R]) wrap(err error) error {
	if err != nil {
		return fmt.Errorf("write shard %s: %w", w.shard.Path, err)
	}
	return nil
}

func (w *writer[R]) Finish() (Shard, error) {
	if err := w.pq.Close(); err != nil {
		w.Abort()
		return Shard{}, w.wrap(err)
	}
	f, err := w.file.Finish()
	if err != nil {
		return Shard{}, err
	}
	w.shard.Bytes, w.shard.SHA256 = f.Bytes, f.SHA256
	return w.shard, nil
}

func (w *writer[R]) Abort() { w.file.Abort() }

// FilterShard rewrites a shard without the rows whose ids are in drop. The result is byte
// for byte what a writer makes that never saw them.
func FilterShard(ctx context.Context, fsys FS, from, to string, layout Layout, drop map[string]bool) (Shard, error) {
	switch layout {
	case LayoutIngest:
		return filterShard[ingestRow](ctx, fsys, from, to, drop)
	case LayoutTokenize:
		return filterShard[tokenRow](ctx, fsys, from, to, drop)
	case LayoutLean:
		return filterShard[leanRow](ctx, fsys, from, to, drop)
	}
	return filterShard[Row](ctx, fsys, from, to, drop)
}

func filterShard[R record](ctx context.Context, fsys FS, from, to string, drop map[string]bool) (Shard, error) {
	w, err := newWriter[R](fsys, to, nil)
	if err != nil {
		return Shard{}, err
	}
	for rows, err := range ReadRows[R](fsys, from) {
		if err == nil {
			err = ctx.Err()
		}
		for i := 0; i < len(rows) && err == nil; i++ {
			if !drop[rows[i].id()] {
				err = w.add(rows[i])
			}
		}
		if err != nil {
			w.Abort()
			return Shard{}, err
		}
	}
	return w.Finish()
}

// readBytes is about how much ReadRows decodes at a time.
const readBytes = 4 << 20

// ReadRows reads a Parquet file in order, some rows at a time; R is Row, or any struct with
// parquet tags for some of the columns: only those are read. The rows are valid until the
// next step. Damage is ErrCorrupt.
func ReadRows[R any](fsys fs.FS, name string) iter.Seq2[[]R, error] {
	return func(yield func([]R, error) bool) {
		f, err := fsys.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("read shard %s: %w: it is missing: %w", name, ErrCorrupt, err)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		defer f.Close()
		stopped := false
		err = readRows(f, func(rows []R) bool {
			stopped = !yield(rows, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(nil, fmt.Errorf("read shard %s: %w: %w", name, ErrCorrupt, err))
		}
	}
}

func readRows[R any](f fs.File, yield func([]R) bool) (err error) {
	var yielding bool
	defer func() {
		// A damaged file can make the decoder panic; a panic of the caller's loop is its own.
		if r := recover(); r != nil {
			if yielding {
				panic(r)
			}
			err = fmt.Errorf("decoder: %v", r)
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	file, err := parquet.OpenFile(f.(io.ReaderAt), info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return err
	}
	for i, group := range file.RowGroups() {
		rows := make([]R, rowsAtOnce(file.Metadata().RowGroups[i]))
		reader := parquet.NewGenericRowGroupReader[R](group)
		for {
			n, err := reader.Read(rows)
			if n > 0 {
				yielding = true
				more := yield(rows[:n])
				yielding = false
				if !more {
					return reader.Close()
				}
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return errors.Join(err, reader.Close())
			}
			if n == 0 {
				return errors.Join(io.ErrUnexpectedEOF, reader.Close())
			}
			clear(rows)
		}
		if err := reader.Close(); err != nil {
			return err
		}
	}
	return nil
}

func rowsAtOnce(group format.RowGroup) int {
	rows := max(1, group.NumRows)
	perRow := max(1, group.TotalByteSize/rows)
	return int(min(max(1, readBytes/perRow), 256, rows))
}

// Check compares a shard with what its manifest says of it: size and hash. ErrCorrupt.
func (s Shard) Check(fsys fs.FS) error { return File{s.Path, s.Bytes, s.SHA256}.Check(fsys) }

// Check compares a file with what its manifest says of it: size and hash. ErrCorrupt.
func (f File) Check(fsys fs.FS) error {
	got, err := HashFile(fsys, f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %w: it is missing", f.Path, ErrCorrupt)
	case err != nil:
		return fmt.Errorf("%s: %w", f.Path, err)
	case got.Bytes != f.Bytes:
		return fmt.Errorf("%s: %w: manifest says %d bytes, file has %d", f.Path, ErrCorrupt, f.Bytes, got.Bytes)
	case got.SHA256 != f.SHA256:
		return fmt.Errorf("%s: %w: checksum mismatch: manifest says %.12s, file has %.12s", f.Path, ErrCorrupt, f.SHA256, got.SHA256)
	}
	return nil
}
