package dataset

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"sort"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// ReadRowsAt reads some rows of a Parquet file: numbers from 0, which ascend. Each page that
// holds one of them is decoded once, and no other page is read. R is Row, or any struct with
// parquet tags for some of the columns. Damage is ErrCorrupt.
func ReadRowsAt[R any](fsys fs.FS, name string, rows []int64) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		stopped := false
		err := readRowsAt(fsys, name, rows, func(r R) bool {
			stopped = !yield(r, nil)
			return !stopped
		})
		if err != nil && !stopped {
			var none R
			yield(none, fmt.Errorf("read shard %s: %w", name, err))
		}
	}
}

func readRowsAt[R any](fsys fs.FS, name string, rows []int64, yield func(R) bool) (err error) {
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: it is missing: %w", ErrCorrupt, err)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	yielding := false
	defer func() {
		// A damaged file can make the decoder panic; a panic of the caller's loop is its own.
		if r := recover(); r != nil {
			if yielding {
				panic(r)
			}
			err = fmt.Errorf("%w: decoder: %v", ErrCorrupt, r)
		}
	}()
	file, err := parquet.OpenFile(f.(io.ReaderAt), info.Size(), parquet.SkipBloomFilters(true))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	schema := parquet.SchemaOf(new(R))
	leaves, err := leavesOf(file, schema)
	if err != nil {
		return err
	}
	first := int64(0)
	for _, group := range file.RowGroups() {
		end := first + group.NumRows()
		here := sort.Search(len(rows), func(i int) bool { return rows[i] >= end })
		if here > 0 {
			g := openGroup(group, leaves)
			for i := 0; i < here && err == nil; i++ {
				var r R
				if err = g.read(rows[i]-first, schema, &r); err != nil {
					err = fmt.Errorf("row %d: %w: %w", rows[i], ErrCorrupt, err)
					break
				}
				yielding = true
				more := yield(r)
				yielding = false
				if !more {
					g.close()
					return nil
				}
			}
			g.close()
			if err != nil {
				return err
			}
		}
		rows, first = rows[here:], end
	}
	if len(rows) > 0 {
		return fmt.Errorf("%w: it has no row %d, only %d rows", ErrCorrupt, rows[0], first)
	}
	return nil
}

// leavesOf finds the columns of a schema in a file.
func leavesOf(file *parquet.File, schema *parquet.Schema) ([]int, error) {
	var leaves []int
	for _, path := range schema.Columns() {
		want, _ := schema.Lookup(path...)
		leaf, ok := file.Schema().Lookup(path...)
		if !ok || leaf.MaxDefinitionLevel != want.MaxDefinitionLevel || leaf.MaxRepetitionLevel != want.MaxRepetitionLevel ||
			leaf.Node.Type().Kind() != want.Node.Type().Kind() {
			return nil, fmt.Errorf("%w: it has no column %s of the type that it should have", ErrCorrupt, strings.Join(path, "."))
		}
		leaves = append(leaves, leaf.ColumnIndex)
	}
	return leaves, nil
}

// A groupReader walks forward through the columns of one row group.
type groupReader struct {
	columns []pageReader
	row     parquet.Row
}

func openGroup(group parquet.RowGroup, leaves []int) *groupReader {
	g := &groupReader{columns: make([]pageReader, len(leaves))}
	chunks := group.ColumnChunks()
	for i, leaf := range leaves {
		g.columns[i] = pageReader{pages: chunks[leaf].Pages(), chunk: chunks[leaf]}
	}
	return g
}

func (g *groupReader) read(row int64, schema *parquet.Schema, dst any) error {
	g.row = g.row[:0]
	for i := range g.columns {
		var err error
		if g.row, err = g.columns[i].appendRow(g.row, row, i); err != nil {
			return err
		}
	}
	return schema.Reconstruct(dst, g.row) // copies what it takes from the pages
}

func (g *groupReader) close() {
	for i := range g.columns {
		g.columns[i].release()
		g.columns[i].pages.Close()
	}
}

// A pageReader holds one decoded page of a column.
type pageReader struct {
	chunk       parquet.ColumnChunk
	pages       parquet.Pages
	page        parquet.Page
	first, next int64 // rows of the page: [first, next)
}

func (c *pageReader) release() {
	if c.page != nil {
		parquet.Release(c.page)
		c.page = nil
	}
}

// appendRow appends the values of one row, as column i of the row that is made.
func (c *pageReader) appendRow(dst parquet.Row, row int64, i int) (parquet.Row, error) {
	for c.page == nil || row >= c.next {
		if err := c.advance(row); err != nil {
			return dst, err
		}
	}
	one := c.page.Slice(row-c.first, row-c.first+1)
	defer parquet.Release(one)
	values := one.Values()
	var buf [64]parquet.Value
	for {
		n, err := values.ReadValues(buf[:])
		for _, v := range buf[:n] {
			dst = append(dst, v.Level(v.RepetitionLevel(), v.DefinitionLevel(), i))
		}
		if errors.Is(err, io.EOF) {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

// advance reads the page that holds a row, which is behind the page that is there.
func (c *pageReader) advance(row int64) error {
	c.release()
	if start := c.pageStart(row); start > c.next {
		if err := c.pages.SeekToRow(start); err != nil {
			return err
		}
		c.next = start
	}
	page, err := c.pages.ReadPage()
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	c.page, c.first = page, c.next
	c.next += page.NumRows()
	return nil
}

// pageStart returns the first row of the page that holds a row, by the page index; 0 where the
// file has none.
func (c *pageReader) pageStart(row int64) int64 {
	index, err := c.chunk.OffsetIndex()
	if err != nil || index == nil {
		return 0
	}
	n := sort.Search(index.NumPages(), func(i int) bool { return index.FirstRowIndex(i) > row })
	if n == 0 {
		return 0
	}
	return index.FirstRowIndex(n - 1)
}
