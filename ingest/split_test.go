package ingest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/longctx/pipeline/dataset"
	"pgregory.net/rapid"
)

const good = `{"id":"a","context":"c","question":"q","answer":"x"}`

// drawLines makes a file of records, bad records, blank and odd lines.
func drawLines(t *rapid.T) []byte {
	line := rapid.OneOf(
		rapid.Just(good),
		rapid.Custom(func(t *rapid.T) string {
			text := rapid.StringN(0, 40, 200).Draw(t, "text")
			return fmt.Sprintf(`{"context":%q,"question":"q","answer":1}`, strings.ToValidUTF8(text, "?"))
		}),
		rapid.SampledFrom([]string{"", " ", "\r", "{", "[1]", `{"question":"q"}`, good + "\r", "\xff", `{"context":"c","questions":[{"question":"a","answer":1},{"question":""}]}`}),
		rapid.StringN(0, 300, 900),
	)
	text := strings.Join(rapid.SliceOfN(line, 0, 30).Draw(t, "lines"), "\n")
	if rapid.Bool().Draw(t, "bom") {
		text = bom + text
	}
	if rapid.Bool().Draw(t, "newline") {
		text += "\n"
	}
	return []byte(text)
}

func TestAnySplitSizeGivesTheSameRecordsInTheSameOrder(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		content := drawLines(rt)
		path := write(t, dir, "docs.jsonl", content)
		in := []Input{{Path: path, Format: "jsonl"}}
		maxRecord := rapid.Int64Range(40, 400).Draw(rt, "max record")
		splitBytes := rapid.Int64Range(1, 200).Draw(rt, "split")
		_, err := NewPlan(t.Context(), Options{Inputs: in, MaxRecord: maxRecord})
		_, errSplit := NewPlan(t.Context(), Options{Inputs: in, MaxRecord: maxRecord, SplitBytes: splitBytes})
		if (err == nil) != (errSplit == nil) {
			rt.Fatalf("planned whole: %v; in splits: %v", err, errSplit)
		}
		if err != nil {
			return // taken for one JSON text
		}
		_, want := readAll(t, Options{Inputs: in, MaxRecord: maxRecord})
		plan, got := readAll(t, Options{Inputs: in, MaxRecord: maxRecord, SplitBytes: splitBytes})

		if owned := ownedBytes(t, content, plan, got); !bytes.Equal(owned, content) {
			rt.Fatalf("splits own %q of %q", owned, content)
		}
		got.Sums, want.Sums = nil, nil
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatal(diff)
		}
		if c := got.Counts; c.In != c.Kept+int64(len(got.Rejects)) || c.Kept != int64(len(got.Samples)) {
			rt.Fatalf("counts %+v do not balance: %d samples, %d rejects", c, len(got.Samples), len(got.Rejects))
		}
	})
}

// ownedBytes returns the content in the order of the splits, as their hashes say.
func ownedBytes(t *testing.T, content []byte, plan *Plan, res result) []byte {
	t.Helper()
	var owned []byte
	for i, sum := range res.Sums {
		piece := content[len(owned) : int64(len(owned))+sum.Bytes]
		if h := sha256.Sum256(piece); hex.EncodeToString(h[:]) != sum.SHA256 {
			t.Fatalf("split %d %+v: the hash is not that of %q", i, plan.Splits[i], piece)
		}
		owned = append(owned, piece...)
	}
	return owned
}

func TestSplitsAreCutAtMultiplesOfTheirSize(t *testing.T) {
	path := write(t, t.TempDir(), "docs.jsonl", bytes.Repeat([]byte(good+"\n"), 10))
	plan, _ := readAll(t, Options{Inputs: []Input{{Path: path}}, SplitBytes: 200})
	want := []dataset.Split{{Start: 0, End: 200}, {Start: 200, End: 400}, {Start: 400, End: 530}}
	if diff := cmp.Diff(want, plan.Splits); diff != "" {
		t.Error(diff)
	}
}

func TestAnEmptyFileIsOneEmptySplit(t *testing.T) {
	plan, res := readAll(t, Options{Inputs: []Input{{Path: write(t, t.TempDir(), "empty.jsonl", nil)}}})
	if len(plan.Splits) != 1 || res.Counts != (Counts{}) || res.Sums[0].Lines != 0 {
		t.Errorf("plan %+v, result %+v", plan, res)
	}
}

func TestAFileThatChangesWhileItIsReadIsNoticed(t *testing.T) {
	path := write(t, t.TempDir(), "docs.jsonl", []byte(good+"\n"))
	plan, err := NewPlan(t.Context(), Options{Inputs: []Input{{Path: path}}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := OpenSplit(t.Context(), plan, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(good+"\n"+good+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	const want = "input \"docs.jsonl\": input changed while it was read: it had 53 bytes, now 106"
	if _, err := r.Next(); err == nil || err.Error() != want {
		t.Errorf("end of reading: %v", err)
	}
	if _, err := OpenSplit(t.Context(), plan, 0); err == nil || err.Error() != want {
		t.Errorf("opening again: %v", err)
	}
}

func TestALongRecordComesAsOneChunk(t *testing.T) {
	long := fmt.Sprintf(`{"context":%q,"question":"q","answer":1}`, strings.Repeat("words and words ", 300_000))
	path := write(t, t.TempDir(), "docs.jsonl", []byte(good+"\n"+long+"\n"+good))
	_, res := readAll(t, Options{Inputs: []Input{{Path: path}}})
	if len(res.Samples) != 3 || len(res.Samples[1].Context) != 16*300_000 || len(res.Rejects) != 0 {
		t.Errorf("%d samples, rejects %+v", len(res.Samples), res.Rejects)
	}
}

func TestProgressGrowsToTheBytesOfTheFile(t *testing.T) {
	var content []byte // hard to compress
	for i := range 30_000 {
		content = fmt.Appendf(content, "{\"context\":\"%x\",\"question\":\"q\",\"answer\":1}\n", sha256.Sum256([]byte{byte(i), byte(i >> 8)}))
	}
	for name, packed := range map[string][]byte{
		"docs.jsonl": content, "docs.gz": gzipped(t, content), "docs.zst": zstandard(t, content), "docs.parquet": table(t, qaRows(5000), 400),
	} {
		plan, err := NewPlan(t.Context(), Options{Inputs: []Input{{Path: write(t, t.TempDir(), name, packed)}}, SplitBytes: 3 << 20})
		if err != nil {
			t.Fatal(err)
		}
		var whole, between int64
		for i := range plan.Splits {
			r, err := OpenSplit(t.Context(), plan, i)
			if err != nil {
				t.Fatal(err)
			}
			for last := int64(0); ; last = r.BytesRead() {
				c, err := r.Next()
				if now := r.BytesRead(); now < last || now > plan.Inputs[0].Bytes {
					t.Errorf("%s: %d bytes after %d", name, now, last)
				} else if now > last {
					between++
				}
				if err != nil {
					break
				}
				c.Release()
			}
			if got := r.BytesRead(); got != r.Sum().Bytes {
				t.Errorf("%s: split %d: %d bytes, then the sum says %d", name, i, got, r.Sum().Bytes)
			}
			whole += r.BytesRead()
			r.Close()
		}
		if whole != int64(len(packed)) || between < 2 {
			t.Errorf("%s: %d of %d bytes in %d steps", name, whole, len(packed), between)
		}
	}
}
