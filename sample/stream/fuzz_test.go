package stream_test

import (
	"errors"
	"testing"

	"github.com/longctx/pipeline/sample/stream"
)

// FuzzCursor: a cursor is refused, or is the same again after its text was read.
func FuzzCursor(f *testing.F) {
	for _, text := range []string{
		"", `{"version":1,"dataset_id":"0123","plan_id":"0123","seed":7,"phase":1,"position":3,"rows_sha256":"0123"}`,
		`{"version":1,"position":-1}`, `{"version":2}`, `{"version":1}{}`, `{"version":1,"x":1}`, `null`, `x`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := stream.ParseCursor(text)
		if err != nil {
			if !errors.Is(err, stream.ErrCursor) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if back, err := stream.ParseCursor(c.String()); err != nil || back != c {
			t.Errorf("%q: %+v became %+v, %v", text, c, back, err)
		}
	})
}
