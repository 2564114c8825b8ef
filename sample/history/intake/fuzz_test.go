package intake

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/sample/history"
)

var seeds = []string{
	`{"id": "q1", "rewards": [1, null, 0.5], "step": 3, "temperature": 0.7, "stop_reasons": ["stop", null, "length"]}`,
	`{"sample_id": "03000000000000000000000000000ee", "rewards": [NaN]}`,
	`{"id": 7, "\u0072ewards": [ 1 ,0 ], "x": {"a": ["]", "\\\"", {}], "b": -1.5e-3}, "time": 1e10}`,
	`{"input": "prompt 1", "output": "a \"b\"", "score": 1.0, "step": 4, "gts": "{\"sample_id\": \"x\"}"}`,
	`{}`, `[]`, `{"a":`, "\xff", `{"rewards": []}`, `{"": ""}`,
}

// FuzzRecord gives any bytes to both formats: what they make of it is a valid outcome, or a
// problem with a reason.
func FuzzRecord(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		check := newChecker()
		v, bad := check.object(record, false)
		if bad != nil {
			if bad.reason == "" || bad.fatal != nil {
				t.Fatalf("%+v", bad)
			}
			return
		}
		o := &Options{Run: "run", KeepResponses: true, Samples: someSamples(5), RewardField: "score", Range: UnitRange}
		emit := func(out history.Outcome, _ place) {
			if err := out.Validate(); err != nil {
				t.Fatalf("%s became an outcome that is none: %v", record, err)
			}
		}
		for _, reader := range []format{&jsonl{o: o, emit: emit, alloc: func(n int) []history.Rollout { return make([]history.Rollout, n) }}, newVerl(o, "5.jsonl", emit)} {
			if bad := reader.record(v, place{}); bad != nil && bad.reason == "" {
				t.Fatalf("%+v", bad)
			}
			reader.end()
		}
	})
}

// FuzzFields compares the cutting of objects with encoding/json.
func FuzzFields(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		v, bad := newChecker().object(record, false)
		if bad != nil {
			return
		}
		want := map[string]json.RawMessage{}
		if err := json.Unmarshal(record, &want); err != nil {
			t.Fatal(err)
		}
		got := map[string]json.RawMessage{}
		for name, f := range v.fields {
			got[string(name)] = json.RawMessage(f)
			var list []json.RawMessage
			if json.Unmarshal(f, &list) == nil && list != nil {
				items := []json.RawMessage{}
				for i := range f.items {
					items = append(items, json.RawMessage(i))
				}
				if diff := cmp.Diff(list, items); diff != "" {
					t.Fatal(diff)
				}
			}
			var text string
			if f[0] == '"' && json.Unmarshal(f, &text) == nil && text != f.unquoted() {
				t.Fatalf("%s: %q, want %q", f, f.unquoted(), text)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// FuzzLines compares the cutting of lines with bytes.Split.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nbb\r\n\n ccc"), 10)
	f.Add([]byte("\xef\xbb\xbflong line\n"), 3)
	f.Fuzz(func(t *testing.T, text []byte, limit int) {
		limit = 1 + limit&0xff
		in := newLines(bytes.NewReader(text), limit)
		in.r.Reset(iotestOneByte{bytes.NewReader(text)})
		for at, whole := range bytes.SplitAfter(text, []byte("\n")) {
			if at == 0 {
				whole = bytes.TrimPrefix(whole, bom)
			}
			want := strings.TrimRight(string(whole), "\r\n")
			if strings.TrimSpace(want) == "" && len(want) <= limit {
				continue
			}
			got, err := in.next()
			if err != nil {
				t.Fatal(err)
			}
			if got.number != int64(at+1) || got.tooLong != (len(want) > limit) || string(got.text) != want[:min(len(want), limit)] {
				t.Fatalf("line %d: %q (too long: %v), want %q", got.number, got.text, got.tooLong, want)
			}
			if !bytes.HasPrefix(bytes.TrimPrefix(text[got.offset:], bom), got.text) {
				t.Fatalf("line %d does not begin at byte %d", got.number, got.offset)
			}
		}
		if got, err := in.next(); err != io.EOF {
			t.Fatalf("%+v, %v after the last line", got, err)
		}
	})
}

// iotestOneByte reads a byte at a time, so that lines span reads.
type iotestOneByte struct{ r io.Reader }

func (o iotestOneByte) Read(p []byte) (int, error) { return o.r.Read(p[:min(len(p), 1)]) }
