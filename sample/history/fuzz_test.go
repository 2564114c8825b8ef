package history

import (
	"encoding/json"
	"strings"
	"testing"
)

// FuzzManifest reads any bytes as a history's manifest, and again with the id that its content
// gives. What it names lies in the history: a compaction removes what it says is retired.
func FuzzManifest(f *testing.F) {
	empty := newManifest()
	f.Add(encodeManifest(empty))
	for _, text := range []string{
		`{"format_version":1,"segments":[{"path":"history/segment-00000001.parquet","spans":[{"run":"r"}]}],"superseded":[{"run":"r"}],"commits":[{"sequence":1}]}`,
		`{"format_version":1,"compaction":{"snapshots":{"path":"history/x"},"retired":[{"path":"../.."},{"path":"history/../phases"}]}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		check := func(data []byte) {
			m, err := decodeManifest(data)
			if err != nil {
				return
			}
			for _, name := range m.names() {
				if rest, ok := strings.CutPrefix(name, Folder+"/"); !ok || strings.ContainsAny(rest, "/") || rest == ".." {
					t.Errorf("it names %q", name)
				}
			}
		}
		check(data)
		m := new(manifest)
		if json.Unmarshal(data, m) != nil {
			return
		}
		m.ID = m.hash()
		check(encodeManifest(m))
	})
}
