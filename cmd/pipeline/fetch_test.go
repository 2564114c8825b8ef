package main

import (
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// hub serves a folder of a script as the Hub serves repositories, DIR/datasets/ORG/NAME and
// DIR/models/ORG/NAME, until the script ends; HF_ENDPOINT names it.
func hub(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hub DIR")
	}
	root := ts.MkAbs(args[0])
	const commit = "0123456789abcdef0123456789abcdef01234567"
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/{kind}/{org}/{name}/revision/main", func(w http.ResponseWriter, r *http.Request) {
		files, err := siblings(filepath.Join(root, r.PathValue("kind"), r.PathValue("org"), r.PathValue("name")))
		if err != nil {
			http.Error(w, "Repository not found", http.StatusNotFound)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"sha": commit, "siblings": files})
	})
	mux.HandleFunc("GET /{content...}", func(w http.ResponseWriter, r *http.Request) {
		repo, path, _ := strings.Cut(r.PathValue("content"), "/resolve/"+commit+"/")
		if !strings.HasPrefix(repo, "datasets/") {
			repo = "models/" + repo
		}
		http.ServeFile(w, r, filepath.Join(root, repo, path))
	})
	server := httptest.NewServer(mux)
	ts.Defer(server.Close)
	ts.Setenv("HF_ENDPOINT", server.URL)
	ts.Setenv("XDG_CACHE_HOME", ts.MkAbs("cache"))
}

func siblings(folder string) (files []map[string]any, err error) {
	err = fs.WalkDir(os.DirFS(folder), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(folder, path))
		files = append(files, map[string]any{
			"rfilename": strings.TrimPrefix(path, "./"), "size": len(b),
			"blobId": fmt.Sprintf("%x", sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(b), b))),
		})
		return err
	})
	return files, err
}
