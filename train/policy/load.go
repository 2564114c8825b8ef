package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
)

const (
	configFile = "config.json"
	singleFile = "model.safetensors"
	indexFile  = "model.safetensors.index.json"
)

// LoadOptions are what a folder must fit.
type LoadOptions struct {
	// MinVocab is the number of ids that the tokenizer gives; 0: not checked.
	MinVocab int
}

// Load reads a Hugging Face folder: config.json and one or several safetensors files. Every
// header is checked against the configuration before a weight is read.
func Load(folder fs.FS, o LoadOptions) (Config, Weights, error) {
	c, err := LoadConfig(folder)
	if err != nil {
		return Config{}, nil, err
	}
	if c.Vocab < o.MinVocab {
		return Config{}, nil, fmt.Errorf("%s: vocab_size is %d, and the tokenizer has %d ids: it is another model's tokenizer", configFile, c.Vocab, o.MinVocab)
	}
	files, err := weightFiles(folder)
	if err != nil {
		return Config{}, nil, err
	}
	plan, err := planLoad(folder, &c, files)
	if err != nil {
		return Config{}, nil, err
	}
	w := Weights{}
	for _, file := range slices.Sorted(maps.Keys(plan)) {
		if err := plan[file].load(folder, file, w); err != nil {
			return Config{}, nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return c, w, nil
}

// LoadConfig reads a folder's config.json.
func LoadConfig(folder fs.FS) (Config, error) {
	data, err := fs.ReadFile(folder, configFile)
	if err != nil {
		return Config{}, fmt.Errorf("read the policy's %s: %w", configFile, err)
	}
	return ParseConfig(data)
}

// weightFiles are the names of the folder's safetensors files: those of the index, or the only one.
func weightFiles(folder fs.FS) ([]string, error) {
	data, err := fs.ReadFile(folder, indexFile)
	if errors.Is(err, fs.ErrNotExist) {
		return []string{singleFile}, nil
	}
	if err != nil {
		return nil, err
	}
	var index struct {
		Files map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(data, &index); err != nil {
		return nil, fmt.Errorf("%s: %w", indexFile, err)
	}
	names := slices.Compact(slices.Sorted(maps.Values(index.Files)))
	if len(names) == 0 {
		return nil, fmt.Errorf("%s names no file", indexFile)
	}
	for _, n := range names {
		if n != path.Base(n) || !fs.ValidPath(n) {
			return nil, fmt.Errorf("%s names %q, which is not a file of the folder", indexFile, n)
		}
	}
	return names, nil
}

// A shard is a file whose header is read.
type shard struct {
	entries []entry
	data    int64 // where the tensors' bytes begin
}

// planLoad reads every header and holds it against the configuration.
func planLoad(folder fs.FS, c *Config, files []string) (map[string]shard, error) {
	want := map[string]Spec{}
	for _, s := range c.Specs() {
		want[s.Name] = s
	}
	plan, in := map[string]shard{}, map[string]string{}
	for _, file := range files {
		s, err := openShard(folder, file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		s.entries = slices.DeleteFunc(s.entries, func(e entry) bool { return c.redundant(e.name) })
		for _, e := range s.entries {
			spec, known := want[e.name]
			switch {
			case !known:
				return nil, fmt.Errorf("%s: tensor %q belongs to no part of a %s policy with %d layers", file, e.name, c.Family, c.Layers)
			case in[e.name] != "":
				return nil, fmt.Errorf("%s: tensor %q is also in %s", file, e.name, in[e.name])
			case !slices.Equal(e.shape, spec.Shape):
				return nil, fmt.Errorf("%s: tensor %q has shape %v, and %s says %v", file, e.name, e.shape, configFile, spec.Shape)
			}
			in[e.name] = file
		}
		plan[file] = s
	}
	for _, s := range c.Specs() {
		if in[s.Name] == "" {
			return nil, fmt.Errorf("tensor %q is missing in %v", s.Name, files)
		}
	}
	return plan, nil
}

// redundant tells tensors that some writers keep and nobody needs: the head of a policy that
// is tied to its embedding, and rope frequencies that old versions stored.
func (c *Config) redundant(name string) bool {
	if c.Tied && name == headName {
		return true
	}
	ok, err := path.Match("model.layers.*.self_attn.rotary_emb.inv_freq", name)
	return ok && err == nil
}

func openShard(folder fs.FS, file string) (shard, error) {
	f, err := folder.Open(file)
	if err != nil {
		return shard{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return shard{}, err
	}
	var s shard
	s.entries, s.data, err = readHeader(f, info.Size())
	return s, err
}

// load reads the values in the order of the file.
func (s shard) load(folder fs.FS, file string, w Weights) error {
	f, err := folder.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	at := int64(0)
	skip := func(to int64) error {
		_, err := io.CopyN(io.Discard, f, to-at)
		at = to
		return err
	}
	buffer := make([]byte, 1<<20)
	for _, e := range s.entries {
		if err := skip(s.data + e.begin); err != nil {
			return err
		}
		values := make([]float32, (e.end-e.begin)/e.dtype.size())
		for rest := values; len(rest) > 0; {
			n := min(len(rest), len(buffer)/4)
			chunk := buffer[:int64(n)*e.dtype.size()]
			if _, err := io.ReadFull(f, chunk); err != nil {
				return fmt.Errorf("tensor %q: %w", e.name, err)
			}
			e.dtype.decode(rest[:n], chunk)
			rest = rest[n:]
		}
		at = s.data + e.end
		w[e.name] = values
	}
	return nil
}
