package metrics

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// events writes the file format of TensorBoard: a TFRecord for each Event message. No small library
// for it is kept alive in Go, and the format is four numbers around a message of five fields:
//
//	record  uint64 length, crc(length), message, crc(message)      little-endian, crc masked CRC-32C
//	Event   1 double wall_time, 2 int64 step, 3 string file_version, 5 Summary
//	Summary 1 repeated Value{1 string tag, 2 float simple_value}
type events struct{ w io.Writer }

// begin writes the event that TensorBoard expects first.
func (e events) begin(now time.Time) error {
	return e.record(protowire.AppendString(protowire.AppendTag(event(now, 0), 3, protowire.BytesType), "brain.Event:2"))
}

// add writes the curves of one step.
func (e events) add(r *Record) error {
	var summary []byte
	r.Each(func(name string, value float64) {
		var v []byte
		v = protowire.AppendString(protowire.AppendTag(v, 1, protowire.BytesType), name)
		v = protowire.AppendFixed32(protowire.AppendTag(v, 2, protowire.Fixed32Type), math.Float32bits(float32(value)))
		summary = protowire.AppendBytes(protowire.AppendTag(summary, 1, protowire.BytesType), v)
	})
	return e.record(protowire.AppendBytes(protowire.AppendTag(event(r.Time, r.Step), 5, protowire.BytesType), summary))
}

// event begins a message.
func event(now time.Time, step int64) []byte {
	b := protowire.AppendTag(nil, 1, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, math.Float64bits(float64(now.UnixMicro())/1e6))
	return protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), uint64(step))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is the checksum of TFRecord, turned and shifted so that a checksum of data that hold
// checksums stays a good one.
func masked(data []byte) uint32 {
	c := crc32.Checksum(data, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

// record writes a message in one write, so that a reader sees all of it or a torn end.
func (e events) record(message []byte) error {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(message)))
	b = binary.LittleEndian.AppendUint32(b, masked(b))
	b = append(b, message...)
	b = binary.LittleEndian.AppendUint32(b, masked(message))
	_, err := e.w.Write(b)
	return err
}
