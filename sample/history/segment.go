package history

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	parquetzstd "github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/longctx/pipeline/dataset"
)

const (
	rowGroupBytes = 16 << 20 // bounds what a writer and a reader hold
	segmentBytes  = 128 << 20
	chunkRows     = 1024 // rows handed to the columns at a time
	chunkBytes    = 4 << 20
	pageBytes     = 32 << 10
)

func segmentName(number int64) string { return fmt.Sprintf("%s/segment-%08d.parquet", Folder, number) }

// codec is shared: a history of small commits would spend its time making encoders.
var codec = &parquetzstd.Codec{Level: zstd.SpeedFastest, Concurrency: 1}

// A rowWriter writes outcomes as Parquet.
type rowWriter struct {
	pq      *parquet.GenericWriter[row]
	columns []*parquet.ColumnWriter
	values  []parquet.Value
	group   int64 // about the bytes in the open row group
	total   int64
}

func newRowWriter(out io.Writer) *rowWriter {
	options := []parquet.WriterOption{
		schema,
		parquet.Compression(codec),
		parquet.CreatedBy("pipeline", fmt.Sprint(FormatVersion), ""),
		parquet.PageBufferSize(pageBytes),
	}
	// Bounds of hashes and rollouts help no reader, and cost a pass.
	for _, c := range schema.Columns() {
		if len(c) > 1 || c[0] == "sample_id" || c[0] == "content" {
			options = append(options, parquet.SkipPageBounds(c...))
		}
	}
	pq := parquet.NewGenericWriter[row](out, options...)
	return &rowWriter{pq: pq, columns: pq.ColumnWriters()}
}

// write writes rows.
func (w *rowWriter) write(rows []stored) error {
	for len(rows) > 0 {
		n, size := chunk(rows)
		if w.group > 0 && w.group+size > rowGroupBytes {
			if err := w.flush(); err != nil {
				return err
			}
		}
		for i, c := range columns {
			w.values = w.values[:0]
			for j := range rows[:n] {
				w.values = c.put(w.values, &rows[j])
			}
			if _, err := w.columns[i].WriteRowValues(w.values); err != nil {
				return err
			}
		}
		w.group += size
		w.total += size
		rows = rows[n:]
	}
	return nil
}

func (w *rowWriter) flush() error {
	w.group = 0
	return w.pq.Flush()
}

// chunk returns how many of the rows are written at once, and about their bytes.
func chunk(rows []stored) (n int, size int64) {
	for n < min(len(rows), chunkRows) && size < chunkBytes {
		size += 160
		for i := range rows[n].Rollouts {
			r := &rows[n].Rollouts[i]
			size += 8 + int64(len(r.StopReason)+len(r.Response))
		}
		n++
	}
	return n, size
}

// A segmentWriter writes one segment aside.
type segmentWriter struct {
	*rowWriter
	fsys    dataset.FS
	file    *dataset.HashedFile
	segment segment
	spans   map[[2]string]*span
	span    *span // of the last row
}

func newSegmentWriter(fsys dataset.FS, name string) (*segmentWriter, error) {
	file, err := dataset.CreateHashed(fsys, name+".tmp")
	if err != nil {
		return nil, err
	}
	w := &segmentWriter{rowWriter: newRowWriter(file), fsys: fsys, file: file, spans: map[[2]string]*span{}}
	w.segment.Path = name
	return w, nil
}

// add writes rows, all of commits that are not before those already written.
func (w *segmentWriter) add(rows []stored) error {
	if err := w.write(rows); err != nil {
		return w.wrap(err)
	}
	for i := range rows {
		r := &rows[i]
		w.count(r.Run, r.TrainStage, r.Step, r.visit.Sequence)
	}
	return nil
}

// count adds one row to the segment's account.
func (w *segmentWriter) count(run, stage string, step, sequence int64) {
	s := w.span
	if s == nil || s.Run != run || s.TrainStage != stage {
		if s = w.spans[[2]string{run, stage}]; s == nil {
			s = &span{Run: run, TrainStage: stage, MinStep: step, MaxStep: step}
			w.spans[[2]string{run, stage}] = s
		}
		w.span = s
	}
	s.MinStep, s.MaxStep = min(s.MinStep, step), max(s.MaxStep, step)
	s.Rows++
	if w.segment.Rows == 0 {
		w.segment.First = sequence
	}
	w.segment.First, w.segment.Last = min(w.segment.First, sequence), max(w.segment.Last, sequence)
	w.segment.Rows++
}

func (w *segmentWriter) wrap(err error) error {
	if err != nil {
		return fmt.Errorf("write %s: %w", w.segment.Path, err)
	}
	return nil
}

// finish syncs the segment and gives it its name; the caller syncs the folder.
func (w *segmentWriter) finish() (segment, error) {
	if err := w.pq.Close(); err != nil {
		w.abort()
		return segment{}, w.wrap(err)
	}
	f, err := w.file.Finish()
	if err != nil {
		return segment{}, err
	}
	if err := w.fsys.Rename(f.Path, w.segment.Path); err != nil {
		w.fsys.Remove(f.Path)
		return segment{}, w.wrap(err)
	}
	w.segment.Bytes, w.segment.SHA256 = f.Bytes, f.SHA256
	for _, s := range w.spans {
		w.segment.Spans = append(w.segment.Spans, *s)
	}
	slices.SortFunc(w.segment.Spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.Run, b.Run), cmp.Compare(a.TrainStage, b.TrainStage))
	})
	return w.segment, nil
}

func (w *segmentWriter) abort() { w.file.Abort() }
