package remote

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A hub is a server that speaks the Hub's API, with faults on request.
type hub struct {
	*httptest.Server
	commit string
	files  map[string]string // path -> content, of the one repository it has
	lfs    map[string]bool
	token  string // that it wants; empty: none

	mu     sync.Mutex
	asked  []string
	faults []func(w http.ResponseWriter, content string) bool // each for one request of a content; true: it answered
}

const repoPath = "datasets/org/set"

func newHub(t *testing.T) *hub {
	h := &hub{commit: strings.Repeat("ab12", 10), lfs: map[string]bool{}, files: map[string]string{
		"README.md": "hello", "dataset_infos.json": "{}",
		"data/train-0.jsonl": strings.Repeat("{\"question\":\"q\"}\n", 5000), "data/train-1.jsonl": "{}\n", "data/test-0.jsonl": "{}\n",
	}}
	h.lfs["data/train-0.jsonl"] = true
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.asked = append(h.asked, r.URL.Path+" "+r.Header.Get("Range"))
	h.mu.Unlock()
	if h.token != "" && r.Header.Get("Authorization") != "Bearer "+h.token {
		http.Error(w, "Access to this dataset is restricted", http.StatusUnauthorized)
		return
	}
	if path, ok := strings.CutPrefix(r.URL.Path, "/"+repoPath+"/resolve/"+h.commit+"/"); ok {
		h.content(w, r, path)
		return
	}
	if rev, ok := strings.CutPrefix(r.URL.Path, "/api/"+repoPath+"/revision/"); ok && (rev == "main" || rev == "v1" || rev == h.commit) {
		h.listing(w)
		return
	}
	http.Error(w, "Repository not found", http.StatusNotFound)
}

func (h *hub) listing(w http.ResponseWriter) {
	var siblings []map[string]any
	for path, content := range h.files {
		git := sha1.Sum([]byte(fmt.Sprintf("blob %d\x00%s", len(content), content)))
		s := map[string]any{"rfilename": path, "size": len(content), "blobId": hex.EncodeToString(git[:])}
		if h.lfs[path] {
			sum := sha256.Sum256([]byte(content))
			s["lfs"] = map[string]any{"sha256": hex.EncodeToString(sum[:]), "size": len(content), "pointerSize": 130}
		}
		siblings = append(siblings, s)
	}
	json.NewEncoder(w).Encode(map[string]any{"sha": h.commit, "siblings": siblings})
}

func (h *hub) content(w http.ResponseWriter, r *http.Request, path string) {
	content, ok := h.files[path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h.mu.Lock()
	var fault func(http.ResponseWriter, string) bool
	if len(h.faults) > 0 {
		fault, h.faults = h.faults[0], h.faults[1:]
	}
	h.mu.Unlock()
	if fault != nil && fault(w, content) {
		return
	}
	http.ServeContent(w, r, path, time.Time{}, strings.NewReader(content))
}

func (h *hub) requests() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.asked)
}

// Faults of one answer.
func status(code int, header ...string) func(http.ResponseWriter, string) bool {
	return func(w http.ResponseWriter, _ string) bool {
		if len(header) == 2 {
			w.Header().Set(header[0], header[1])
		}
		http.Error(w, "try later", code)
		return true
	}
}

func cutAfter(n int) func(http.ResponseWriter, string) bool {
	return func(w http.ResponseWriter, content string) bool {
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		w.Write([]byte(content[:min(n, len(content))]))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

func instead(content string) func(http.ResponseWriter, string) bool {
	return func(w http.ResponseWriter, _ string) bool {
		w.Write([]byte(content))
		return true
	}
}

func fetcher(t *testing.T, h *hub, change ...func(*Options)) *Fetcher {
	o := Options{Cache: t.TempDir(), Endpoint: h.URL, Wait: time.Millisecond}
	for _, c := range change {
		c(&o)
	}
	return New(o)
}

func contents(t *testing.T, got Fetched) map[string]string {
	t.Helper()
	m := map[string]string{}
	for _, f := range got.Files {
		b, err := os.ReadFile(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		m[f.Name] = string(b)
	}
	return m
}

func TestADatasetOfTheHubIsItsTrainingFilesOrWhatTheAddressNames(t *testing.T) {
	h := newHub(t)
	f := fetcher(t, h)
	train := map[string]string{"data/train-0.jsonl": h.files["data/train-0.jsonl"], "data/train-1.jsonl": "{}\n"}
	test := map[string]string{"data/test-0.jsonl": "{}\n"}
	for address, want := range map[string]map[string]string{
		"hf://datasets/org/set":                            train,
		"hf://datasets/org/set@v1":                         train,
		"hf://datasets/org/set/data/test*":                 test,
		"hf://datasets/org/set@" + h.commit + "/**/test-*": test,
		"hf://datasets/org/set/data/test-0.jsonl":          test,
	} {
		got, err := f.Files(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, contents(t, got)); diff != "" {
			t.Errorf("%s: %s", address, diff)
		}
		if chosen := strings.Contains(got.Note, "not data/test-0.jsonl"); chosen != (len(want) == 2) {
			t.Errorf("%s: note %q", address, got.Note)
		}
	}
	got, err := f.Files(t.Context(), "hf://datasets/org/set/data")
	if err != nil || len(got.Files) != 3 {
		t.Errorf("a folder gives %v, %v", got, err)
	}
}

func TestWhatTheCacheHasIsNotFetchedAgain(t *testing.T) {
	h := newHub(t)
	f := fetcher(t, h)
	if _, err := f.Files(t.Context(), "hf://datasets/org/set"); err != nil {
		t.Fatal(err)
	}
	before := h.requests()
	if _, err := f.Files(t.Context(), "hf://datasets/org/set"); err != nil || h.requests() != before+1 {
		t.Errorf("%d requests more, %v; want the listing alone", h.requests()-before, err)
	}
	f.o.Offline = true
	if got, err := f.Files(t.Context(), "hf://datasets/org/set"); err != nil || len(got.Files) != 2 || h.requests() != before+1 {
		t.Errorf("offline: %v, %v", got, err)
	}
	for _, address := range []string{"hf://datasets/org/set/data/test-0.jsonl", "hf://datasets/org/other", h.URL + "/x.jsonl"} {
		if _, err := f.Files(t.Context(), address); !errors.Is(err, ErrOffline) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestADownloadSurvivesWhatServersDo(t *testing.T) {
	for _, test := range []struct {
		name   string
		faults []func(http.ResponseWriter, string) bool
		ranged string // that some request must have had
	}{
		{"too many requests", []func(http.ResponseWriter, string) bool{status(429, "Retry-After", "0"), status(429)}, ""},
		{"errors of the server", []func(http.ResponseWriter, string) bool{status(500), status(503), status(502)}, ""},
		{"cut connections go on where they broke", []func(http.ResponseWriter, string) bool{cutAfter(100), cutAfter(0), cutAfter(20000)}, "bytes=100-"},
		{"more cuts than tries, each with progress", []func(http.ResponseWriter, string) bool{cutAfter(9), cutAfter(1 << 20), cutAfter(1 << 20), cutAfter(1 << 20)}, "bytes=9-"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHub(t)
			h.faults = test.faults
			f := fetcher(t, h)
			got, err := f.Files(t.Context(), "hf://datasets/org/set/data/train-0.jsonl")
			if err != nil {
				t.Fatal(err)
			}
			if contents(t, got)["data/train-0.jsonl"] != h.files["data/train-0.jsonl"] {
				t.Error("another content")
			}
			if asked := strings.Join(h.asked, "\n"); !strings.Contains(asked, test.ranged) {
				t.Errorf("no request for %s:\n%s", test.ranged, asked)
			}
		})
	}
}

func TestWhatIsNotTheFileIsAnError(t *testing.T) {
	long := strings.Repeat("x", len(newHub(t).files["data/train-0.jsonl"]))
	for _, test := range []struct {
		name, address, want string
		fault               func(http.ResponseWriter, string) bool
	}{
		{"a wrong hash", "hf://datasets/org/set/data/train-0.jsonl", "the server promised", instead(long)},
		{"a wrong hash of git", "hf://datasets/org/set/data/train-1.jsonl", "its git hash is", instead("[]\n")},
		{"too many bytes", "hf://datasets/org/set/data/train-0.jsonl", "the server promised", instead(long + "x")},
		{"no such repository", "hf://datasets/org/none", "404 Not Found: Repository not found; is the name right?", nil},
		{"no such file", "hf://datasets/org/set/x.jsonl", `no file "x.jsonl"; there are `, nil},
		{"no address", "hf://datasets/org", "not the address of a repository", nil},
		{"a name that climbs", "hf://datasets/org/..", "no name of a repository", nil},
		{"a web address without a name", "https://example.invalid/", "without a file's name", nil},
		{"errors that stay", "hf://datasets/org/set/data/train-0.jsonl", "503 Service Unavailable: try later", status(503)},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHub(t)
			for range 8 {
				if test.fault != nil {
					h.faults = append(h.faults, test.fault)
				}
			}
			f := fetcher(t, h)
			got, err := f.Files(t.Context(), test.address)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), test.address+": ") {
				t.Errorf("got %v, %v; want %q", got, err, test.want)
			}
			names, _ := filepath.Glob(filepath.Join(f.o.Cache, "blobs", "*"))
			if len(names) > 0 {
				t.Errorf("the cache keeps %v", names)
			}
		})
	}
}

func TestAListingThatLeadsOutOfTheCacheIsRefused(t *testing.T) {
	h := newHub(t)
	h.files["../../evil.jsonl"] = "{}"
	if _, err := fetcher(t, h).Files(t.Context(), "hf://datasets/org/set"); err == nil || !strings.Contains(err.Error(), "leads out") {
		t.Error(err)
	}
}

func TestTheTokenGoesToTheHubAlone(t *testing.T) {
	h := newHub(t)
	h.token = "secret"
	if _, err := fetcher(t, h).Files(t.Context(), "hf://datasets/org/set"); err == nil || !strings.Contains(err.Error(), "set HF_TOKEN") {
		t.Error(err)
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the token went elsewhere")
		}
		fmt.Fprint(w, "{}\n")
	}))
	defer other.Close()
	f := fetcher(t, h, func(o *Options) { o.Token = "secret" })
	if _, err := f.Files(t.Context(), other.URL+"/a.jsonl"); err != nil {
		t.Error(err)
	}
	elsewhere := strings.Replace(other.URL, "127.0.0.1", "localhost", 1) // another host: the Hub sends on to its store
	h.faults = append(h.faults, func(w http.ResponseWriter, _ string) bool {
		w.Header().Set("Location", elsewhere+"/blob")
		w.WriteHeader(http.StatusFound)
		return true
	})
	if _, err := f.Files(t.Context(), "hf://datasets/org/set/data/train-1.jsonl"); err != nil {
		t.Error(err)
	}
}

func TestAModelIsTheFilesThatAreAskedFor(t *testing.T) {
	h := newHub(t)
	h.files = map[string]string{"tokenizer.json": "{}", "config.json": "{}", "model.safetensors": "w"}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.Replace(strings.Replace(r.URL.Path, "/api/models/", "/api/datasets/", 1), "/org/set/resolve", "/"+repoPath+"/resolve", 1)
		h.ServeHTTP(w, r)
	}))
	defer server.Close()
	f := New(Options{Cache: t.TempDir(), Endpoint: server.URL, Wait: time.Millisecond})
	got, err := f.Model(t.Context(), "hf://org/set", "tokenizer*.json", "config.json")
	if err != nil || len(contents(t, got)) != 2 {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := os.Stat(filepath.Join(got.Folder, "tokenizer.json")); err != nil {
		t.Error(err)
	}
	if _, err := f.Model(t.Context(), "hf://org/set", "*.gguf"); err == nil || !strings.Contains(err.Error(), "no file *.gguf") {
		t.Error(err)
	}
}

func TestAWebFileThatChangesIsAnotherVersion(t *testing.T) {
	content := "{}\n"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprint(len(content))))
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
	}))
	defer server.Close()
	f := New(Options{Cache: t.TempDir(), Wait: time.Millisecond})
	address := server.URL + "/d/docs.jsonl"
	first, err := f.Files(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	content = "{}\n{}\n"
	second, err := f.Files(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	if contents(t, first)["docs.jsonl"] != "{}\n" || contents(t, second)["docs.jsonl"] != content {
		t.Errorf("%v, %v", first, second)
	}
	f.o.Offline = true
	if _, err := f.Files(t.Context(), address); err == nil || !strings.Contains(err.Error(), "2 versions") {
		t.Error(err)
	}
}

func TestSeveralFetchersShareACacheAndAStoppedOneIsGoneOnWith(t *testing.T) {
	h := newHub(t)
	cache := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	h.faults = append(h.faults, func(w http.ResponseWriter, content string) bool {
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		w.Write([]byte(content[:50]))
		w.(http.Flusher).Flush()
		cancel()
		panic(http.ErrAbortHandler)
	})
	share := func(o *Options) { o.Cache = cache }
	if _, err := fetcher(t, h, share).Files(ctx, "hf://datasets/org/set/data/train-0.jsonl"); err == nil {
		t.Fatal("a stopped download ended well")
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			got, err := fetcher(t, h, share).Files(t.Context(), "hf://datasets/org/set/data/train-0.jsonl")
			if err != nil || contents(t, got)["data/train-0.jsonl"] != h.files["data/train-0.jsonl"] {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	n := 0
	for _, a := range h.asked {
		if strings.HasPrefix(a, "/"+repoPath+"/resolve") {
			n++
		}
	}
	left, _ := filepath.Glob(filepath.Join(cache, "files/hub/datasets/org/set/*/data/*.*"))
	if n > 3 || len(left) != 1 {
		t.Errorf("%d requests of one content; left %v", n, left)
	}
}

func TestTheEnvironmentSaysWhatHuggingFacesToolsRead(t *testing.T) {
	home := t.TempDir()
	os.MkdirAll(filepath.Join(home, "hf"), 0o777)
	os.WriteFile(filepath.Join(home, "hf", "token"), []byte("kept\n"), 0o666)
	env := map[string]string{"HF_HOME": filepath.Join(home, "hf"), "HF_ENDPOINT": "http://mirror/", "HF_HUB_OFFLINE": "1"}
	o, err := FromEnvironment(Options{}, func(n string) string { return env[n] })
	if err != nil || o.Token != "kept" || o.Endpoint != "http://mirror/" || !o.Offline {
		t.Errorf("%+v, %v", o, err)
	}
	env["HF_TOKEN"] = "given"
	if o, _ = FromEnvironment(Options{}, func(n string) string { return env[n] }); o.Token != "given" {
		t.Errorf("%+v", o)
	}
}

func FuzzAddressesOfTheHub(f *testing.F) {
	for _, a := range []string{"hf://datasets/a/b@c/d/*.jsonl", "hf://a/b", "hf://../..", "hf://a/b@%2F..", ""} {
		f.Add(a)
	}
	f.Fuzz(func(t *testing.T, address string) {
		r, err := parseHub(address)
		if err == nil && !filepath.IsLocal(filepath.FromSlash(r.name)) {
			t.Errorf("%q names %q", address, r.name)
		}
	})
}

// FuzzListing: whatever a Hub lists, what is chosen of it lies in its repository.
func FuzzListing(f *testing.F) {
	for _, text := range []string{
		`{"sha":"0123456789abcdef","siblings":[{"rfilename":"data/train.parquet","size":3,"lfs":{"sha256":"00","size":3}},{"rfilename":"README.md"}]}`,
		`{"sha":"0123456","siblings":[{"rfilename":"../../.ssh/config"},{"rfilename":"/etc/passwd"},{"rfilename":"a/../../b.jsonl"}]}`,
		`{"sha":"../..","siblings":[]}`, `[]`, `{"siblings":[null]}`,
	} {
		f.Add([]byte(text), "data/*.parquet")
	}
	f.Fuzz(func(t *testing.T, data []byte, pattern string) {
		l, err := parseListing(data)
		if err != nil {
			return
		}
		chosen, _, err := choose(l.Siblings, pattern)
		if err == nil && len(chosen) == 0 {
			t.Error("nothing is chosen, and nothing said")
		}
		root := filepath.FromSlash("/cache/repo")
		for _, s := range append(chosen, file{Path: l.Commit}) {
			if p := filepath.Join(root, filepath.FromSlash(s.Path)); !strings.HasPrefix(p, root) {
				t.Errorf("%q leads to %s", s.Path, p)
			}
		}
	})
}
