// Package documents reads folders of texts that questions name: plain text, Markdown, HTML and PDF.
//
// Its rule: a folder is what it was when it was planned. Every file is hashed then, and what a
// document says is a function of its bytes. A name finds a file of the folder and nothing
// outside it: it is looked up in the list of files, never joined to a path.
//
//   - Text and Markdown are taken as they are.
//   - HTML: the article of the page, without navigation and advertisements, by go-readability (a
//     port of Mozilla's Readability.js, MIT, kept up to date; go-shiori's, from which it comes, has been given up).
//   - PDF: the text of its pages by ledongthuc/pdf (BSD, from the Go authors' rsc/pdf, in work).
//     It keeps no tables and no columns; a scanned page has no text, and says so. Damaged bytes can
//     keep it busy for ever (an open hex string does), as they can its relatives: a program gives it a
//     process of its own (Options.PDF). pdfcpu reads no text, and PDFium in WebAssembly adds 5 MB and seconds at every start.
//
// The cost: each file is read once for its hash and once for its text, which is kept for the many
// questions of one document while there is room (CacheBytes).
package documents

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A Folder is the documents of one folder, as they were when they were planned.
type Folder struct {
	Identity
	root    string
	files   []file
	byName  map[string]int // path in the folder, with slashes
	byStem  map[string]int // the same without its extension; -1: of several files
	options Options
	cache   cache
}

// Options say how documents are read.
type Options struct {
	Maximum int64                        // bytes of a file or its text; a longer one is refused when it is asked for
	PDF     func([]byte) (string, error) // text of a PDF; nil: PDFText
}

// Identity is what makes two folders the same.
type Identity struct {
	Files  int    `json:"files"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // of a line "name, size, hash" for each file, sorted
}

type file struct {
	name    string
	bytes   int64
	modTime time.Time
}

// ErrChanged means that a document is not what it was when it was planned.
var ErrChanged = errors.New("document changed while it was read")

// Open lists and hashes the documents below a folder; other files, and files and folders whose
// names begin with a dot, are left out.
func Open(ctx context.Context, root string, o Options) (*Folder, error) {
	f := &Folder{root: root, byName: map[string]int{}, byStem: map[string]int{}, options: o}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case p != root && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case !d.Type().IsRegular() || readers[extension(p)] == nil:
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		f.files = append(f.files, file{filepath.ToSlash(rel), info.Size(), info.ModTime()})
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(f.files) == 0 {
		return nil, fmt.Errorf("no documents; they are files that end in %s", strings.Join(Extensions(), ", "))
	}
	slices.SortFunc(f.files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return f, f.hash(ctx)
}

func (f *Folder) hash(ctx context.Context) error {
	all := sha256.New()
	for i, file := range f.files {
		if err := ctx.Err(); err != nil {
			return err
		}
		sum, n, err := hashFile(filepath.Join(f.root, filepath.FromSlash(file.name)))
		if err != nil {
			return err
		}
		fmt.Fprintf(all, "%q, %d, %s\n", file.name, n, sum)
		f.Files++
		f.Bytes += n
		f.byName[file.name] = i
		stem := strings.TrimSuffix(file.name, path.Ext(file.name))
		if _, taken := f.byStem[stem]; taken {
			i = -1
		}
		f.byStem[stem] = i
	}
	f.SHA256 = hex.EncodeToString(all.Sum(nil))
	return nil
}

func hashFile(name string) (sum string, n int64, err error) {
	r, err := os.Open(name)
	if err != nil {
		return "", 0, err
	}
	defer r.Close()
	h := sha256.New()
	n, err = io.Copy(h, r)
	return hex.EncodeToString(h.Sum(nil)), n, err
}

// Guard is a fact of the folder that must not change while a build is unfinished.
func (f *Folder) Guard() string {
	var last time.Time
	for _, file := range f.files {
		if file.modTime.After(last) {
			last = file.modTime
		}
	}
	return fmt.Sprintf("%d documents, %d bytes, written %s", f.Files, f.Bytes, last.UTC().Format("2006-01-02T15:04:05.000000000"))
}

func extension(name string) string { return strings.ToLower(filepath.Ext(name)) }
