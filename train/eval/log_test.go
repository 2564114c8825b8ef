package eval

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
)

func openLog(t *testing.T, fsys dataset.FS) *Log {
	t.Helper()
	l, err := OpenLog(fsys, ResponsesFolder)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Every operation on the disk fails once, by a crash or not: what Append has acknowledged is
// there afterwards, and what is there is whole.
func TestAcknowledgedResponsesSurviveAnyCrash(t *testing.T) {
	const entries = 12
	make1 := func(i int) Entry {
		return Entry{SampleID: fmt.Sprint("s", i/3), Index: i % 3, Response: strings.Repeat("text\n\"<&> ", i*20), Length: int32(i), Stop: "stop"}
	}
	write := func(fsys *faultfs.FS) (acknowledged []int) {
		l, err := OpenLog(fsys, ResponsesFolder)
		if err != nil {
			return nil
		}
		for i := range entries {
			if l.Append(make1(i)) == nil {
				acknowledged = append(acknowledged, i)
			}
		}
		l.Close()
		return acknowledged
	}
	clean := faultfs.New()
	write(clean)
	clean.OnOp(nil)
	probe := faultfs.New()
	n := 0
	probe.OnOp(func(int, faultfs.Op) error { n++; return nil })
	write(probe)
	if n < entries {
		t.Fatalf("only %d operations: nothing is tested", n)
	}
	for at := range n {
		for _, fault := range []error{faultfs.ErrCrashed, errors.New("disk full")} {
			fsys := faultfs.New()
			fsys.OnOp(func(i int, _ faultfs.Op) error {
				if i == at {
					return fault
				}
				return nil
			})
			acknowledged := write(fsys)
			after := fsys.AfterCrash()
			l := openLog(t, after)
			for _, i := range acknowledged {
				want := make1(i)
				got, ok, err := l.Get(want.SampleID, want.Index)
				if d := cmp.Diff(want, got); !ok || err != nil || d != "" {
					t.Fatalf("operation %d, %v: response %d: %v, %v %s", at, fault, i, ok, err, d)
				}
			}
			// It goes on in a segment of its own.
			if err := l.Append(make1(entries)); err != nil {
				t.Fatal(err)
			}
			if again := openLog(t, after); again.Len() != l.Len() {
				t.Fatalf("%d of %d are there again", again.Len(), l.Len())
			}
		}
	}
}

func TestTornLinesAreAskedAgainAndTheOthersKept(t *testing.T) {
	fsys := faultfs.New()
	l := openLog(t, fsys)
	for i := range 3 {
		if err := l.Append(Entry{SampleID: "s", Index: i, Response: "a response of some length"}); err != nil {
			t.Fatal(err)
		}
	}
	l.Close()
	name := ResponsesFolder + "/segment-00001.jsonl"
	whole := fsys.Files()[name]
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		data := append([]byte(nil), whole...)
		if r.IntN(2) == 0 {
			data = data[:r.IntN(len(data))]
		} else {
			data[r.IntN(len(data))] ^= byte(1 + r.IntN(255))
		}
		damaged := faultfs.New()
		if _, err := dataset.WriteFile(damaged, name, data); err != nil {
			t.Fatal(err)
		}
		l := openLog(t, damaged)
		for i := range 3 {
			if e, ok, err := l.Get("s", i); err != nil || ok && e.Response != "a response of some length" {
				t.Fatalf("%v, %v\n%s", e, err, data)
			}
		}
		if len(data) == len(whole) && (l.Len() < 1 || l.Damaged() == 0) {
			t.Fatalf("one byte changed: %d kept, %d damaged\n%s", l.Len(), l.Damaged(), data)
		}
	}
}

func TestManyWritersShareSyncs(t *testing.T) {
	fsys := faultfs.New()
	l := openLog(t, fsys)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 50 {
				if err := l.Append(Entry{SampleID: fmt.Sprint(w), Index: i}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if again := openLog(t, fsys); again.Len() != 400 || again.Damaged() != 0 {
		t.Errorf("%d entries, %d damaged", again.Len(), again.Damaged())
	}
}

func FuzzParseEntry(f *testing.F) {
	line, err := (&Entry{SampleID: "s", Response: "r"}).line()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := parseEntry(data)
		if err != nil {
			return
		}
		again, err := e.line()
		if err != nil {
			t.Fatal(err)
		}
		if f, err := parseEntry(again); err != nil || cmp.Diff(e, f) != "" {
			t.Errorf("%+v became %+v, %v", e, f, err)
		}
	})
}
