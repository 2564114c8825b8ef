package stream

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"

	"github.com/parquet-go/parquet-go"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
)

// A sample is what a batch says of one row, besides its ids and its place.
type sample struct {
	id         history.SampleID
	question   optional
	dataSource optional
	answers    []string
}

// An optional is a text that may be null, which is not an empty one.
type optional struct {
	text  string
	known bool
}

// A shard is one Parquet file of a dataset. Single rows are read by its page index: one page of
// each column, about 256 KiB, where a whole row group would be 16 MiB. That takes some
// milliseconds a row, and is for what the cache does not have yet.
type shard struct {
	fsys    dataset.FS
	meta    dataset.Shard
	hasText bool

	measuring sync.Mutex
	lengths   []int32 // [rows]

	opening sync.Mutex
	file    *parquet.File
	closer  io.Closer
	columns shardColumns
	first   []int64 // [row groups] first row

	fast cached // guarded by its own lock
}

// shardColumns are the indices of leaf columns; -1: the shard lacks it.
type shardColumns struct {
	sampleID, promptTokens, promptLength, question, answers, dataSource int
}

// open opens the shard's file once.
func (s *shard) open() error {
	s.opening.Lock()
	defer s.opening.Unlock()
	if s.file != nil {
		return nil
	}
	return guard(func() error {
		f, size, err := openAt(s.fsys, s.meta.Path)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: it is missing", dataset.ErrCorrupt)
		}
		if err != nil {
			return err
		}
		file, err := parquet.OpenFile(f, size, parquet.SkipBloomFilters(true))
		if err != nil {
			return errors.Join(fmt.Errorf("%w: %w", dataset.ErrCorrupt, err), f.Close())
		}
		if s.columns, err = findColumns(file, s.hasText); err != nil {
			return errors.Join(err, f.Close())
		}
		s.file, s.closer = file, f
		n := int64(0)
		for _, g := range file.RowGroups() {
			s.first = append(s.first, n)
			n += g.NumRows()
		}
		if n != s.meta.Rows {
			return fmt.Errorf("%w: it has %d rows, its manifest says %d", dataset.ErrCorrupt, n, s.meta.Rows)
		}
		return nil
	})
}

func findColumns(file *parquet.File, hasText bool) (c shardColumns, err error) {
	find := func(path ...string) int {
		leaf, ok := file.Schema().Lookup(path...)
		if !ok {
			err = fmt.Errorf("%w: it has no column %s", dataset.ErrCorrupt, path[0])
			return -1
		}
		return leaf.ColumnIndex
	}
	c = shardColumns{
		sampleID: find("sample_id"), promptTokens: find("prompt_tokens", "list", "element"), promptLength: find("prompt_length"),
		answers: find("answers", "list", "element"), dataSource: find("data_source"), question: -1,
	}
	if hasText {
		c.question = find("question")
	}
	return c, err
}

func (s *shard) close() error {
	s.opening.Lock()
	defer s.opening.Unlock()
	err := s.fast.close()
	if s.closer == nil {
		return err
	}
	err = errors.Join(err, s.closer.Close())
	s.file, s.closer = nil, nil
	return err
}

// guard turns the panic of a decoder over a damaged file into an error.
func guard(do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: decoder: %v", dataset.ErrCorrupt, r)
		}
	}()
	return do()
}

// measured returns the prompt lengths of all rows.
func (s *shard) measured() ([]int32, error) {
	s.measuring.Lock()
	defer s.measuring.Unlock()
	if s.lengths != nil {
		return s.lengths, nil
	}
	if lengths := s.fast.lengths(); lengths != nil {
		s.lengths = lengths
		return lengths, nil
	}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("read shard %s: %w", s.meta.Path, err)
	}
	lengths := make([]int32, 0, s.meta.Rows)
	err := guard(func() error {
		for _, g := range s.file.RowGroups() {
			var err error
			if lengths, err = appendInts(lengths, g.ColumnChunks()[s.columns.promptLength]); err != nil {
				return err
			}
		}
		if int64(len(lengths)) != s.meta.Rows || slices.Min(append(lengths, 0)) < 0 {
			return fmt.Errorf("%w: its prompt lengths are not those of %d rows", dataset.ErrCorrupt, s.meta.Rows)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read shard %s: %w", s.meta.Path, err)
	}
	s.lengths = lengths
	return lengths, nil
}

// read reads one row; dst is as long as its prompt.
func (s *shard) read(row int32, dst []int32) (out sample, err error) {
	if err := s.open(); err != nil {
		return out, err
	}
	g, found := slices.BinarySearch(s.first, int64(row))
	if !found {
		g--
	}
	at := int64(row) - s.first[g]
	chunks := s.file.RowGroups()[g].ColumnChunks()
	err = guard(func() error {
		if err := readInts(chunks[s.columns.promptTokens], at, dst); err != nil {
			return fmt.Errorf("prompt_tokens: %w", err)
		}
		for _, c := range []struct {
			column int
			set    func(v []parquet.Value) error
		}{
			{s.columns.sampleID, out.setID},
			{s.columns.question, func(v []parquet.Value) error { return out.question.set(v) }},
			{s.columns.dataSource, func(v []parquet.Value) error { return out.dataSource.set(v) }},
			{s.columns.answers, out.setAnswers},
		} {
			if c.column < 0 {
				continue
			}
			if err := readValues(chunks[c.column], at, c.set); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

func (o *sample) setID(v []parquet.Value) (err error) {
	if len(v) != 1 {
		return fmt.Errorf("%w: sample_id has %d values", dataset.ErrCorrupt, len(v))
	}
	if o.id, err = history.ParseSampleID(v[0].ByteArray()); err != nil {
		return fmt.Errorf("%w: %w", dataset.ErrCorrupt, err)
	}
	return nil
}

func (o *optional) set(v []parquet.Value) error {
	if len(v) != 1 {
		return fmt.Errorf("%w: a text has %d values", dataset.ErrCorrupt, len(v))
	}
	*o = optional{}
	if !v[0].IsNull() {
		*o = optional{string(v[0].ByteArray()), true}
	}
	return nil
}

func (o *sample) setAnswers(v []parquet.Value) error {
	o.answers = nil
	for i := range v {
		if !v[i].IsNull() { // an empty list is one null
			o.answers = append(o.answers, string(v[i].ByteArray()))
		}
	}
	return nil
}
