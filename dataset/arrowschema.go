package dataset

import (
	"errors"
	"fmt"

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

// CheckSchemaMessage refuses a schema message of Arrow IPC whose counts its bytes cannot hold. The
// library makes room for as many fields as a schema says: 1 KiB of one could ask for 90 GiB, which
// nothing can recover. Whoever reads Arrow of strangers asks first.
func CheckSchemaMessage(message []byte) error { return checkSchema(message, slotMessageHeader) }

// CheckSchemaFooter does the same for the footer of an Arrow file.
func CheckSchemaFooter(footer []byte) error { return checkSchema(footer, slotFooterSchema) }

func checkSchema(buf []byte, slot flatbuffers.VOffsetT) (err error) {
	defer func() {
		if p := recover(); p != nil { // an offset that leads out of the bytes
			err = fmt.Errorf("its schema is damaged: %v", p)
		}
	}()
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
