package dataset

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// A Change is one place in which two JSON values differ. Example: {"bucket.phases.0", "20000", "30000"}
type Change struct {
	Path string `json:"path"`
	A    string `json:"a"` // JSON, "nothing" where it is not there
	B    string `json:"b"`
}

// Changes names the places where two values of one type differ, as paths into their JSON.
func Changes(a, b any) ([]Change, error) {
	var x, y any
	for _, p := range []struct{ from, to any }{{a, &x}, {b, &y}} {
		data, err := json.Marshal(p.from)
		if err == nil {
			err = json.Unmarshal(data, p.to)
		}
		if err != nil {
			return nil, err
		}
	}
	return appendChanges(nil, "", x, y), nil
}

func appendChanges(out []Change, at string, a, b any) []Change {
	ma, isA := a.(map[string]any)
	mb, isB := b.(map[string]any)
	if isA && isB {
		all := maps.Clone(ma)
		maps.Copy(all, mb)
		for _, k := range slices.Sorted(maps.Keys(all)) {
			out = appendChanges(out, strings.TrimPrefix(at+"."+k, "."), ma[k], mb[k])
		}
		return out
	}
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	if !bytes.Equal(x, y) {
		out = append(out, Change{at, shorten(x), shorten(y)})
	}
	return out
}

func shorten(text []byte) string {
	if string(text) == "null" {
		return "nothing"
	}
	if len(text) > 80 {
		return strings.ToValidUTF8(string(text[:77]), "") + "..."
	}
	return string(text)
}
