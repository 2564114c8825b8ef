package history

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/parquet-go/parquet-go"

	"github.com/longctx/pipeline/dataset"
)

// openSegment opens a segment's file; the caller closes it.
func openSegment(fsys fs.FS, name string) (_ *parquet.File, closer io.Closer, err error) {
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("read %s: %w: it is missing", name, dataset.ErrCorrupt)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("history: %w", err)
	}
	defer func() {
		if r := recover(); r != nil { // a damaged footer
			err = fmt.Errorf("decoder: %v", r)
		}
		if err != nil {
			f.Close()
			err = fmt.Errorf("read %s: %w: %w", name, dataset.ErrCorrupt, err)
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	at, ok := f.(io.ReaderAt)
	if !ok {
		return nil, nil, errors.New("the file system has no ReadAt")
	}
	file, err := parquet.OpenFile(at, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, nil, err
	}
	if !parquet.EqualNodes(file.Schema(), schema) {
		return nil, nil, errors.New("its columns are not those of a segment")
	}
	return file, f, nil
}

// guard calls a decoder, which can panic on damaged bytes.
func guard(name string, decode func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("decoder: %v", r)
		}
		if err != nil {
			err = fmt.Errorf("read %s: %w: %w", name, dataset.ErrCorrupt, err)
		}
	}()
	return decode()
}

// eachPage reads the pages of one column of a row group.
func eachPage(group parquet.RowGroup, column int, yield func(parquet.Page) error) error {
	pages := group.ColumnChunks()[column].Pages()
	defer pages.Close()
	for {
		p, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = yield(p)
		parquet.Release(p)
		if err != nil {
			return err
		}
	}
}

// readColumn reads a whole column of fixed-size values that are never null.
func readColumn[T any](group parquet.RowGroup, column int, values func(parquet.Page) []T) ([]T, error) {
	out := make([]T, 0, group.NumRows())
	err := eachPage(group, column, func(p parquet.Page) error {
		out = append(out, values(p)...)
		return nil
	})
	if err == nil && int64(len(out)) != group.NumRows() {
		err = fmt.Errorf("column %d has %d values in %d rows", column, len(out), group.NumRows())
	}
	return out, err
}

func int32s(p parquet.Page) []int32 { v := p.Data(); return v.Int32() }

func int64s(p parquet.Page) []int64 { v := p.Data(); return v.Int64() }

func doubles(p parquet.Page) []float64 { v := p.Data(); return v.Double() }

func readBools(group parquet.RowGroup, column int) ([]bool, error) {
	out := make([]bool, 0, group.NumRows())
	var buf [512]parquet.Value
	err := eachPage(group, column, func(p parquet.Page) error {
		return eachValue(p, buf[:], func(v parquet.Value) { out = append(out, v.Boolean()) })
	})
	if err == nil && int64(len(out)) != group.NumRows() {
		err = fmt.Errorf("column %d has %d values in %d rows", column, len(out), group.NumRows())
	}
	return out, err
}

func eachValue(p parquet.Page, buf []parquet.Value, yield func(parquet.Value)) error {
	r := p.Values()
	for {
		n, err := r.ReadValues(buf)
		for _, v := range buf[:n] {
			yield(v)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// readIDs reads the sample ids of a row group. Neighbours are often equal.
func readIDs(group parquet.RowGroup, column int) ([]SampleID, error) {
	out := make([]SampleID, 0, group.NumRows())
	var text [32]byte
	var id SampleID
	add := func(b []byte) (err error) {
		if len(out) == 0 || len(b) != len(text) || [32]byte(b) != text {
			if id, err = ParseSampleID(b); err != nil {
				return err
			}
			text = [32]byte(b)
		}
		out = append(out, id)
		return nil
	}
	err := eachPage(group, column, func(p parquet.Page) error {
		values := p.Data()
		data, offsets := values.ByteArray()
		for i := 1; i < len(offsets); i++ {
			if err := add(data[offsets[i-1]:offsets[i]]); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && int64(len(out)) != group.NumRows() {
		err = fmt.Errorf("column %d has %d values in %d rows", column, len(out), group.NumRows())
	}
	return out, err
}

// readNames reads a column with few different texts: the texts, and for each row which.
func readNames(group parquet.RowGroup, column int) (names []string, which []int32, err error) {
	which = make([]int32, 0, group.NumRows())
	known := map[string]int32{}
	intern := func(b []byte) int32 {
		i, ok := known[string(b)]
		if !ok {
			i = int32(len(names))
			names = append(names, string(b))
			known[names[i]] = i
		}
		return i
	}
	var ofDictionary []int32
	err = eachPage(group, column, func(p parquet.Page) error {
		values := p.Data()
		if d := p.Dictionary(); d != nil {
			for i := len(ofDictionary); i < d.Len(); i++ {
				ofDictionary = append(ofDictionary, intern(d.Index(int32(i)).ByteArray()))
			}
			for _, i := range values.Int32() {
				which = append(which, ofDictionary[i])
			}
			return nil
		}
		data, offsets := values.ByteArray()
		for i := 1; i < len(offsets); i++ {
			which = append(which, intern(data[offsets[i-1]:offsets[i]]))
		}
		return nil
	})
	if err == nil && int64(len(which)) != group.NumRows() {
		err = fmt.Errorf("column %d has %d values in %d rows", column, len(which), group.NumRows())
	}
	return names, which, err
}

// readNumbers reads a nullable column of floats.
func readNumbers(group parquet.RowGroup, column int) ([]Number, error) {
	out := make([]Number, 0, group.NumRows())
	err := eachPage(group, column, func(p parquet.Page) error {
		values := p.Data()
		floats := values.Float()
		levels := p.DefinitionLevels()
		for _, l := range levels {
			if l != levelValue {
				out = append(out, Number{})
				continue
			}
			out = append(out, Known(floats[0]))
			floats = floats[1:]
		}
		return nil
	})
	if err == nil && int64(len(out)) != group.NumRows() {
		err = fmt.Errorf("column %d has %d values in %d rows", column, len(out), group.NumRows())
	}
	return out, err
}
