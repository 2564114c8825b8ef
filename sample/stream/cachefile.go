package stream

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"unsafe"

	"github.com/longctx/pipeline/dataset"
)

// CacheVersion is the version of the cache's files; a file of another is built anew.
//
//	1: texts and ids row by row, an index, lengths, a footer; CRC-32C of every row
const CacheVersion = 1

// A cache file holds what a stream needs of one shard, so that a row is two reads of just its
// bytes. FORMAT.md has the picture.
const (
	cacheFolder = "cache"
	cacheMagic  = "pipeline stream\x00"
	entryBytes  = 24
	footerBytes = 88
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errStale means that a cache file is not what it should be. It is thrown away.
var errStale = errors.New("stale cache")

// An entry is where a row lies in a cache file.
type entry struct {
	offset   int64 // of its texts; its ids follow them
	text     uint32
	ids      uint32 // number of ids
	checksum uint32 // of row number, texts and ids
}

func (e entry) encode(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(e.offset))
	b = binary.LittleEndian.AppendUint32(b, e.text)
	b = binary.LittleEndian.AppendUint32(b, e.ids)
	b = binary.LittleEndian.AppendUint32(b, e.checksum)
	return append(b, 0, 0, 0, 0)
}

func decodeEntry(b []byte) entry {
	return entry{
		int64(binary.LittleEndian.Uint64(b)), binary.LittleEndian.Uint32(b[8:]),
		binary.LittleEndian.Uint32(b[12:]), binary.LittleEndian.Uint32(b[16:]),
	}
}

// A footer ends a cache file.
type footer struct {
	rows, index, lengths int64  // number; offsets
	lengthsSum           uint32 // CRC-32C
	shard                [32]byte
}

func (f footer) encode() []byte {
	b := []byte(cacheMagic)
	b = binary.NativeEndian.AppendUint32(b, CacheVersion) // ids are in the machine's order
	b = binary.LittleEndian.AppendUint32(b, f.lengthsSum)
	for _, n := range [...]int64{f.rows, f.index, f.lengths} {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	b = append(b, f.shard[:]...)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return append(b, 0, 0, 0, 0)
}

func decodeFooter(b []byte) (f footer, ok bool) {
	const sum = footerBytes - 8
	if len(b) != footerBytes || string(b[:16]) != cacheMagic || binary.NativeEndian.Uint32(b[16:]) != CacheVersion ||
		binary.LittleEndian.Uint32(b[sum:]) != crc32.Checksum(b[:sum], castagnoli) {
		return f, false
	}
	f.lengthsSum = binary.LittleEndian.Uint32(b[20:])
	for i, n := range [...]*int64{&f.rows, &f.index, &f.lengths} {
		*n = int64(binary.LittleEndian.Uint64(b[24+8*i:]))
	}
	copy(f.shard[:], b[48:80])
	return f, true
}

// cacheName is the file of a shard: named by its hash, so that it can never be another's.
func cacheName(s *dataset.Shard) string {
	return cacheFolder + "/" + s.SHA256[:min(len(s.SHA256), 32)] + ".rows"
}

// A cacheFile is an open file of the cache.
type cacheFile struct {
	f readerAt
	footer
}

// openCache opens the cache file of a shard. errStale, or why it cannot be opened.
func openCache(fsys dataset.FS, s *dataset.Shard) (*cacheFile, error) {
	f, size, err := openAt(fsys, cacheName(s))
	if err != nil {
		return nil, err
	}
	tail := make([]byte, footerBytes)
	if _, err := f.ReadAt(tail, max(size-footerBytes, 0)); err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(err, f.Close())
	}
	c := &cacheFile{f: f}
	var ok bool
	c.footer, ok = decodeFooter(tail)
	if !ok || hex.EncodeToString(c.shard[:]) != s.SHA256 || c.rows != s.Rows ||
		c.index < 0 || c.lengths != c.index+c.rows*entryBytes || size != c.lengths+4*c.rows+footerBytes {
		return nil, errors.Join(errStale, f.Close())
	}
	return c, nil
}

// readLengths returns the prompt lengths of all rows.
func (c *cacheFile) readLengths() ([]int32, error) {
	out := make([]int32, c.rows)
	if len(out) == 0 {
		return out, nil
	}
	b := bytesOf(out)
	if _, err := c.f.ReadAt(b, c.lengths); err != nil || crc32.Checksum(b, castagnoli) != c.lengthsSum {
		return nil, errStale
	}
	return out, nil
}

// read reads one row; dst is as long as its prompt.
func (c *cacheFile) read(row int32, dst []int32) (out sample, err error) {
	var head [entryBytes]byte
	if _, err := c.f.ReadAt(head[:], c.index+int64(row)*entryBytes); err != nil {
		return out, err
	}
	e := decodeEntry(head[:])
	if int(e.ids) != len(dst) || e.offset < 0 || e.offset+int64(e.text)+4*int64(e.ids) > c.index {
		return out, errStale
	}
	text, ids := make([]byte, e.text), bytesOf(dst)
	if _, err := c.f.ReadAt(text, e.offset); err != nil {
		return out, err
	}
	if len(ids) > 0 {
		if _, err := c.f.ReadAt(ids, e.offset+int64(e.text)); err != nil {
			return out, err
		}
	}
	if checksum(row, text, ids) != e.checksum {
		return out, errStale
	}
	if out, err = decodeSample(text); err != nil {
		return out, errStale
	}
	return out, nil
}

func checksum(row int32, text, ids []byte) uint32 {
	var n [8]byte
	binary.LittleEndian.PutUint32(n[:], uint32(row))
	binary.LittleEndian.PutUint32(n[4:], uint32(len(text)))
	sum := crc32.Update(0, castagnoli, n[:])
	return crc32.Update(crc32.Update(sum, castagnoli, text), castagnoli, ids)
}

// encodeSample appends what a sample says besides its ids.
func encodeSample(b []byte, s *sample) []byte {
	b = append(b, s.id[:]...)
	for _, o := range [...]optional{s.question, s.dataSource} {
		if !o.known {
			b = append(b, 0)
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(o.text))+1)
		b = append(b, o.text...)
	}
	b = binary.AppendUvarint(b, uint64(len(s.answers)))
	for _, a := range s.answers {
		b = binary.AppendUvarint(b, uint64(len(a)))
		b = append(b, a...)
	}
	return b
}

// decodeSample reads what encodeSample wrote. Its strings point into b.
func decodeSample(b []byte) (s sample, err error) {
	if len(b) < len(s.id) {
		return s, errStale
	}
	copy(s.id[:], b)
	b = b[len(s.id):]
	number := func() int {
		n, used := binary.Uvarint(b)
		if used <= 0 || n > math.MaxInt32 {
			err = errStale
			return 0
		}
		b = b[used:]
		return int(n)
	}
	text := func(n int) string {
		if n > len(b) {
			err = errStale
			return ""
		}
		t := unsafe.String(unsafe.SliceData(b), n)
		b = b[n:]
		return t
	}
	for _, o := range [...]*optional{&s.question, &s.dataSource} {
		if n := number(); n > 0 {
			*o = optional{text(n - 1), true}
		}
	}
	for n := number(); n > 0 && err == nil; n-- {
		s.answers = append(s.answers, text(number()))
	}
	if len(b) > 3 { // what aligns the ids
		err = errStale
	}
	return s, err
}

// bytesOf is the memory of ids.
func bytesOf(ids []int32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(ids))), 4*len(ids))
}
