package policy

import "io/fs"

// ReadTensors reads every tensor of a safetensors file.
func ReadTensors(folder fs.FS, file string) (map[string][]float32, error) {
	s, err := openShard(folder, file)
	if err != nil {
		return nil, err
	}
	w := Weights{}
	return w, s.load(folder, file, w)
}

// ParseHeader is what the fuzz test feeds.
func ParseHeader(header []byte, size int64) (names []string, total int64, err error) {
	entries, err := parseHeader(header, size)
	for _, e := range entries {
		names = append(names, e.name)
		total += e.end - e.begin
	}
	return names, total, err
}

// Float16 is the value of half-precision bits.
func Float16(bits uint16) float32 { return float16(bits) }
