package ingest

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/longctx/pipeline/dataset"
)

// checkArrowSchema refuses a schema whose counts its bytes cannot hold, before the library believes it.
func checkArrowSchema(r io.ReaderAt, size int64, isFile bool) error {
	at, where, check := int64(8), int64(4), dataset.CheckSchemaMessage
	if isFile {
		where, check = size-10, dataset.CheckSchemaFooter
	}
	if where < 4 || size < 8 {
		return io.ErrUnexpectedEOF
	}
	var word [4]byte
	if _, err := r.ReadAt(word[:], where); err != nil {
		return reason(err)
	}
	n := int64(int32(binary.LittleEndian.Uint32(word[:])))
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
	return check(buf)
}
