package stream

import (
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"github.com/longctx/pipeline/dataset"
)

// eachPage hands out the pages of a column chunk from a row on, until use returns false.
func eachPage(chunk parquet.ColumnChunk, row int64, use func(parquet.Page) (more bool, err error)) error {
	pages := chunk.Pages()
	defer pages.Close()
	if row > 0 {
		if err := pages.SeekToRow(row); err != nil {
			return fmt.Errorf("%w: %w", dataset.ErrCorrupt, err)
		}
	}
	for {
		p, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", dataset.ErrCorrupt, err)
		}
		more, err := use(p)
		parquet.Release(p)
		if err != nil || !more {
			return err
		}
	}
}

// appendInts appends the values of a column without nulls inside lists. They come as the page
// holds them, levels unread: for token ids a value at a time takes ten times as long.
func appendInts(dst []int32, chunk parquet.ColumnChunk) ([]int32, error) {
	err := eachPage(chunk, 0, func(p parquet.Page) (bool, error) {
		if p.Dictionary() != nil {
			return false, fmt.Errorf("%w: numbers in a dictionary", dataset.ErrCorrupt)
		}
		values := p.Data()
		dst = append(dst, values.Int32()...)
		return true, nil
	})
	return dst, err
}

// readInts fills dst with the values of a list column from a row on.
func readInts(chunk parquet.ColumnChunk, row int64, dst []int32) error {
	n := 0
	if len(dst) == 0 {
		return nil
	}
	err := eachPage(chunk, row, func(p parquet.Page) (bool, error) {
		if p.Dictionary() != nil {
			return false, fmt.Errorf("%w: numbers in a dictionary", dataset.ErrCorrupt)
		}
		values := p.Data()
		n += copy(dst[n:], values.Int32())
		return n < len(dst), nil
	})
	if err == nil && n < len(dst) {
		err = fmt.Errorf("%w: %d of %d values", dataset.ErrCorrupt, n, len(dst))
	}
	return err
}

// readValues hands over the values of one row, which are valid during the call.
func readValues(chunk parquet.ColumnChunk, row int64, set func([]parquet.Value) error) error {
	found := false
	err := eachPage(chunk, row, func(p parquet.Page) (bool, error) {
		values, err := firstRow(p)
		if err != nil {
			return false, err
		}
		found = true
		return false, set(values)
	})
	if err == nil && !found {
		err = fmt.Errorf("%w: no page holds it", dataset.ErrCorrupt)
	}
	return err
}

// firstRow returns the values of a page's first row. A row does not go on in the next page.
func firstRow(p parquet.Page) ([]parquet.Value, error) {
	r := p.Values()
	var buf [16]parquet.Value
	var row []parquet.Value
	for {
		n, err := r.ReadValues(buf[:])
		for i := range n {
			if len(row) > 0 && buf[i].RepetitionLevel() == 0 {
				return row, nil
			}
			row = append(row, buf[i])
		}
		if errors.Is(err, io.EOF) {
			return row, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", dataset.ErrCorrupt, err)
		}
	}
}

// eachRow hands out the values of all rows of a column chunk; they are valid during the call.
func eachRow(chunk parquet.ColumnChunk, use func(row int, values []parquet.Value) error) error {
	buf := make([]parquet.Value, 256)
	n := 0
	return eachPage(chunk, 0, func(p parquet.Page) (bool, error) {
		var row []parquet.Value
		flush := func() error {
			if len(row) == 0 {
				return nil
			}
			err := use(n, row)
			row = row[:0]
			n++
			return err
		}
		r := p.Values()
		for {
			got, err := r.ReadValues(buf)
			for _, v := range buf[:got] {
				if v.RepetitionLevel() == 0 {
					if err := flush(); err != nil {
						return false, err
					}
				}
				row = append(row, v)
			}
			if errors.Is(err, io.EOF) {
				return true, flush()
			}
			if err != nil {
				return false, fmt.Errorf("%w: %w", dataset.ErrCorrupt, err)
			}
		}
	})
}
