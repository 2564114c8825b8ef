// Package remote brings files from the Hugging Face Hub, web servers and S3 into a local cache.
//
//	hf://datasets/ORG/NAME[@REVISION][/PATH or pattern]     hf://ORG/MODEL[@REVISION][/PATH or pattern]
//	https://host/path/file.jsonl.gz                          s3://bucket/prefix/*.jsonl.zst
//
//	CACHE/blobs/<hash>                 contents, by their hash
//	CACHE/files/<where>/<version>/..   names: links to contents
//
// Its rule: a name in the cache is there when its content is complete and has the hash and length
// that the server promised; whatever breaks off before is gone on with, not begun again. What a
// server serves later under the same name is another version beside it.
//
// What it costs: one request for each listing, one for each file that is not there yet, and a
// pass over a file's bytes to hash them. Nothing is held in memory.
//
// It is a leaf: addresses in, paths out. Retries are cenkalti/backoff (MIT, small, alive); S3 is
// minio-go (Apache 2.0), a quarter of the weight of the AWS SDK and known to work with more servers.
package remote

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ErrOffline means that something is not in the cache and may not be fetched.
var ErrOffline = errors.New("offline")

// Options say how to reach servers. The zero value, with a cache, is a user's usual machine.
type Options struct {
	Cache    string       // folder of the cache
	Endpoint string       // of the Hub; empty: https://huggingface.co
	Token    string       // of the Hub; empty: none
	Offline  bool         // use only what the cache has
	Client   *http.Client // nil: one that takes proxies from the environment
	Tries    int          // of one request, without progress between them. 0: 6
	Wait     time.Duration
	// Progress is told how far a file is, from one goroutine at a time; total is -1 where the server does not say.
	Progress func(name string, done, total int64)
}

// FromEnvironment completes options with what Hugging Face's own tools read: HF_ENDPOINT,
// HF_TOKEN, HF_TOKEN_PATH, HF_HOME, HF_HUB_OFFLINE.
func FromEnvironment(o Options, getenv func(string) string) (Options, error) {
	if o.Endpoint == "" {
		o.Endpoint = getenv("HF_ENDPOINT")
	}
	switch strings.ToLower(getenv("HF_HUB_OFFLINE")) {
	case "1", "true", "yes", "on":
		o.Offline = true
	}
	if o.Token == "" {
		o.Token = getenv("HF_TOKEN")
	}
	if o.Token != "" {
		return o, nil
	}
	path := getenv("HF_TOKEN_PATH")
	if path == "" {
		home := getenv("HF_HOME")
		if home == "" {
			home = filepath.Join(getenv("HOME"), ".cache", "huggingface")
		}
		path = filepath.Join(home, "token")
	}
	token, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return o, fmt.Errorf("token of the Hub: %w", err)
	}
	o.Token = strings.TrimSpace(string(token))
	return o, nil
}

// A Fetcher brings files into one cache. It is safe for use by several goroutines, and several
// processes may share a cache.
type Fetcher struct {
	o Options
}

// New returns a Fetcher.
func New(o Options) *Fetcher {
	if o.Endpoint == "" {
		o.Endpoint = "https://huggingface.co"
	}
	o.Endpoint = strings.TrimRight(o.Endpoint, "/")
	if o.Client == nil {
		o.Client = &http.Client{Transport: transport()}
	}
	if o.Tries <= 0 {
		o.Tries = 6
	}
	if o.Wait <= 0 {
		o.Wait = time.Second
	}
	if o.Progress == nil {
		o.Progress = func(string, int64, int64) {}
	}
	return &Fetcher{o}
}

// transport gives up on a server that does not answer, not on a file that takes long.
func transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = time.Minute
	return t
}

// Is reports whether a path is an address that this package fetches.
func Is(path string) bool {
	for _, scheme := range [...]string{"hf://", "http://", "https://", "s3://"} {
		if strings.HasPrefix(path, scheme) {
			return true
		}
	}
	return false
}

// A Fetched is what an address has become.
type Fetched struct {
	Folder string // in the cache; of the Hub, the folder of the commit
	Files  []File // in the order of their names
	Note   string // what was chosen where the address did not say; empty: nothing
}

// A File is one in the cache.
type File struct {
	Path string // where it stands
	Name string // as the server has it. Example: "data/train-00000-of-00002.parquet"
}

// Files brings the data files that an address names: one, those that match a pattern, or, of a
// dataset on the Hub, its training files.
func (f *Fetcher) Files(ctx context.Context, address string) (Fetched, error) {
	var got Fetched
	var err error
	switch {
	case strings.HasPrefix(address, "hf://"):
		got, err = f.hubData(ctx, address)
	case strings.HasPrefix(address, "s3://"):
		got, err = f.s3Files(ctx, address)
	default:
		got, err = f.webFile(ctx, address)
	}
	if err != nil {
		return got, fmt.Errorf("%s: %w", address, err)
	}
	return got, nil
}
