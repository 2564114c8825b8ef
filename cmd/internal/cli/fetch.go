package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/schollz/progressbar/v3"

	"github.com/longctx/pipeline/ingest/remote"
)

// tokenizerFiles are what a tokenizer and its chat template are made of.
var tokenizerFiles = []string{"tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "chat_template.json", "special_tokens_map.json", "*.tiktoken", "tekken.json"}

// Fetch brings what the options name at other places into the cache, and names it there: inputs,
// each file for itself, and the tokenizer. Progress and choices go to w.
func (c *Config) Fetch(ctx context.Context, w io.Writer, quiet bool) error {
	var inputs []InputConfig
	for _, in := range c.Input {
		if !remote.Is(in.Path) {
			inputs = append(inputs, in)
			continue
		}
		f, err := c.Remote.fetcher(w, quiet)
		if err != nil {
			return err
		}
		got, err := f.Files(ctx, in.Path)
		if err != nil {
			return fetchHint(fmt.Errorf("input %w", err))
		}
		if got.Note != "" && !quiet {
			fmt.Fprintf(w, "pipeline: %s: %s\n", in.Path, got.Note)
		}
		for _, file := range got.Files {
			one := in
			one.Path, one.Name = file.Path, file.Name
			inputs = append(inputs, one)
		}
	}
	c.Input = inputs
	if err := c.fetchBenchmarks(ctx, w, quiet); err != nil {
		return err
	}
	if !remote.Is(c.Tokenize.Tokenizer) {
		return nil
	}
	path, err := c.Remote.tokenizer(ctx, c.Tokenize.Tokenizer, w, quiet)
	if err != nil {
		return fetchHint(fmt.Errorf("tokenizer %w", err))
	}
	c.Tokenize.Tokenizer = path
	return nil
}

func (c *Config) fetchBenchmarks(ctx context.Context, w io.Writer, quiet bool) error {
	var files, names []string
	for _, p := range c.Clean.Decontaminate {
		if !remote.Is(p) {
			files, names = append(files, p), append(names, "")
			continue
		}
		f, err := c.Remote.fetcher(w, quiet)
		if err != nil {
			return err
		}
		got, err := f.Files(ctx, p)
		if err != nil {
			return fetchHint(fmt.Errorf("decontaminate %w", err))
		}
		for _, file := range got.Files {
			files, names = append(files, file.Path), append(names, file.Name)
		}
	}
	c.Clean.Decontaminate, c.Clean.names = files, names
	return nil
}

// tokenizer brings one from the Hub, as a folder, or from anywhere else, as a file.
func (r RemoteConfig) tokenizer(ctx context.Context, address string, w io.Writer, quiet bool) (string, error) {
	if strings.HasPrefix(address, "hf://") {
		return r.Model(ctx, address, w, quiet, tokenizerFiles...)
	}
	f, err := r.fetcher(w, quiet)
	if err != nil {
		return "", err
	}
	got, err := f.Files(ctx, address)
	if err != nil || len(got.Files) != 1 {
		return "", cmp.Or(err, fmt.Errorf("%s: it names %d files, not one", address, len(got.Files)))
	}
	return got.Files[0].Path, nil
}

// Model brings files of a model on the Hub, and returns their folder in the cache.
func (r RemoteConfig) Model(ctx context.Context, address string, w io.Writer, quiet bool, patterns ...string) (string, error) {
	f, err := r.fetcher(w, quiet)
	if err != nil {
		return "", err
	}
	got, err := f.Model(ctx, address, patterns...)
	return got.Folder, err
}

func (r RemoteConfig) fetcher(w io.Writer, quiet bool) (*remote.Fetcher, error) {
	cache := r.Cache
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return nil, WithHint(fmt.Errorf("cache: %w", err), "name a folder with --cache")
		}
		cache = filepath.Join(user, "pipeline")
	}
	o, err := remote.FromEnvironment(remote.Options{Cache: cache, Offline: r.Offline}, os.Getenv)
	if err != nil {
		return nil, err
	}
	if !quiet {
		o.Progress = fetchProgress(w)
	}
	return remote.New(o), nil
}

// fetchProgress shows a bar for each file on a terminal, and a line for each elsewhere.
func fetchProgress(w io.Writer) func(name string, done, total int64) {
	var bar *progressbar.ProgressBar
	var current string
	return func(name string, done, total int64) {
		if name != current {
			current = name
			if !IsTerminal(w) {
				fmt.Fprintf(w, "pipeline: fetching %s (%s)\n", name, sizeText(total))
			} else {
				bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(filepath.Base(name)),
					progressbar.OptionShowBytes(true), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(drawEvery))
			}
		}
		if bar != nil {
			_ = bar.Set64(done)
		}
	}
}

func sizeText(n int64) string {
	if n < 0 {
		return "of unknown size"
	}
	return Bytes(n)
}

func fetchHint(err error) error {
	return WithHint(err, "what was fetched is kept, and the next try goes on with it")
}
