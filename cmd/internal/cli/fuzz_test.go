package cli

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzTOML: any bytes are a config or an error, and reading never panics.
func FuzzTOML(f *testing.F) {
	for _, text := range []string{
		"output = \"data\"\nworkers = 2\n[bucket]\nphases = \"4000,20000\"\n[[input]]\npath = \"a\"\nmap = {question = \"q\"}\n",
		"[eval]\ntemperature = 0.6\ntimeout = \"10m\"\n[reward.types]\nmine = \"number\"\n", "workers = 99999999999999999999", "max_memory = \"-1EiB\"",
		"[a.b.c.d]\nx = {y = {z = [[[[1]]]]}}", "x = 1979-05-27T07:32:00Z", "\xff", "[[input]]\n[input]", "phases = [1,2]",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file := filepath.Join(t.TempDir(), "pipeline.toml")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c := new(Config)
		if readTOML(file, c) == nil {
			c.Build()
		}
	})
}
