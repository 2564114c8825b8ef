package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/longctx/pipeline/dataset"
)

// A Container is how a file's bytes are packed. Example: "gzip"
type Container string

// Containers of text, and of tables.
const (
	ContainerText    Container = "text"
	ContainerGzip    Container = "gzip"
	ContainerZstd    Container = "zstd"
	ContainerParquet Container = "parquet"
	ContainerArrow   Container = "arrow"
)

// A Layout is how records stand in text; tables have none.
type Layout string

// Layouts of text.
const (
	LayoutLines    Layout = "lines"    // an object on each line
	LayoutElements Layout = "elements" // one list of objects, or one object of them, over the whole file
	LayoutCSV      Layout = "csv"      // a table whose first row names the fields
)

// magics are the first bytes of containers, and the ending that a file's name should have.
var magics = []struct {
	container Container
	magic     string
	ending    string
}{
	{ContainerGzip, "\x1f\x8b", ".gz"},
	{ContainerZstd, "\x28\xb5\x2f\xfd", ".zst"},
	{ContainerParquet, "PAR1", ".parquet"},
	{ContainerArrow, "ARROW1\x00\x00", ".arrow"},
	{ContainerArrow, "\xff\xff\xff\xff", ".arrows"}, // a stream: what datasets writes, often as .arrow
}

// skippable frames are zstd's too: pzstd begins with one. Their first byte is 0x50 to 0x5f.
const skippable = "\x2a\x4d\x18"

// recognizeContainer looks at a file's first bytes. A name that promises a container which
// the bytes are not is an error: read as lines, such a file would give nothing but rejects.
func recognizeContainer(f *os.File, name string) (Container, error) {
	var head [8]byte
	n, err := f.ReadAt(head[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", reason(err)
	}
	for _, m := range magics {
		if bytes.HasPrefix(head[:n], []byte(m.magic)) {
			return m.container, nil
		}
	}
	if head[0]&0xf0 == 0x50 && string(head[1:4]) == skippable {
		return ContainerZstd, nil
	}
	for _, m := range magics {
		if strings.EqualFold(filepath.Ext(name), m.ending) {
			return "", fmt.Errorf("named %s, but its first bytes are not those of %s: the file is damaged or misnamed", m.ending, m.container)
		}
	}
	return ContainerText, nil
}

// cut returns the splits of one file: lines at multiples of splitBytes, Parquet by row groups,
// any other file as one. An empty file is one empty split, so that it has a hash.
func cut(f *os.File, in Planned, index int, splitBytes int64) ([]dataset.Split, error) {
	switch {
	case in.Container == ContainerParquet:
		return cutTable(f, in, index, splitBytes)
	case !in.inLines():
		return []dataset.Split{{Input: index, End: in.Bytes}}, nil
	}
	splits := []dataset.Split{}
	for start := int64(0); start == 0 || start < in.Bytes; start += splitBytes {
		splits = append(splits, dataset.Split{Input: index, Start: start, End: min(start+splitBytes, in.Bytes)})
	}
	return splits, nil
}

// inLines reports whether a file can be cut at the end of any line.
func (in *Planned) inLines() bool { return in.Container == ContainerText && in.Layout == LayoutLines }
