package metrics

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
)

var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func record(step int64) Record {
	return Record{
		Step: step, TrainStage: "phase-1", Phase: 1, Time: start.Add(time.Duration(step) * time.Second),
		Loss: Known(1 / float64(step+1)), Entropy: Known(2.5), Tokens: 4096,
	}
}

// run adds the records of the steps in [from, to).
func run(t *testing.T, fsys dataset.FS, from, to int64) {
	t.Helper()
	l, kept, err := Open(fsys, "metrics", from, start)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(kept)) != from {
		t.Fatalf("%d records are kept before step %d", len(kept), from)
	}
	for step := from; step < to; step++ {
		if err := l.Add(record(step)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(l.Sync(), l.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestAResumedSeriesIsTheSeriesOfARunThatNeverStopped(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		whole, cut := faultfs.New(), faultfs.New()
		run(t, whole, 0, 12)
		reached := rapid.Int64Range(0, 12).Draw(rt, "reached")
		checkpoint := rapid.Int64Range(0, reached).Draw(rt, "checkpoint")
		run(t, cut, 0, reached)
		run(t, cut, checkpoint, 12)
		if diff := cmp.Diff(text(whole), text(cut)); diff != "" {
			rt.Fatalf("stopped after %d, resumed at %d:\n%s", reached, checkpoint, diff)
		}
	})
}

func text(fsys *faultfs.FS) map[string]string {
	files := map[string]string{}
	for name, data := range fsys.Files() {
		files[name] = string(data)
	}
	return files
}

func TestATornLastLineIsLeftOutAndAnotherIsAnError(t *testing.T) {
	fsys := faultfs.New()
	run(t, fsys, 0, 3)
	data := fsys.Files()["metrics/steps.jsonl"]
	for cut := 1; cut < bytes.LastIndexByte(data[:len(data)-1], '\n'); cut += 7 {
		put(t, fsys, data[:len(data)-cut])
		got, err := Read(fsys, "metrics")
		if err != nil {
			t.Fatalf("cut by %d: %v", cut, err)
		}
		if want := bytes.Count(data[:len(data)-cut], []byte("\n")); len(got) != want {
			t.Errorf("cut by %d: %d records, want %d", cut, len(got), want)
		}
	}
	put(t, fsys, append([]byte("{\"step\": \n"), data...))
	if _, err := Read(fsys, "metrics"); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a damaged first line: %v", err)
	}
}

func put(t *testing.T, fsys dataset.FS, data []byte) {
	t.Helper()
	if _, err := dataset.WriteFile(fsys, "metrics/steps.jsonl", data); err != nil {
		t.Fatal(err)
	}
}

func TestAStepThatIsTakenBackIsRefused(t *testing.T) {
	l, _, err := Open(faultfs.New(), ".", 4, start)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Add(record(3)); err == nil {
		t.Error("step 3 was added to a log that begins at 4")
	}
}

func TestUnknownAndInfiniteNumbersAreNull(t *testing.T) {
	var line bytes.Buffer
	r := Record{Loss: Known(math.NaN()), KL: Known(math.Inf(1)), Reward: Known(0)}
	if err := writeLine(&line, &r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"loss":null`, `"kl":null`, `"entropy":null`, `"reward":0,`} {
		if !strings.Contains(line.String(), want) {
			t.Errorf("no %s in %s", want, line.String())
		}
	}
}

// Every operation of an Open after a checkpoint at step 4 fails or crashes once: the first four
// records stay.
func TestAFaultWhileOpeningKeepsTheRecordsBeforeTheCheckpoint(t *testing.T) {
	work := func(fsys *faultfs.FS) error {
		l, _, err := Open(fsys, "metrics", 4, start.Add(time.Hour))
		if err != nil {
			return err
		}
		return errors.Join(l.Add(record(4)), l.Sync(), l.Close())
	}
	prepare := func() *faultfs.FS {
		fsys := faultfs.New()
		run(t, fsys, 0, 6)
		fsys.OnOp(nil)
		return fsys
	}
	fsys := prepare()
	if err := work(fsys); err != nil {
		t.Fatal(err)
	}
	for i := range fsys.Ops() {
		for _, injected := range []error{errors.New("injected"), faultfs.ErrCrashed} {
			fsys := prepare()
			fsys.OnOp(func(at int, _ faultfs.Op) error {
				if at == i {
					return injected
				}
				return nil
			})
			if work(fsys) == nil {
				t.Errorf("operation %d: the fault was not reported", i)
			}
			got, err := Read(fsys.AfterCrash(), "metrics")
			if err != nil || len(got) < 4 {
				t.Errorf("operation %d, %v: %d records, %v", i, injected, len(got), err)
			}
		}
	}
}

// The event file is read back by the letter of its format.
func TestEventFilesHoldTheCurves(t *testing.T) {
	fsys := faultfs.New()
	run(t, fsys, 0, 2)
	var file []byte
	for name, data := range fsys.Files() {
		if strings.Contains(name, "tfevents") {
			file = data
		}
	}
	var got []string
	for n := 0; len(file) > 0; n++ {
		size := binary.LittleEndian.Uint64(file)
		if masked(file[:8]) != binary.LittleEndian.Uint32(file[8:]) {
			t.Fatalf("record %d: the length's checksum is wrong", n)
		}
		message := file[12 : 12+size]
		if masked(message) != binary.LittleEndian.Uint32(file[12+size:]) {
			t.Fatalf("record %d: the checksum is wrong", n)
		}
		got = append(got, eventText(t, message))
		file = file[16+size:]
	}
	want := []string{
		"at 1795521600 step 0 version brain.Event:2",
		"at 1795521600 step 0 train/loss=1 policy/entropy=2.5 curriculum/phase=1",
		"at 1795521601 step 1 train/loss=0.5 policy/entropy=2.5 curriculum/phase=1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func eventText(t *testing.T, message []byte) (s string) {
	fields(t, message, func(field protowire.Number, number uint64, text []byte) {
		switch field {
		case 1:
			s += fmt.Sprintf("at %v", int64(math.Float64frombits(number)))
		case 2:
			s += fmt.Sprintf(" step %d", number)
		case 3:
			s += " version " + string(text)
		case 5:
			fields(t, text, func(_ protowire.Number, _ uint64, value []byte) {
				fields(t, value, func(field protowire.Number, number uint64, text []byte) {
					if field == 1 {
						s += " " + string(text)
					} else {
						s += fmt.Sprintf("=%v", math.Float32frombits(uint32(number)))
					}
				})
			})
		}
	})
	return s
}

func fields(t *testing.T, b []byte, yield func(protowire.Number, uint64, []byte)) {
	t.Helper()
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		b = b[max(n, 0):]
		var number uint64
		var text []byte
		switch kind {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			number, n = protowire.ConsumeFixed64(b)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(b)
			number = uint64(v)
		default:
			text, n = protowire.ConsumeBytes(b)
		}
		if n < 0 {
			t.Fatalf("broken message: %v", protowire.ParseError(n))
		}
		yield(field, number, text)
		b = b[n:]
	}
}

// The known answer of CRC-32C, RFC 3720 B.4: 32 zero bytes give 0x8a9136aa.
func TestTheMaskIsThatOfTFRecord(t *testing.T) {
	crc := uint32(0x8a9136aa)
	if got, want := masked(make([]byte, 32)), (crc>>15|crc<<17)+0xa282ead8; got != want {
		t.Errorf("masked %#x, want %#x", got, want)
	}
}

func TestEveryCurveHasItsOwnName(t *testing.T) {
	names := map[string]bool{}
	for _, s := range series {
		names[s.name] = true
	}
	if len(names) != len(series) {
		t.Errorf("%d names for %d curves: %v", len(names), len(series), slices.Sorted(maps.Keys(names)))
	}
}
