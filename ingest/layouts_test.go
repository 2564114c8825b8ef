package ingest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/google/go-cmp/cmp"
	"github.com/longctx/pipeline/dataset"
	"pgregory.net/rapid"
)

// told is what a test looks at: question and id of each sample, and line, offset and text of each reject.
func told(res result) (lines []string) {
	for i, s := range res.Samples {
		lines = append(lines, fmt.Sprintf("%d %s=%s", res.Places[i].Line, s.SourceID, s.Question))
	}
	for _, r := range res.Rejects {
		lines = append(lines, fmt.Sprintf("reject %d@%d %s: %s", r.Line, r.Offset, r.Reason, r.Detail))
	}
	return lines
}

func rowOf(question string) string {
	return fmt.Sprintf(`{"context":"c","question":%q,"answer":"a"}`, question)
}

func TestElementsOfOneJSONTextAreRecords(t *testing.T) {
	long := strings.Repeat("q", 100)
	for _, test := range []struct {
		name, content string
		want          []string
	}{
		{"a list", "[" + rowOf("p") + " ,\n" + rowOf("q") + "\n]\n", []string{"0 =p", "1 =q"}},
		{"an empty list", " [ ]", nil},
		{"names become ids", `{"a":` + rowOf("p") + `,"b":` + rowOf("q") + `}`, []string{"0 a=p", "1 b=q"}},
		{"an id of its own stays", `{"a":{"id":"x",` + rowOf("p")[1:] + `}`, []string{"0 x=p"}},
		{"brackets and quotes inside text", `[` + rowOf(`]"\,}`) + "," + rowOf("{[") + `]`, []string{`0 =]"\,}`, "1 ={["}},
		{"a bad element", "[" + rowOf("p") + ",7," + rowOf("q") + "]", []string{"0 =p", "2 =q", "reject 2@45 wrong_type: the record is a number, not an object"}},
		{"one that is too long", "[" + rowOf(long) + "," + rowOf("q") + "]", []string{"1 =q", "reject 1@1 record_too_large: the record has 142 bytes; 120 is the limit"}},
		{"no comma", "[" + rowOf("p") + rowOf("q") + "]", []string{"0 =p", "reject 2@44 invalid_json: '{' at byte 44 of the file where a comma or ']' should be; the rest of the file cannot be read"}},
		{"two commas", "[" + rowOf("p") + ",," + rowOf("q") + "]", []string{"0 =p", "reject 2@45 invalid_json: ',' at byte 45 of the file where a value should be; the rest of the file cannot be read"}},
		{"a comma at the end", "[" + rowOf("p") + ",]", []string{"0 =p", "reject 2@45 invalid_json: ']' at byte 45 of the file where a value should be; the rest of the file cannot be read"}},
		{"text behind the end", "[" + rowOf("p") + "] x", []string{"0 =p", "reject 2@46 invalid_json: 'x' at byte 46 of the file where the end of the file should be; the rest of the file cannot be read"}},
		{"cut off inside", "[" + rowOf("p") + "," + rowOf("q")[:9], []string{"0 =p", "reject 2@54 invalid_json: cut off at the end of the file; the rest of the file cannot be read"}},
		{"cut off between", "[" + rowOf("p") + "\n", []string{"0 =p", "reject 2@45 invalid_json: cut off at the end of the file; the rest of the file cannot be read"}},
		{"a name that is none", `{"a":` + rowOf("p") + `, b:` + rowOf("q") + `}`, []string{"0 a=p", "reject 2@50 invalid_json: 'b' at byte 50 of the file where a name should be; the rest of the file cannot be read"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := write(t, t.TempDir(), "docs.json", []byte(test.content))
			_, res := readAll(t, Options{Inputs: []Input{{Path: path}}, MaxRecord: 120})
			if diff := cmp.Diff(test.want, told(res)); diff != "" {
				t.Error(diff)
			}
			if n := res.Sums[0].Bytes; n != int64(len(test.content)) {
				t.Errorf("%d bytes of %d were hashed", n, len(test.content))
			}
		})
	}
}

func TestElementsAreTheSameHoweverTheTextArrives(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		questions := rapid.SliceOf(rapid.StringMatching(`[a-z"\\\[\]{},: ]{1,12}`)).Draw(rt, "questions")
		var elements []string
		for _, q := range questions {
			elements = append(elements, rowOf("."+q))
		}
		text := "[" + strings.Join(elements, rapid.SampledFrom([]string{",", " , ", ",\n"}).Draw(rt, "separator")) + "]"
		e := &elementSource{in: &slowReader{[]byte(text), rapid.IntRange(1, 9).Draw(rt, "piece")}, maxRecord: 1 << 20, chunk: chunkBytes}
		var got []string
		for {
			buf, records, err := e.next()
			if err != nil {
				break
			}
			for _, r := range records {
				if r.bad != nil {
					rt.Fatal(r.bad)
				}
				got = append(got, string(buf[r.start:r.end]))
			}
		}
		if diff := cmp.Diff(elements, got); diff != "" {
			rt.Fatal(diff)
		}
	})
}

type slowReader struct {
	b     []byte
	piece int
}

func (s *slowReader) Read(b []byte) (int, error) {
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.b[:min(len(s.b), s.piece)])
	s.b = s.b[n:]
	return n, nil
}

func TestRowsOfACSVFileAreRecords(t *testing.T) {
	const head = "id,context,question,answer\n"
	for _, test := range []struct {
		name, file, content string
		want                []string
	}{
		{"rows", "d.csv", head + "1,c,p,a\r\n2,c,q,a\n", []string{"1 1=p", "2 2=q"}},
		{"quotes, commas and newlines in fields", "d.csv", head + "1,c,\"p, \"\"x\"\"\ny\",a\n2,c,q,a", []string{"1 1=p, \"x\"\ny", "3 2=q"}},
		{"a byte order mark and an index without a name", "d.csv", bom + "," + head + "0,1,c,p,a\n", []string{"1 1=p"}},
		{"semicolons", "d.csv", strings.ReplaceAll(head, ",", ";") + "1;c;p, x;a\n", []string{"1 1=p, x"}},
		{"tabs, and quotes that are text", "d.tsv", strings.ReplaceAll(head, ",", "\t") + "1\tc\tthe \"p\" x\ta\n", []string{"1 1=the \"p\" x"}},
		{"a row of another length", "d.csv", head + "1,c,p\n2,c,q,a\n", []string{"2 2=q", "reject 2@-1 invalid_csv: the row has 3 fields, and the first row 4"}},
		{"bytes that are not UTF-8", "d.csv", head + "1,c,\xff,a\n2,c,q,a\n", []string{"2 2=q", "reject 2@-1 invalid_utf8: invalid UTF-8 at byte 36 of the record"}},
		{"a row that is too long", "d.csv", head + "1,c," + strings.Repeat("p", 150) + ",a\n2,c,q,a\n", []string{"2 2=q", "reject 2@-1 record_too_large: the record has 201 bytes; 120 is the limit"}},
		{"a quote that never ends", "d.csv", head + "1,c,p,a\n2,c,\"" + strings.Repeat("q", 9000) + "\n", []string{"1 1=p", "reject 3@-1 record_too_large: " + errMeter.Error() + "; the rest of the file cannot be read"}},
		{"no rows", "d.csv", head, nil},
		{"nothing", "d.csv", "", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := write(t, t.TempDir(), test.file, []byte(test.content))
			_, res := readAll(t, Options{Inputs: []Input{{Path: path}}, MaxRecord: 120})
			if diff := cmp.Diff(test.want, told(res)); diff != "" {
				t.Error(diff)
			}
			if n := res.Sums[0].Bytes; n != int64(len(test.content)) {
				t.Errorf("%d bytes of %d were hashed", n, len(test.content))
			}
		})
	}
}

func TestACSVFileWhoseFirstRowNamesNothingIsRefused(t *testing.T) {
	path := write(t, t.TempDir(), "d.csv", []byte("question,question\na,b\n"))
	_, err := NewPlan(t.Context(), Options{Inputs: []Input{{Path: path}}})
	if err == nil || !strings.Contains(err.Error(), `two columns have the name "question"`) {
		t.Error(err)
	}
}

func TestCompressedListsAndTablesAreReadAsPlainOnes(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"a.json.gz": "[" + rowOf("p") + "," + rowOf("q") + "]",
		"b.csv.gz":  "context,question,answer\nc,p,a\nc,q,a\n",
	} {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		w.Write([]byte(content))
		w.Close()
		_, res := readAll(t, Options{Inputs: []Input{{Path: write(t, dir, name, z.Bytes())}}})
		if len(res.Samples) != 2 || len(res.Rejects) != 0 || res.Samples[1].Question != "q" || res.Sums[0].Bytes != int64(z.Len()) {
			t.Errorf("%s: %v", name, told(res))
		}
		_, res = readAll(t, Options{Inputs: []Input{{Path: write(t, dir, "cut"+name, z.Bytes()[:z.Len()-12])}}})
		if n := len(res.Rejects); n != 1 || res.Rejects[0].Reason != dataset.ReasonCorruptInput {
			t.Errorf("%s, cut off: %v", name, told(res))
		}
	}
}

// arrowRows makes a record batch with nested columns, as datasets writes them.
func arrowRows(t *testing.T) arrow.Record {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "context", Type: arrow.BinaryTypes.LargeString},
		{Name: "qas", Type: arrow.ListOf(arrow.StructOf(
			arrow.Field{Name: "question", Type: arrow.BinaryTypes.String},
			arrow.Field{Name: "answers", Type: arrow.ListOf(arrow.BinaryTypes.String)}))},
		{Name: "image", Type: arrow.BinaryTypes.Binary, Nullable: true},
		{Name: "meta", Type: arrow.PrimitiveTypes.Float64},
	}, nil)
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(`[
		{"id":1,"context":"c \"1\"","qas":[{"question":"p","answers":["a","b"]},{"question":"q","answers":["x"]}],"image":null,"meta":0.5},
		{"id":2,"context":"c2","qas":[{"question":"r","answers":[]}],"image":"AAE=","meta":1}]`))
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func TestArrowFilesAndStreamsAreRead(t *testing.T) {
	rec := arrowRows(t)
	defer rec.Release()
	want := []string{"0 1=p", "0 1=q", "reject 2@-1 empty_answer: no answer that is not empty"}
	for _, name := range []string{"file.arrow", "stream.arrow"} {
		path := filepath.Join(t.TempDir(), name)
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		var w interface {
			Write(arrow.Record) error
			Close() error
		} = ipc.NewWriter(f, ipc.WithSchema(rec.Schema()), ipc.WithZstd())
		if name == "file.arrow" {
			if w, err = ipc.NewFileWriter(f, ipc.WithSchema(rec.Schema())); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Write(rec); err != nil {
			t.Fatal(err)
		}
		w.Close()
		f.Close()
		_, res := readAll(t, Options{Inputs: []Input{{Path: path}}})
		if diff := cmp.Diff(want, told(res)); diff != "" {
			t.Error(diff)
		}
		if s := res.Samples[0]; s.Context != `c "1"` || s.Meta != "0.5" || !cmp.Equal(s.Answers, []string{"a", "b"}) {
			t.Errorf("%+v", s)
		}
		content, _ := os.ReadFile(path)
		if res.Sums[0].Bytes != int64(len(content)) {
			t.Errorf("%d bytes of %d were hashed", res.Sums[0].Bytes, len(content))
		}
		for cut := 1; cut < len(content); cut += 7 {
			readDamaged(t, write(t, t.TempDir(), name, content[:cut]))
		}
	}
}

// readDamaged reads a file that is cut off: an error or rejects, never a panic.
func readDamaged(t *testing.T, path string) {
	t.Helper()
	plan, err := NewPlan(t.Context(), Options{Inputs: []Input{{Path: path}}})
	if err == nil {
		_, _ = readPlan(t.Context(), plan)
	}
}
