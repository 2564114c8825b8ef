package stream_test

import (
	"errors"
	"io"
	"testing"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/stream"
	"github.com/longctx/pipeline/sample/stream/streamtest"
)

// The decoder says io.EOF of a file without an end, which is what Next says of a whole stream.
func TestAFileThatLostItsEndIsDamageAndNotTheEndOfTheStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamtest.Spec{Phases: []int{20}}, false)
	p := w.plan(t, 1, 3)
	for _, name := range []string{w.m.Shards[0].Path, "plan.parquet"} {
		sound := w.fsys.Files()[name]
		for _, size := range []int{0, 1, 3, 4, 7, 12, len(sound) / 2, len(sound) - 1} {
			if _, err := dataset.WriteFile(w.fsys, name, sound[:size]); err != nil {
				t.Fatal(err)
			}
			r, err := w.open(t, false).NewReader(t.Context(), stream.Options{Plans: []*curriculum.Plan{p}, Batch: 8})
			if err != nil {
				t.Fatal(err)
			}
			copied, err := r.WriteIPC(io.Discard)
			if !errors.Is(err, dataset.ErrCorrupt) || errors.Is(err, io.EOF) {
				t.Errorf("%s cut off at %d: %v after %d rows; want ErrCorrupt", name, size, err, copied.Rows)
			}
			r.Close()
		}
		if _, err := dataset.WriteFile(w.fsys, name, sound); err != nil {
			t.Fatal(err)
		}
	}
}
