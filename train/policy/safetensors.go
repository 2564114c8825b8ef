package policy

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// The format is small enough to read here: no Go library for it is kept by anyone that we
// found (gomlx/go-huggingface v0.3.1 has tokenizers and downloads only), and the checks are
// what matters. https://huggingface.co/docs/safetensors: 8 bytes of length, a JSON header,
// then the bytes of the tensors without gaps.

// maxHeader is the limit of the reference implementation.
const maxHeader = 100_000_000

// A DType is how a file stores values; memory holds float32.
type DType string

const (
	F32  DType = "F32"
	BF16 DType = "BF16"
	F16  DType = "F16"
)

// size is the bytes of one value, 0 for a dtype that weights cannot have.
func (d DType) size() int64 {
	switch d {
	case F32:
		return 4
	case BF16, F16:
		return 2
	}
	return 0
}

// torch is the name that config.json has for it.
func (d DType) torch() string {
	return map[DType]string{F32: "float32", BF16: "bfloat16", F16: "float16"}[d]
}

// An entry says where one tensor's bytes are, counted from the end of the header.
type entry struct {
	name       string
	dtype      DType
	shape      []int
	begin, end int64
}

type entryJSON struct {
	DType   DType    `json:"dtype"`
	Shape   []int64  `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// readHeader reads the header of a file of size bytes: the tensors by offset, and where their
// bytes begin. Nothing is allocated beyond the header's own length, which is checked first.
func readHeader(r io.Reader, size int64) (entries []entry, data int64, err error) {
	var length [8]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, 0, fmt.Errorf("no safetensors header in %d bytes", size)
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > maxHeader || int64(n) > size-8 {
		return nil, 0, fmt.Errorf("the header claims %d bytes, and the file has %d", n, size)
	}
	header := make([]byte, n)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, 0, fmt.Errorf("read the header: %w", err)
	}
	entries, err = parseHeader(header, size-8-int64(n))
	return entries, 8 + int64(n), err
}

// parseHeader checks that the tensors cover their bytes exactly: no gap, no overlap, no end
// beyond the file's.
func parseHeader(header []byte, size int64) ([]entry, error) {
	if !bytes.HasPrefix(header, []byte("{")) {
		return nil, fmt.Errorf("the header is not a JSON object")
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(header, &raw); err != nil {
		return nil, fmt.Errorf("the header is not JSON: %w", err)
	}
	delete(raw, "__metadata__")
	var entries []entry
	for name, value := range raw {
		e, err := parseEntry(name, value)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b entry) int {
		switch {
		case a.begin != b.begin:
			return int(min(max(a.begin-b.begin, -1), 1))
		case a.end != b.end:
			return int(min(max(a.end-b.end, -1), 1))
		}
		return strings.Compare(a.name, b.name)
	})
	at := int64(0)
	for _, e := range entries {
		if e.begin != at {
			return nil, fmt.Errorf("tensor %q begins at byte %d, and the one before ends at %d", e.name, e.begin, at)
		}
		at = e.end
	}
	if at != size {
		return nil, fmt.Errorf("the tensors take %d bytes, and the file has %d for them: it is truncated or damaged", at, size)
	}
	return entries, nil
}

func parseEntry(name string, value []byte) (entry, error) {
	var j entryJSON
	if err := json.Unmarshal(value, &j); err != nil {
		return entry{}, err
	}
	e := entry{name: name, dtype: j.DType, begin: j.Offsets[0], end: j.Offsets[1]}
	bytes := j.DType.size()
	if bytes == 0 {
		return entry{}, fmt.Errorf("dtype %q is not supported; known are F32, BF16 and F16", j.DType)
	}
	for _, d := range j.Shape {
		if d < 0 || d > maxDim {
			return entry{}, fmt.Errorf("shape %v", j.Shape)
		}
		if d > 0 && bytes > math.MaxInt64/4/d {
			return entry{}, fmt.Errorf("shape %v is too large", j.Shape)
		}
		bytes *= d
		e.shape = append(e.shape, int(d))
	}
	if e.begin < 0 || e.end < e.begin || e.end-e.begin != bytes {
		return entry{}, fmt.Errorf("bytes %d to %d, and shape %v of %s takes %d", e.begin, e.end, j.Shape, j.DType, bytes)
	}
	return e, nil
}

// decode turns stored bytes into float32.
func (d DType) decode(to []float32, from []byte) {
	switch d {
	case F32:
		for i := range to {
			to[i] = math.Float32frombits(binary.LittleEndian.Uint32(from[4*i:]))
		}
	case BF16:
		for i := range to {
			to[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(from[2*i:])) << 16)
		}
	case F16:
		for i := range to {
			to[i] = float16(binary.LittleEndian.Uint16(from[2*i:]))
		}
	}
}

// float16 is the value of IEEE half-precision bits.
func float16(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exponent, fraction := uint32(h>>10)&31, uint32(h)&1023
	switch exponent {
	case 0: // zero and subnormals: fraction x 2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)*(1.0/(1<<24))))
	case 31:
		return math.Float32frombits(sign | 255<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}

// encode appends values; F32 and BF16 only. BF16 rounds to the nearest, ties to even.
func (d DType) encode(to []byte, from []float32) []byte {
	for _, x := range from {
		bits := math.Float32bits(x)
		if d == F32 {
			to = binary.LittleEndian.AppendUint32(to, bits)
			continue
		}
		if x != x {
			bits |= 1 << 22 // stays a NaN when the low half goes
		} else {
			bits += 0x7fff + bits>>16&1
		}
		to = binary.LittleEndian.AppendUint16(to, uint16(bits>>16))
	}
	return to
}
