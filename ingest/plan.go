package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
	"github.com/bmatcuk/doublestar/v4"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/ingest/documents"
	"github.com/longctx/pipeline/ingest/source"
)

// A Plan is what there is to read: the input files, and the splits they are cut into.
type Plan struct {
	Inputs []Planned
	Splits []dataset.Split // SHA256 and FirstLine are not known yet

	options Options
	folders map[string]*documents.Folder // by absolute path
}

// A Planned input is one file, as it was when it was planned.
type Planned struct {
	dataset.Input        // Name, Format, Bytes
	Path          string // absolute
	Container     Container
	Layout        Layout // of text; empty for tables
	ModTime       time.Time
	Recognized    bool // Format was recognized by the first records, not given
	Map           map[string]string
	DataSource    string
	Documents     *documents.Folder // nil: the records hold their documents

	splits int64 // number of splits of this input
}

// NewPlan resolves the patterns into files (sorted within a pattern, patterns in their
// order, a file matched twice taken once, which must have been with equal options), recognizes formats and cuts splits. It is a
// function of the inputs and options alone.
func NewPlan(ctx context.Context, o Options) (*Plan, error) {
	o.defaults()
	p := &Plan{options: o, folders: map[string]*documents.Folder{}}
	names := namer{}
	given := map[string]Input{} // by path of a file
	for _, in := range o.Inputs {
		if err := checkInput(in); err != nil {
			return nil, err
		}
		files, err := resolve(in.Path)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if before, ok := given[file.path]; ok {
				if err := sameOptions(before, in); err != nil {
					return nil, fmt.Errorf("input %q: %w", file.path, err)
				}
				continue
			}
			planned, err := p.look(ctx, in, file)
			if err != nil {
				return nil, fmt.Errorf("input %q: %w", file.path, err)
			}
			given[file.path] = in
			p.Inputs = append(p.Inputs, planned)
			file.name = in.Name
			names.add(file)
		}
	}
	for i, name := range names.names() {
		p.Inputs[i].Name = name
	}
	if len(p.Inputs) == 0 {
		return nil, errors.New("no inputs")
	}
	return p, nil
}

func checkInput(in Input) error {
	if in.Format == "" || in.Format == FormatAuto {
		return source.CheckMap(in.Map)
	}
	if _, ok := source.Lookup(in.Format); !ok {
		return fmt.Errorf("unknown format %q; did you mean %q? Formats are %s", in.Format,
			nearest(in.Format, source.Names()), strings.Join(append([]string{FormatAuto}, source.Names()...), ", "))
	}
	if in.Documents != "" && in.Format != source.Generic {
		return fmt.Errorf("format %q has documents of its own and takes no folder of them; format %q does", in.Format, source.Generic)
	}
	if len(in.Map) > 0 && in.Format != source.Generic {
		return fmt.Errorf("format %q has fields of its own and takes no map; format %q does", in.Format, source.Generic)
	}
	return source.CheckMap(in.Map)
}

// sameOptions returns an error if one file would be read in two ways: it is read once.
func sameOptions(a, b Input) error {
	format := func(in Input) string { return cmp.Or(in.Format, FormatAuto) }
	var differ []string
	if x, y := format(a), format(b); x != y {
		differ = append(differ, fmt.Sprintf("format %q and %q", x, y))
	}
	if !maps.Equal(a.Map, b.Map) {
		differ = append(differ, fmt.Sprintf("map %s and %s", mapText(a.Map), mapText(b.Map)))
	}
	if a.Documents != b.Documents {
		differ = append(differ, fmt.Sprintf("documents %q and %q", a.Documents, b.Documents))
	}
	if a.DataSource != b.DataSource {
		differ = append(differ, fmt.Sprintf("data source %q and %q", a.DataSource, b.DataSource))
	}
	if len(differ) == 0 {
		return nil
	}
	return fmt.Errorf("named twice, with %s; a file is read once: name it once, or leave it out of a pattern", strings.Join(differ, ", "))
}

// mapText writes a map as the configuration does. Example: {question = "query"}
func mapText(m map[string]string) string {
	var fields []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		fields = append(fields, fmt.Sprintf("%s = %q", name, m[name]))
	}
	return "{" + strings.Join(fields, ", ") + "}"
}

func nearest(word string, words []string) string {
	return slices.MinFunc(words, func(a, b string) int {
		return levenshtein.ComputeDistance(word, a) - levenshtein.ComputeDistance(word, b)
	})
}

// look opens one file, sees what it holds, and appends its splits.
func (p *Plan) look(ctx context.Context, in Input, file found) (Planned, error) {
	planned := Planned{Path: file.path, Map: in.Map, DataSource: in.DataSource}
	if in.Documents != "" {
		folder, err := p.folder(ctx, in.Documents)
		if err != nil {
			return planned, err
		}
		planned.Documents = folder
	}
	planned.Format = in.Format
	f, err := os.Open(file.path)
	if err != nil {
		return planned, reason(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return planned, reason(err)
	}
	planned.Bytes, planned.ModTime = info.Size(), info.ModTime()
	if planned.Container, err = recognizeContainer(f, file.path); err != nil {
		return planned, err
	}
	planned.Layout = layoutOf(planned.Container, file.path)
	h, err := p.arrange(ctx, f, &planned)
	if err != nil {
		return planned, err
	}
	if planned.Format != "" && planned.Format != FormatAuto {
		return planned, nil
	}
	planned.Recognized = true
	planned.Format = source.Generic
	if len(in.Map) == 0 && in.Documents == "" {
		planned.Format = source.Recognize(h.records).Name
	}
	return planned, nil
}

// folder opens a folder of documents, once for all inputs.
func (p *Plan) folder(ctx context.Context, name string) (*documents.Folder, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("documents %q: %w", name, err)
	}
	if f := p.folders[abs]; f != nil {
		return f, nil
	}
	f, err := documents.Open(ctx, abs, documents.Options{Maximum: p.options.MaxRecord, PDF: p.options.PDF})
	if err != nil {
		return nil, fmt.Errorf("documents %q: %w", name, reason(err))
	}
	p.folders[abs] = f
	return f, nil
}

// arrange finds out how records stand in the file, cuts it into splits, and returns its head.
func (p *Plan) arrange(ctx context.Context, f *os.File, in *Planned) (head, error) {
	for {
		splits, err := cut(f, *in, len(p.Inputs), p.options.SplitBytes)
		if err != nil {
			return head{}, err
		}
		h, err := readHead(ctx, *in, splits[0], p.options)
		if err != nil {
			return h, err
		}
		if in.Layout == LayoutLines {
			if in.Layout, err = h.layout(); err != nil {
				return h, err
			}
			if in.Layout != LayoutLines {
				continue // the same file, read otherwise
			}
		}
		in.splits = int64(len(splits))
		p.Splits = append(p.Splits, splits...)
		return h, nil
	}
}

// layoutOf returns what a file's name and container say of its layout; lines may turn out to be
// one JSON text.
func layoutOf(c Container, name string) Layout {
	switch {
	case c == ContainerParquet || c == ContainerArrow:
		return ""
	case isCSV(name):
		return LayoutCSV
	}
	return LayoutLines
}

// reason drops the path from an error of the file system: the caller names it already.
func reason(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// A found file knows the folder in which its pattern began.
type found struct{ path, folder, name string }

// resolve returns the files of a path or pattern, sorted.
func resolve(pattern string) ([]found, error) {
	abs, err := filepath.Abs(pattern)
	if err != nil {
		return nil, fmt.Errorf("input %q: %w", pattern, err)
	}
	info, err := os.Stat(abs)
	switch {
	case err == nil && info.IsDir():
		return nil, fmt.Errorf("input %q is a folder; name its files, such as %q", pattern, filepath.Join(pattern, "**", "*.jsonl"))
	case err == nil && !info.Mode().IsRegular():
		return nil, fmt.Errorf("input %q is not a regular file", pattern)
	case err == nil:
		return []found{{path: abs, folder: filepath.Dir(abs)}}, nil
	case !strings.ContainsAny(pattern, "*?[{"):
		return nil, fmt.Errorf("input %q: %w", pattern, reason(err))
	}
	// Only the pattern is a pattern, not the folder that happens to be the current one.
	base, rest := doublestar.SplitPattern(filepath.ToSlash(pattern))
	folder, err := filepath.Abs(filepath.FromSlash(base))
	if err != nil {
		return nil, fmt.Errorf("input %q: %w", pattern, err)
	}
	if !doublestar.ValidatePattern(rest) {
		return nil, fmt.Errorf("input %q: bad pattern", pattern)
	}
	matches, err := doublestar.Glob(treeFS{os.DirFS(folder), folder}, rest, doublestar.WithFilesOnly(), doublestar.WithFailOnIOErrors())
	if err != nil {
		return nil, fmt.Errorf("input %q: %w", pattern, err)
	}
	if len(matches) == 0 {
		return nil, fmt.Errorf("input %q matches no files", pattern)
	}
	slices.Sort(matches)
	files := make([]found, 0, len(matches))
	for _, m := range matches {
		files = append(files, found{path: filepath.Join(folder, filepath.FromSlash(m)), folder: folder})
	}
	return files, nil
}

// A namer gives each file a name that does not depend on the machine.
type namer struct{ files []found }

func (n *namer) add(f found) { n.files = append(n.files, f) }

// names returns paths relative to where each pattern began. Names that several files
// have get the base name of that folder in front; if they are equal still, a number.
func (n *namer) names() []string {
	names := make([]string, len(n.files))
	for i, f := range n.files {
		rel, err := filepath.Rel(f.folder, f.path)
		if err != nil { // cannot be: the file was found below the folder
			rel = filepath.Base(f.path)
		}
		names[i] = cmp.Or(f.name, filepath.ToSlash(rel))
	}
	short := count(names)
	for i, f := range n.files {
		if short[names[i]] > 1 {
			names[i] = path.Join(filepath.Base(f.folder), names[i])
		}
	}
	long, used := count(names), map[string]int{}
	for i, name := range names {
		if long[name] > 1 {
			used[name]++
			names[i] = name + "#" + strconv.Itoa(used[name])
		}
	}
	return names
}

func count(names []string) map[string]int {
	n := make(map[string]int, len(names))
	for _, name := range names {
		n[name]++
	}
	return n
}
