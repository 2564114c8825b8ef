package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// A repo is one of the Hub, and what of it an address names.
type repo struct {
	kind     string // "datasets" or "models"
	name     string // Example: "Qwen/Qwen2.5-7B-Instruct"
	revision string
	pattern  string // of files; empty: not said
}

// parseHub reads hf://[datasets/]ORG/NAME[@REVISION][/PATH].
func parseHub(address string) (repo, error) {
	rest := strings.TrimPrefix(address, "hf://")
	r := repo{kind: "models", revision: "main"}
	if after, ok := strings.CutPrefix(rest, "datasets/"); ok {
		r.kind, rest = "datasets", after
	} else {
		rest = strings.TrimPrefix(rest, "models/")
	}
	parts := strings.SplitN(rest, "/", 3)
	if len(parts) < 2 || parts[0] == "" || parts[1] == "" {
		return r, errors.New("not the address of a repository: hf://datasets/ORG/NAME or hf://ORG/MODEL")
	}
	name, revision, said := strings.Cut(parts[1], "@")
	if said {
		r.revision = strings.ReplaceAll(revision, "%2F", "/")
	}
	if len(parts) == 3 {
		r.pattern = parts[2]
	}
	r.name = parts[0] + "/" + name
	for _, step := range append(strings.Split(r.name, "/"), strings.Split(r.revision, "/")...) {
		if step == "" || step == "." || step == ".." || strings.ContainsAny(step, "\\?#%") {
			return r, fmt.Errorf("%q is no name of a repository or revision", step)
		}
	}
	return r, nil
}

// A listing is what the Hub says of a revision.
type listing struct {
	Commit   string `json:"sha"`
	Siblings []file `json:"siblings"`
}

type file struct {
	Path   string `json:"rfilename"`
	Size   int64  `json:"size"`
	BlobID string `json:"blobId"` // git's hash, of files that are not in LFS
	LFS    *struct {
		SHA256 string `json:"sha256"`
		Size   int64  `json:"size"`
	} `json:"lfs"`
}

// promised is the hash that a file must have.
func (f file) promised() digest {
	if f.LFS != nil {
		return digest{"sha256", f.LFS.SHA256}
	}
	return digest{"git", f.BlobID}
}

func (f *Fetcher) list(ctx context.Context, r repo) (listing, error) {
	var l listing
	kept := filepath.Join(f.o.Cache, "files", "hub", r.kind, filepath.FromSlash(r.name), "revisions", url.PathEscape(r.revision)+".json")
	if f.o.Offline {
		data, err := os.ReadFile(kept)
		if err != nil {
			return l, fmt.Errorf("%w, and revision %q was not fetched before", ErrOffline, r.revision)
		}
		return parseListing(data)
	}
	where := fmt.Sprintf("%s/api/%s/%s/revision/%s?blobs=true", f.o.Endpoint, r.kind, r.name, url.PathEscape(r.revision))
	data, err := f.get(ctx, where, maxListing)
	if err != nil {
		return l, err
	}
	if l, err = parseListing(data); err != nil {
		return l, err
	}
	return l, writeAside(kept, data)
}

// parseListing reads a list of files, none of which leads out of its repository.
func parseListing(data []byte) (l listing, err error) {
	if err := json.Unmarshal(data, &l); err != nil {
		return l, fmt.Errorf("the Hub's list of files: %w", err)
	}
	if !isHex(l.Commit) {
		return l, fmt.Errorf("the Hub's list of files has no commit, but %q", l.Commit)
	}
	for _, s := range l.Siblings {
		if !filepath.IsLocal(filepath.FromSlash(s.Path)) {
			return l, fmt.Errorf("the Hub's list of files has %q, which leads out of the repository", s.Path)
		}
	}
	return l, nil
}

// maxListing bounds the list of files of one repository.
const maxListing = 256 << 20

func isHex(s string) bool {
	return len(s) >= 7 && strings.Trim(s, "0123456789abcdef") == ""
}

// get returns a short answer.
func (f *Fetcher) get(ctx context.Context, where string, most int64) ([]byte, error) {
	return retry(ctx, f.o, func() ([]byte, error) {
		resp, err := f.request(ctx, where, nil)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return nil, statusError(resp, f.o.Token != "")
		}
		data, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
		if err == nil && int64(len(data)) > most {
			return nil, permanent(fmt.Errorf("an answer of more than %d bytes", most))
		}
		return data, err
	})
}

// dataEndings are those of files that hold records.
var dataEndings = []string{".parquet", ".jsonl", ".json", ".csv", ".tsv", ".arrow", ".jsonl.gz", ".json.gz", ".csv.gz", ".jsonl.zst"}

// notData are files of every dataset that hold no records.
var notData = []string{"dataset_infos.json", "dataset_info.json", "dataset_dict.json", "state.json", "config.json"}

func isData(name string) bool {
	base := path.Base(name)
	return !strings.HasPrefix(base, ".") && !slices.Contains(notData, base) &&
		slices.ContainsFunc(dataEndings, func(e string) bool { return strings.HasSuffix(strings.ToLower(base), e) })
}

func (f *Fetcher) hubData(ctx context.Context, address string) (Fetched, error) {
	r, err := parseHub(address)
	if err != nil {
		return Fetched{}, err
	}
	l, err := f.list(ctx, r)
	if err != nil {
		return Fetched{}, err
	}
	chosen, note, err := choose(l.Siblings, r.pattern)
	if err != nil {
		return Fetched{}, err
	}
	got, err := f.hubFiles(ctx, r, l.Commit, chosen)
	got.Note = note
	return got, err
}

// choose returns the files of a pattern, or of the training split where none is given.
func choose(all []file, pattern string) (chosen []file, note string, err error) {
	if pattern != "" {
		if !doublestar.ValidatePattern(pattern) {
			return nil, "", fmt.Errorf("bad pattern %q", pattern)
		}
		for _, s := range all {
			if s.Path == pattern || doublestar.MatchUnvalidated(pattern, s.Path) ||
				isData(s.Path) && strings.HasPrefix(s.Path, strings.TrimSuffix(pattern, "/")+"/") {
				chosen = append(chosen, s)
			}
		}
		if len(chosen) == 0 {
			return nil, "", fmt.Errorf("no file %q; there are %s", pattern, names(all))
		}
		return chosen, "", nil
	}
	var data, train []file
	for _, s := range all {
		if isData(s.Path) {
			data = append(data, s)
			if strings.Contains(strings.ToLower(s.Path), "train") {
				train = append(train, s)
			}
		}
	}
	switch {
	case len(data) == 0:
		return nil, "", fmt.Errorf("no data files; there are %s", names(all))
	case len(train) > 0 && len(train) < len(data):
		return train, fmt.Sprintf("took %s, not %s: name others in the address", names(train), names(without(data, train))), nil
	}
	return data, "", nil
}

func without(all, some []file) []file {
	return slices.DeleteFunc(slices.Clone(all), func(a file) bool {
		return slices.ContainsFunc(some, func(s file) bool { return s.Path == a.Path })
	})
}

// names lists a few files for a message.
func names(files []file) string {
	const most = 8
	var list []string
	for _, s := range files[:min(len(files), most)] {
		list = append(list, s.Path)
	}
	if len(files) > most {
		list = append(list, fmt.Sprintf("and %d more", len(files)-most))
	}
	return strings.Join(list, ", ")
}

// hubFiles brings files of one commit.
func (f *Fetcher) hubFiles(ctx context.Context, r repo, commit string, files []file) (Fetched, error) {
	got := Fetched{Folder: filepath.Join(f.o.Cache, "files", "hub", r.kind, filepath.FromSlash(r.name), commit)}
	prefix := ""
	if r.kind == "datasets" {
		prefix = "datasets/"
	}
	for _, s := range files {
		local := filepath.Join(got.Folder, filepath.FromSlash(s.Path))
		var steps []string
		for step := range strings.SplitSeq(s.Path, "/") {
			steps = append(steps, url.PathEscape(step))
		}
		where := fmt.Sprintf("%s/%s%s/resolve/%s/%s", f.o.Endpoint, prefix, r.name, commit, strings.Join(steps, "/"))
		size := s.Size
		if s.LFS != nil {
			size = s.LFS.Size
		}
		if err := f.bring(ctx, wanted{where: where, name: s.Path, local: local, size: size, digest: s.promised()}); err != nil {
			return got, fmt.Errorf("%s: %w", s.Path, err)
		}
		got.Files = append(got.Files, File{local, s.Path})
	}
	sortByName(got.Files)
	return got, nil
}

func sortByName(files []File) {
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
}

// Model brings those files of a model that match any of the patterns, and returns their folder.
// An address may name fewer: hf://ORG/MODEL/tokenizer.json.
func (f *Fetcher) Model(ctx context.Context, address string, patterns ...string) (Fetched, error) {
	r, err := parseHub(address)
	if err != nil {
		return Fetched{}, fmt.Errorf("%s: %w", address, err)
	}
	l, err := f.list(ctx, r)
	if err != nil {
		return Fetched{}, fmt.Errorf("%s: %w", address, err)
	}
	if r.pattern != "" {
		patterns = []string{r.pattern}
	}
	var chosen []file
	for _, s := range l.Siblings {
		if slices.ContainsFunc(patterns, func(p string) bool { return doublestar.MatchUnvalidated(p, s.Path) }) {
			chosen = append(chosen, s)
		}
	}
	if len(chosen) == 0 {
		return Fetched{}, fmt.Errorf("%s: no file %s; there are %s", address, strings.Join(patterns, " or "), names(l.Siblings))
	}
	got, err := f.hubFiles(ctx, r, l.Commit, chosen)
	if err != nil {
		return got, fmt.Errorf("%s: %w", address, err)
	}
	return got, nil
}
