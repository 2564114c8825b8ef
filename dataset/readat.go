package dataset

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"sort"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// ReadRowsAt reads some rows of a Parquet file: numbers from 0, which ascend. Each page that
// holds one of them is decoded once, and no other page is read. R is Row, or any struct with
// parquet tags for some of the columns. Damage is ErrCorrupt.
func ReadRowsAt[R any](fsys fs.FS, name string, rows []int64) iter.Seq2[R, error] {
	schema := parquet.SchemaOf(new(R))
	return readAt(fsys, name, rows, schema, func(g *groupReader, row int64) (r R, err error) {
		return r, g.read(row, schema, &r)
	})
}

// ReadPromptTokensAt reads the prompt_tokens of some rows, as ReadRowsAt does: many times
// faster than with a struct, which takes ids one by one.
func ReadPromptTokensAt(fsys fs.FS, name string, rows []int64) iter.Seq2[[]int32, error] {
	type column struct {
		PromptTokens []int32 `parquet:"prompt_tokens,list"`
	}
	return readAt(fsys, name, rows, parquet.SchemaOf(new(column)), func(g *groupReader, row int64) ([]int32, error) {
		return g.columns[0].ints(row)
	})
}

// readAt walks through rows and makes of each what read makes of its columns.
func readAt[R any](fsys fs.FS, name string, rows []int64, schema *parquet.Schema, read func(g *groupReader, row int64) (R, error)) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		stopped := false
		err := walkAt(fsys, name, rows, schema, read, func(r R) bool {
			stopped = !yield(r, nil)
			return !stopped
		})
		if err != nil && !stopped {
			var none R
			yield(none, fmt.Errorf("read shard %s: %w", name, err))
		}
	}
}

func walkAt[R any](fsys fs.FS, name string, rows []int64, schema *parquet.Schema, read func(*groupReader, int64) (R, error), yield func(R) bool) (err error) {
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
	leaves, err := leavesOf(file, schema)
	if err != nil {
		return err
	}
	hand := func(r R) bool {
		yielding = true
		defer func() { yielding = false }()
		return yield(r)
	}
	first := int64(0)
	for _, group := range file.RowGroups() {
		end := first + group.NumRows()
		here := sort.Search(len(rows), func(i int) bool { return rows[i] >= end })
		if more, err := walkGroup(group, leaves, first, rows[:here], read, hand); err != nil || !more {
			return err
		}
		rows, first = rows[here:], end
	}
	if len(rows) > 0 {
		return fmt.Errorf("%w: it has no row %d, only %d rows", ErrCorrupt, rows[0], first)
	}
	return nil
}

func walkGroup[R any](group parquet.RowGroup, leaves []int, first int64, rows []int64, read func(*groupReader, int64) (R, error), yield func(R) bool) (more bool, err error) {
	if len(rows) == 0 {
		return true, nil
	}
	g := openGroup(group, leaves)
	defer g.close()
	for _, row := range rows {
		r, err := read(g, row-first)
		if err != nil {
			return false, fmt.Errorf("row %d: %w: %w", row, ErrCorrupt, err)
		}
		if !yield(r) {
			return false, nil
		}
	}
	return true, nil
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

// one returns a page of one row, to be released.
func (c *pageReader) one(row int64) (parquet.Page, error) {
	for c.page == nil || row >= c.next {
		if err := c.advance(row); err != nil {
			return nil, err
		}
	}
	return c.page.Slice(row-c.first, row-c.first+1), nil
}

// ints returns the numbers of one row, as the page holds them: levels unread.
func (c *pageReader) ints(row int64) ([]int32, error) {
	one, err := c.one(row)
	if err != nil {
		return nil, err
	}
	defer parquet.Release(one)
	if one.Dictionary() != nil {
		return nil, errors.New("numbers in a dictionary")
	}
	data := one.Data()
	return slices.Clone(data.Int32()), nil
}

// appendRow appends the values of one row, as column i of the row that is made.
func (c *pageReader) appendRow(dst parquet.Row, row int64, i int) (parquet.Row, error) {
	one, err := c.one(row)
	if err != nil {
		return dst, err
	}
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
