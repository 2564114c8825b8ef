package ingest

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/zstd"
	"github.com/longctx/pipeline/dataset"
)

func gzipped(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstandard(t testing.TB, content []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll(content, nil)
}

func TestCompressedFilesGiveTheSameRecords(t *testing.T) {
	content := []byte(bom + strings.Repeat(good+"\n{\n\n", 3000) + good)
	dir := t.TempDir()
	_, want := readAll(t, Options{Inputs: []Input{{Path: write(t, dir, "docs.jsonl", content)}}})
	twice := append(gzipped(t, content[:100]), gzipped(t, content[100:])...) // members are one file
	padded := append(bytes.Clone(twice), make([]byte, 100_000)...)           // as from a tape
	skippable := append([]byte("\x5a\x2a\x4d\x18\x04\x00\x00\x00size"), zstandard(t, content)...)
	for name, packed := range map[string][]byte{
		"docs.jsonl.gz": gzipped(t, content), "twice.gz": twice, "padded.gz": padded, "short.gz": padded[:len(twice)+3], "pzstd.zst": skippable, "docs.jsonl.zst": zstandard(t, content), "unnamed": gzipped(t, content),
	} {
		plan, got := readAll(t, Options{Inputs: []Input{{Path: write(t, dir, name, packed)}}, SplitBytes: 10})
		if diff := cmp.Diff(want.Samples, got.Samples, cmpopts.IgnoreFields(dataset.Sample{}, "Source")); diff != "" {
			t.Errorf("%s: %.500s", name, diff)
		}
		if diff := cmp.Diff(want.Rejects, got.Rejects, cmpopts.IgnoreFields(dataset.Reject{}, "Source")); diff != "" {
			t.Errorf("%s: %.500s", name, diff)
		}
		if h := sha256.Sum256(packed); len(plan.Splits) != 1 || got.Sums[0].SHA256 != hex.EncodeToString(h[:]) || got.Sums[0].Lines != want.Sums[0].Lines {
			t.Errorf("%s: splits %+v, sums %+v", name, plan.Splits, got.Sums)
		}
	}
}

func TestWhatStandsBeforeADamageIsKept(t *testing.T) {
	content := []byte(strings.Repeat(good+"\n", 20_000))
	for name, pack := range map[string]func(testing.TB, []byte) []byte{"docs.gz": gzipped, "docs.zst": zstandard} {
		packed := pack(t, content)
		cut := packed[:len(packed)*2/3]
		_, res := readAll(t, Options{Inputs: []Input{{Path: write(t, t.TempDir(), name, cut)}}})
		if len(res.Rejects) != 1 || res.Rejects[0].Reason != dataset.ReasonCorruptInput {
			t.Fatalf("%s: rejects %+v", name, res.Rejects)
		}
		r := res.Rejects[0]
		if r.Detail != "the compressed data is cut off; the rest of the file cannot be read" || r.Line != int64(len(res.Samples))+1 || r.Offset != int64(len(res.Samples)*(len(good)+1)) {
			t.Errorf("%s: %d samples, then %+v", name, len(res.Samples), r)
		}
		if h := sha256.Sum256(cut); res.Sums[0].SHA256 != hex.EncodeToString(h[:]) {
			t.Errorf("%s: the hash is not of the whole file", name)
		}
	}
}

func TestTextAfterGzipIsADamage(t *testing.T) {
	for _, tail := range []string{"x", "\x00\x00more", "\x1f\x8b"} {
		_, res := readAll(t, Options{Inputs: []Input{{Path: write(t, t.TempDir(), "docs.gz", append(gzipped(t, []byte(good+"\n")), tail...))}}})
		if len(res.Samples) != 1 || len(res.Rejects) != 1 || res.Rejects[0].Reason != dataset.ReasonCorruptInput {
			t.Errorf("%q: %d samples, rejects %+v", tail, len(res.Samples), res.Rejects)
		}
	}
}

func TestABombOfGzipStaysSmall(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	zeros := bytes.Repeat([]byte(" x"), 1<<19)
	for range 40 {
		z.Write(zeros)
	}
	io.WriteString(z, "\n"+good)
	z.Close()
	path := write(t, t.TempDir(), "bomb.gz", b.Bytes())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, res := readAll(t, Options{Inputs: []Input{{Path: path, Format: "jsonl"}}, MaxRecord: 1 << 20})
	runtime.ReadMemStats(&after)
	if len(res.Samples) != 1 || len(res.Rejects) != 1 || res.Rejects[0].Reason != dataset.ReasonTooLarge {
		t.Errorf("%d samples, rejects %+v", len(res.Samples), res.Rejects)
	}
	if grown := after.Sys - before.Sys; grown > 24<<20 {
		t.Errorf("reading %d bytes took %d MiB of memory", b.Len(), grown>>20)
	}
}
