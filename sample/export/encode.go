package export

import (
	"encoding/json"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	parquetzstd "github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/longctx/pipeline/dataset"
)

// A parquetEncoder writes rows one by one, so that pages and row groups are a pure function of
// the rows.
type parquetEncoder[R any] struct {
	w       *parquet.GenericWriter[R]
	convert func(*Row) R
	row     [1]R
	group   int64 // bytes in the open row group
}

func parquetOf[R any](convert func(*Row) R) func(io.Writer) encoder {
	return func(w io.Writer) encoder {
		return &parquetEncoder[R]{convert: convert, w: parquet.NewGenericWriter[R](w,
			parquet.Compression(&parquetzstd.Codec{Level: zstd.SpeedFastest, Concurrency: 1}),
			parquet.CreatedBy("pipeline", "export", ""),
			parquet.DefaultEncoding(&parquet.Plain),
			parquet.DataPageStatistics(false), // they would hold whole prompts
			parquet.SkipPageBounds("prompt", "list", "element", "content"),
		)}
	}
}

func (e *parquetEncoder[R]) Encode(r *Row) error {
	size := r.size()
	if e.group > 0 && e.group+size > dataset.RowGroupBytes {
		if err := e.w.Flush(); err != nil {
			return err
		}
		e.group = 0
	}
	e.group += size
	e.row[0] = e.convert(r)
	_, err := e.w.Write(e.row[:])
	return err
}

func (e *parquetEncoder[R]) Close() error { return e.w.Close() }

// size is the number of uncompressed bytes that a row is charged in its row group.
func (r *Row) size() int64 {
	n := len(r.Question) + 4*len(r.PromptTokens)
	for _, m := range r.Prompt {
		n += len(m.Content)
	}
	for _, a := range r.Answers {
		n += len(a)
	}
	return int64(n)
}

// A jsonlEncoder writes an object a line.
type jsonlEncoder[R any] struct {
	e       *json.Encoder
	convert func(*Row) R
}

func jsonlOf[R any](convert func(*Row) R) func(io.Writer) encoder {
	return func(w io.Writer) encoder {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return &jsonlEncoder[R]{e, convert}
	}
}

func (e *jsonlEncoder[R]) Encode(r *Row) error { return e.e.Encode(e.convert(r)) }
func (e *jsonlEncoder[R]) Close() error        { return nil }
