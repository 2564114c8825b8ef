package stream_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/ipc"

	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/stream"
	"github.com/longctx/pipeline/sample/stream/streamtest"
)

func TestAnIPCStreamHoldsThePlanAndEndsWithItsMarker(t *testing.T) {
	t.Parallel()
	w := newWorld(t, streamtest.Spec{Phases: []int{30}}, false)
	p := w.plan(t, 1, 3)
	r, err := w.src.NewReader(t.Context(), stream.Options{Plans: []*curriculum.Plan{p}, Batch: 7})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var out bytes.Buffer
	copied, err := r.WriteIPC(&out)
	if err != nil {
		t.Fatal(err)
	}
	if copied.Rows != 60 || copied.Batches != 9 || copied.End.Position != 60 {
		t.Errorf("%+v", copied)
	}
	whole := out.Bytes()
	rows, complete := readIPC(t, whole)
	w.wantPlan(t, rows, 0, p)
	if !complete {
		t.Error("the stream has no end marker")
	}
	for cut := 0; cut < len(whole)-200; cut += 61 {
		if _, complete := readIPC(t, whole[:cut]); complete {
			t.Fatalf("the first %d of %d bytes look complete", cut, len(whole))
		}
	}
}

// readIPC reads a stream as a client does, and says whether its end marker came.
func readIPC(t *testing.T, data []byte) (rows []row, complete bool) {
	t.Helper()
	r, err := ipc.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, false
	}
	defer r.Release()
	for {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, complete
		}
		if err != nil {
			return rows, false
		}
		complete = rec.NumRows() == 0
		rows = append(rows, rowsOf(t, rec)...)
	}
}
