package remote

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// request asks for an address. The token goes to the Hub alone: net/http drops it where the Hub
// sends on to another host.
func (f *Fetcher) request(ctx context.Context, where string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return nil, permanent(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", "pipeline")
	if f.o.Token != "" && strings.HasPrefix(where, f.o.Endpoint+"/") {
		req.Header.Set("Authorization", "Bearer "+f.o.Token)
	}
	resp, err := f.o.Client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // the address stands in front already
		}
		if ctx.Err() != nil {
			return nil, permanent(ctx.Err())
		}
	}
	return resp, err
}

// A StatusError is an answer that is not the file.
type StatusError struct {
	Status int
	Text   string // what the server says, shortened
	hint   string
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("the server answers %d %s", e.Status, http.StatusText(e.Status))
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s + e.hint
}

// statusError reads the reason of a refusal. One that may pass is worth another try.
func statusError(resp *http.Response, withToken bool) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
	e := &StatusError{Status: resp.StatusCode, Text: strings.Join(strings.Fields(string(text)), " ")}
	switch {
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusRequestTimeout || resp.StatusCode >= 500:
		if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s >= 0 {
			return &laterError{e, time.Duration(min(s, 300)) * time.Second}
		}
		return e
	case resp.StatusCode == http.StatusUnauthorized && !withToken, resp.StatusCode == http.StatusForbidden && !withToken:
		e.hint = "; it may want a token: set HF_TOKEN"
	case resp.StatusCode == http.StatusNotFound:
		e.hint = "; is the name right?"
	}
	return permanent(e)
}

// A laterError carries the time that a server asks to wait.
type laterError struct {
	err  error
	wait time.Duration
}

func (e *laterError) Error() string { return e.err.Error() }
func (e *laterError) Unwrap() error { return e.err }

// retry does something until it works, with jittered waits that grow, or those that the server asks for.
func retry[T any](ctx context.Context, o Options, do func() (T, error)) (T, error) {
	grow := backoff.NewExponentialBackOff()
	grow.InitialInterval, grow.MaxInterval = o.Wait, time.Minute
	var last error
	v, err := backoff.Retry(ctx, func() (T, error) {
		v, err := do()
		last = err
		if later, ok := errors.AsType[*laterError](err); ok {
			return v, &backoff.RetryAfterError{Duration: later.wait}
		}
		return v, err
	}, backoff.WithBackOff(grow), backoff.WithMaxTries(uint(o.Tries)), backoff.WithMaxElapsedTime(0))
	if err == nil || ctx.Err() != nil {
		return v, err
	}
	if p, ok := errors.AsType[*backoff.PermanentError](last); ok {
		return v, p.Err
	}
	return v, last
}

// webFile brings one file of a web server. Its version is what the server says of it, its
// validators, so that a changed file is another version; a server that says nothing is asked each time.
func (f *Fetcher) webFile(ctx context.Context, address string) (Fetched, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return Fetched{}, errors.New("not an address")
	}
	base := path.Base(u.Path)
	if base == "." || base == "/" || !filepath.IsLocal(base) {
		return Fetched{}, errors.New("the address ends without a file's name")
	}
	folder := filepath.Join(f.o.Cache, "files", "web", u.Hostname(), short(address))
	if f.o.Offline {
		return offlineVersion(folder, base)
	}
	version, size, err := f.head(ctx, address)
	if err != nil {
		return Fetched{}, err
	}
	got := Fetched{Folder: filepath.Join(folder, version)}
	local := filepath.Join(got.Folder, base)
	got.Files = []File{{local, base}}
	return got, f.bring(ctx, wanted{where: address, name: base, local: local, size: size})
}

func short(text string) string {
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:8])
}

// offlineVersion returns the one version of a file that the cache has.
func offlineVersion(folder, base string) (Fetched, error) {
	found, err := filepath.Glob(filepath.Join(folder, "*", base))
	switch {
	case err != nil:
		return Fetched{}, err
	case len(found) == 0:
		return Fetched{}, fmt.Errorf("%w, and it was not fetched before", ErrOffline)
	case len(found) > 1:
		return Fetched{}, fmt.Errorf("%w, and the cache has %d versions of it; name one: %s", ErrOffline, len(found), found[0])
	}
	return Fetched{Folder: filepath.Dir(found[0]), Files: []File{{found[0], base}}}, nil
}

// head asks what version of a file there is, and how long it is (-1: not said).
func (f *Fetcher) head(ctx context.Context, address string) (version string, size int64, err error) {
	type answer struct {
		version string
		size    int64
	}
	a, err := retry(ctx, f.o, func() (answer, error) {
		resp, err := f.request(ctx, address, http.Header{"Range": {"bytes=0-0"}})
		if err != nil {
			return answer{}, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusPartialContent &&
			resp.StatusCode != http.StatusRequestedRangeNotSatisfiable {
			return answer{}, statusError(resp, false)
		}
		size := resp.ContentLength
		if resp.StatusCode != http.StatusOK {
			size = -1
			if _, total, ok := strings.Cut(resp.Header.Get("Content-Range"), "/"); ok {
				if n, err := strconv.ParseInt(total, 10, 64); err == nil {
					size = n
				}
			}
		}
		validators := resp.Header.Get("ETag") + "|" + resp.Header.Get("Last-Modified")
		if validators == "|" {
			validators = time.Now().UTC().Format(time.RFC3339Nano) // no way to tell versions apart
		}
		return answer{short(fmt.Sprint(validators, "|", size)), size}, nil
	})
	return a.version, a.size, err
}
