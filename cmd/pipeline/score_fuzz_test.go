package main

import (
	"encoding/json"
	"testing"
)

// FuzzScoreLine: a line that is taken is an object that encoding/json takes too, and what is kept
// of it, closed again, is one as well.
func FuzzScoreLine(f *testing.F) {
	for _, text := range []string{
		`{"response":"x","data_source":"docmath","answers":["7"],"question":"q"}`, `{"response":"x","reward":1,"more":{"a":[1,null]}}`,
		`{"response":"x","response":"y"}`, `{"response":7}`, `{"response":"\ud800"}`, `[]`, `{"response":"x"} {}`, "\xff", "",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, err := parseLine(raw, "docmath")
		if err != nil {
			return
		}
		if !json.Valid(raw) || !json.Valid(append(l.kept, '}')) {
			t.Errorf("%q is kept as %q", raw, l.kept)
		}
	})
}
