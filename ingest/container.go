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

// A Container is how records are packed in a file. Example: "jsonl"
type Container string

// Containers of records.
const (
	ContainerLines   Container = "jsonl"
	ContainerGzip    Container = "gzip"
	ContainerZstd    Container = "zstd"
	ContainerParquet Container = "parquet"
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
}

// skippable frames are zstd's too: pzstd begins with one. Their first byte is 0x50 to 0x5f.
const skippable = "\x2a\x4d\x18"

// recognizeContainer looks at a file's first bytes. A name that promises a container which
// the bytes are not is an error: read as lines, such a file would give nothing but rejects.
func recognizeContainer(f *os.File, name string) (Container, error) {
	var head [4]byte
	n, err := f.ReadAt(head[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", reason(err)
	}
	for _, m := range magics {
		if bytes.HasPrefix(head[:n], []byte(m.magic)) {
			return m.container, nil
		}
	}
	if head[0]&0xf0 == 0x50 && string(head[1:]) == skippable {
		return ContainerZstd, nil
	}
	for _, m := range magics {
		if strings.EqualFold(filepath.Ext(name), m.ending) {
			return "", fmt.Errorf("named %s, but its first bytes are not those of %s: the file is damaged or misnamed", m.ending, m.container)
		}
	}
	return ContainerLines, nil
}

// cut returns the splits of one file: lines at multiples of splitBytes, a compressed file
// as one, Parquet by row groups. An empty file is one empty split, so that it has a hash.
func cut(f *os.File, in Planned, index int, splitBytes int64) ([]dataset.Split, error) {
	switch in.Container {
	case ContainerParquet:
		return cutTable(f, in, index, splitBytes)
	case ContainerGzip, ContainerZstd:
		return []dataset.Split{{Input: index, End: in.Bytes}}, nil
	}
	splits := []dataset.Split{}
	for start := int64(0); start == 0 || start < in.Bytes; start += splitBytes {
		splits = append(splits, dataset.Split{Input: index, Start: start, End: min(start+splitBytes, in.Bytes)})
	}
	return splits, nil
}
