package ingest

import (
	"bytes"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// fuzzNamed reads any bytes as a file of a name: no panic, and every record accounted for.
func fuzzNamed(f *testing.F, name string) {
	f.Helper()
	f.Fuzz(func(t *testing.T, content []byte) {
		p, err := NewPlan(t.Context(), Options{Inputs: []Input{{Path: write(t, t.TempDir(), name, content)}}, MaxRecord: 1 << 16, SplitBytes: 50})
		if err != nil {
			return // not a readable file
		}
		res, err := readPlan(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if c := res.Counts; c.In != c.Kept+int64(len(res.Rejects)) || c.Kept != int64(len(res.Samples)) {
			t.Errorf("counts %+v: %d samples, %d rejects", c, len(res.Samples), len(res.Rejects))
		}
	})
}

func FuzzCSV(f *testing.F) {
	for _, text := range []string{
		"question,context,answer\nq,c,a\n", "question;context\n\"a \"\" b\";\"c\nd\"\n", "question,question\n1,2\n", "\"", "\xef\xbb\xbfquestion,context\n\"q\n",
		"question,context\nq\nq,c,d\n",
	} {
		f.Add([]byte(text))
	}
	fuzzNamed(f, "fuzz.csv")
}

func FuzzJSONText(f *testing.F) {
	for _, text := range []string{
		"[" + good + "]", "[" + good + ",\n" + good + "]\n", `{"data":[` + good + `]}`, `{"a":` + good + `,"b":[]}`, "[", "[[[[", `[{"question":"q"`, "[1,null,{}]",
	} {
		f.Add([]byte(text))
	}
	fuzzNamed(f, "fuzz.json")
}

func FuzzArrow(f *testing.F) {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "question", Type: arrow.BinaryTypes.String},
		{Name: "context", Type: arrow.BinaryTypes.LargeString},
		{Name: "answers", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	if err := b.UnmarshalJSON([]byte(`{"question":"q","context":"c","answers":["a"]}` + "\n" + `{"question":"r","context":"d","answers":null}`)); err != nil {
		f.Fatal(err)
	}
	rec := b.NewRecord()
	for _, options := range [][]ipc.Option{{}, {ipc.WithZstd()}, {ipc.WithLZ4()}} {
		var out bytes.Buffer
		w := ipc.NewWriter(&out, append(options, ipc.WithSchema(schema))...)
		if err := w.Write(rec); err != nil {
			f.Fatal(err)
		}
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		f.Add(out.Bytes())
	}
	fuzzNamed(f, "fuzz.arrows")
}
