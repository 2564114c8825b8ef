package ingest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	flatbuffers "github.com/google/flatbuffers/go"
)

// Slots of Arrow's flatbuffers (format/Message.fbs, File.fbs, Schema.fbs).
const (
	slotMessageHeader  = 8
	slotFooterSchema   = 6
	slotSchemaFields   = 6
	slotSchemaMetadata = 8
	slotFieldChildren  = 14
	slotFieldMetadata  = 16
)

const maxArrowDepth = 64

var errSchema = errors.New("its schema counts more than it holds")

// checkArrowSchema refuses a schema whose counts its bytes cannot hold. The library makes room for
// as many fields as a schema says: 1 KiB of one could ask for 90 GiB, which nothing can recover.
// It may panic over damage, as the library does.
func checkArrowSchema(r io.ReaderAt, size int64, isFile bool) error {
	at, n, slot := int64(8), int64(0), flatbuffers.VOffsetT(slotMessageHeader)
	var word [4]byte
	where := int64(4)
	if isFile {
		where, slot = size-10, slotFooterSchema
	}
	if where < 4 || size < 8 {
		return io.ErrUnexpectedEOF
	}
	if _, err := r.ReadAt(word[:], where); err != nil {
		return reason(err)
	}
	n = int64(int32(binary.LittleEndian.Uint32(word[:])))
	if isFile {
		at = where - n
	}
	if n < 4 || at < 0 || at+n > size {
		return fmt.Errorf("its schema has %d bytes", n)
	}
	buf := make([]byte, n)
	if _, err := r.ReadAt(buf, at); err != nil {
		return reason(err)
	}
	c := schemaChecker{buf: buf, left: len(buf)}
	root := flatbuffers.Table{Bytes: buf, Pos: flatbuffers.GetUOffsetT(buf)}
	o := flatbuffers.UOffsetT(root.Offset(slot))
	if o == 0 {
		return nil // the library says what is missing
	}
	schema := flatbuffers.Table{Bytes: buf, Pos: root.Indirect(o + root.Pos)}
	return c.check(schema, slotSchemaFields, slotSchemaMetadata, 0)
}

// A schemaChecker counts what is left of the bytes, each field and each pair taking some.
type schemaChecker struct {
	buf  []byte
	left int
}

func (c *schemaChecker) check(t flatbuffers.Table, children, metadata flatbuffers.VOffsetT, depth int) error {
	if depth > maxArrowDepth {
		return fmt.Errorf("its schema is more than %d deep", maxArrowDepth)
	}
	if o := flatbuffers.UOffsetT(t.Offset(metadata)); o != 0 {
		if c.left -= t.VectorLen(o); c.left < 0 {
			return errSchema
		}
	}
	o := flatbuffers.UOffsetT(t.Offset(children))
	if o == 0 {
		return nil
	}
	n := t.VectorLen(o)
	if c.left -= n; c.left < 0 {
		return errSchema
	}
	for i := range n {
		child := flatbuffers.Table{Bytes: c.buf, Pos: t.Indirect(t.Vector(o) + flatbuffers.UOffsetT(i)*flatbuffers.SizeUOffsetT)}
		if err := c.check(child, slotFieldChildren, slotFieldMetadata, depth+1); err != nil {
			return err
		}
	}
	return nil
}
