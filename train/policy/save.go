package policy

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Create makes a file of the folder that Save writes; Close makes it durable. Names have no
// slashes.
type Create func(name string) (io.WriteCloser, error)

// SaveOptions say how a folder is written.
type SaveOptions struct {
	DType     DType // F32 or BF16; "": F32
	ShardSize int64 // bytes of tensors in one file; 0: 5 GB, as transformers does
	// Tokenizer holds files to copy along, if it is not nil: those of TokenizerFiles that are there.
	Tokenizer fs.FS
}

// TokenizerFiles are what a folder holds beside the policy, for those who talk to it.
var TokenizerFiles = []string{
	"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
	"vocab.json", "merges.txt", "tokenizer.model", "chat_template.jinja", "generation_config.json",
}

// Save writes a folder that transformers and vLLM open. config.json is written last: a folder
// without one is not finished.
func Save(c Config, w Weights, create Create, o SaveOptions) error {
	if o.DType == "" {
		o.DType = F32
	}
	if o.DType != F32 && o.DType != BF16 {
		return fmt.Errorf("save as %s: known are F32 and BF16", o.DType)
	}
	if o.ShardSize <= 0 {
		o.ShardSize = 5_000_000_000
	}
	if err := c.Validate(); err != nil {
		return err
	}
	if err := w.Check(c); err != nil {
		return err
	}
	shards := cutShards(c.Specs(), o)
	for i, specs := range shards {
		if err := writeShard(w, specs, create, shardName(i, len(shards)), o.DType); err != nil {
			return err
		}
	}
	if len(shards) > 1 {
		if err := writeIndex(shards, create, o.DType); err != nil {
			return err
		}
	}
	if err := copyTokenizer(o.Tokenizer, create); err != nil {
		return err
	}
	data, err := c.JSON(o.DType)
	if err != nil {
		return err
	}
	return writeFile(create, configFile, data)
}

func shardName(i, n int) string {
	if n == 1 {
		return singleFile
	}
	return fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, n)
}

// cutShards fills files in order; a tensor over the size has one for itself.
func cutShards(specs []Spec, o SaveOptions) [][]Spec {
	var shards [][]Spec
	var filled int64
	for _, s := range specs {
		size := int64(s.Size()) * o.DType.size()
		if len(shards) == 0 || filled+size > o.ShardSize {
			shards, filled = append(shards, nil), 0
		}
		shards[len(shards)-1] = append(shards[len(shards)-1], s)
		filled += size
	}
	return shards
}

func writeShard(w Weights, specs []Spec, create Create, name string, dtype DType) (err error) {
	header := map[string]any{"__metadata__": map[string]string{"format": "pt"}}
	at := int64(0)
	for _, s := range specs {
		end := at + int64(s.Size())*dtype.size()
		header[s.Name] = map[string]any{"dtype": dtype, "shape": s.Shape, "data_offsets": [2]int64{at, end}}
		at = end
	}
	data, err := json.Marshal(header)
	if err != nil {
		return err
	}
	for len(data)%8 != 0 {
		data = append(data, ' ') // values start at a multiple of 8 bytes
	}
	f, err := create(name)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = fmt.Errorf("write %s: %w", name, err)
		}
	}()
	if _, err := f.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(len(data))), data...)); err != nil {
		return err
	}
	buffer := make([]byte, 0, 1<<20)
	for _, s := range specs {
		for rest := w[s.Name]; len(rest) > 0; {
			n := min(len(rest), cap(buffer)/4)
			if _, err := f.Write(dtype.encode(buffer, rest[:n])); err != nil {
				return err
			}
			rest = rest[n:]
		}
	}
	return nil
}

func writeIndex(shards [][]Spec, create Create, dtype DType) error {
	files, total := map[string]string{}, int64(0)
	for i, specs := range shards {
		for _, s := range specs {
			files[s.Name] = shardName(i, len(shards))
			total += int64(s.Size()) * dtype.size()
		}
	}
	data, err := json.MarshalIndent(map[string]any{
		"metadata":   map[string]int64{"total_size": total},
		"weight_map": files,
	}, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(create, indexFile, append(data, '\n'))
}

func writeFile(create Create, name string, data []byte) error {
	f, err := create(name)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func copyTokenizer(from fs.FS, create Create) error {
	if from == nil {
		return nil
	}
	for _, name := range TokenizerFiles {
		data, err := fs.ReadFile(from, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("copy %s: %w", name, err)
		}
		if err := writeFile(create, name, data); err != nil {
			return err
		}
	}
	return nil
}
