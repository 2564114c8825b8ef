package ingest

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/longctx/pipeline/dataset"
	"github.com/parquet-go/parquet-go"
)

type turnRow struct {
	Role    string `parquet:"role"`
	Content string `parquet:"content"`
}

type verlRow struct {
	DataSource  string    `parquet:"data_source"`
	Prompt      []turnRow `parquet:"prompt,list"`
	RewardModel struct {
		Style       string `parquet:"style"`
		GroundTruth string `parquet:"ground_truth"`
	} `parquet:"reward_model"`
	ExtraInfo struct {
		Index int64             `parquet:"index"`
		Split *string           `parquet:"split,optional"`
		Tags  map[string]string `parquet:"tags"`
	} `parquet:"extra_info"`
}

// table writes rows in row groups of some size.
func table[T any](t testing.TB, rows []T, groupRows int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b)
	for len(rows) > 0 {
		n := min(groupRows, len(rows))
		if _, err := w.Write(rows[:n]); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		rows = rows[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestVerlRowsAreReadWithTheirChatAsItIs(t *testing.T) {
	var row verlRow
	row.DataSource = "openai/gsm8k"
	row.Prompt = []turnRow{{"system", "Be \"brief\"."}, {"user", "1 + 1\n= ?"}}
	row.RewardModel.GroundTruth = "2"
	row.ExtraInfo.Index = 7
	row.ExtraInfo.Tags = map[string]string{"a": "b"}
	path := write(t, t.TempDir(), "train.parquet", table(t, []verlRow{row}, 1))
	plan, res := readAll(t, Options{Inputs: []Input{{Path: path}}})
	if plan.Inputs[0].Format != "verl" || plan.Inputs[0].Container != ContainerParquet {
		t.Errorf("planned %+v", plan.Inputs[0])
	}
	want := []dataset.Sample{{
		SourceID: "7", Source: "train.parquet", DataSource: "openai/gsm8k", Question: "1 + 1\n= ?", Answers: []string{"2"},
		Messages: `[{"role":"system","content":"Be \"brief\"."},{"role":"user","content":"1 + 1\n= ?"}]`,
		Meta:     `{"index":7,"split":null,"tags":{"a":"b"}}`,
	}}
	if diff := cmp.Diff(want, res.Samples, cmpopts.IgnoreFields(dataset.Sample{}, "ID")); diff != "" || len(res.Rejects) > 0 {
		t.Errorf("%s %+v", diff, res.Rejects)
	}
	if diff := cmp.Diff([]dataset.Place{{Line: 0, Offset: -1}}, res.Places); diff != "" {
		t.Error(diff)
	}
}

type qaRow struct {
	ID       string   `parquet:"id"`
	Context  string   `parquet:"context"`
	Question *string  `parquet:"question,optional"`
	Answers  []string `parquet:"answers,list"`
}

func qaRows(n int) []qaRow {
	q := "Why?"
	rows := make([]qaRow, n)
	for i := range rows {
		rows[i] = qaRow{fmt.Sprint(i), strings.Repeat(fmt.Sprint("text ", i, " "), 200), &q, []string{"a", "b"}}
		if i%7 == 3 {
			rows[i].Question = nil
		}
	}
	rows[1].Context = "bad \xff"
	return rows
}

func TestRowGroupsAreSplitAndNumberedThrough(t *testing.T) {
	file := table(t, qaRows(50), 8)
	path := write(t, t.TempDir(), "docs.parquet", file)
	_, want := readAll(t, Options{Inputs: []Input{{Path: path}}})
	if len(want.Samples) != 42 || len(want.Rejects) != 8 || want.Sums[0].Bytes != int64(len(file)) {
		t.Fatalf("%d samples, %d rejects, sum %+v", len(want.Samples), len(want.Rejects), want.Sums[0])
	}
	if r := want.Rejects[0]; r.Reason != dataset.ReasonInvalidUTF8 || r.Line != 2 || r.Offset != -1 {
		t.Errorf("reject %+v", r)
	}
	for _, size := range []int64{1, 1000, 3000} {
		plan, got := readAll(t, Options{Inputs: []Input{{Path: path}}, SplitBytes: size})
		if len(plan.Splits) < 2 || plan.Splits[len(plan.Splits)-1].End != 7 {
			t.Errorf("splits %+v", plan.Splits)
		}
		if owned := ownedBytes(t, file, plan, got); !bytes.Equal(owned, file) {
			t.Error("the splits do not own the file")
		}
		got.Sums, want.Sums = nil, nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%.500s", diff)
		}
	}
}

func TestEachRowOfADamagedRowGroupIsARejectAndTheNextIsRead(t *testing.T) {
	file := table(t, qaRows(30), 10)
	clean := write(t, t.TempDir(), "docs.parquet", file)
	plan, _ := readAll(t, Options{Inputs: []Input{{Path: clean}}, SplitBytes: 1})
	starts := ownedStarts(t, plan)
	damaged := bytes.Clone(file)
	for i := starts[1]; i < starts[2]; i++ {
		damaged[i] ^= 0x5a
	}
	_, res := readAll(t, Options{Inputs: []Input{{Path: write(t, t.TempDir(), "docs.parquet", damaged)}}})
	var corrupt []dataset.Reject
	for _, r := range res.Rejects {
		if r.Reason == dataset.ReasonCorruptInput {
			corrupt = append(corrupt, r)
		}
	}
	if len(corrupt) != 10 || corrupt[0].Line != 11 || corrupt[9].Line != 20 || res.Counts.In != 30 || res.Counts.Records != 30 {
		t.Fatalf("corrupt: %+v, counts %+v", corrupt, res.Counts)
	}
	if d := corrupt[0].Detail; !strings.HasPrefix(d, "row group 1, row 0: ") || !strings.HasSuffix(d, "; the rest of the row group cannot be read") {
		t.Errorf("first: %q", d)
	}
	if d := corrupt[9].Detail; d != "row group 1 cannot be read from row 0 on" {
		t.Errorf("last: %q", d)
	}
	if last := res.Samples[len(res.Samples)-1]; last.SourceID != "29" || res.Sums[0].Lines != 30 {
		t.Errorf("last sample %q, %d lines", last.SourceID, res.Sums[0].Lines)
	}
}

// ownedStarts returns where the bytes of each split begin.
func ownedStarts(t *testing.T, plan *Plan) (starts []int64) {
	t.Helper()
	at := int64(0)
	for i := range plan.Splits {
		r, err := OpenSplit(t.Context(), plan, i)
		if err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := r.Next(); err != nil {
				break
			}
		}
		starts = append(starts, at)
		at += r.Sum().Bytes
		r.Close()
	}
	return starts
}

type kindsRow struct {
	Bool     bool               `parquet:"bool"`
	I32      int32              `parquet:"i32"`
	F32      float32            `parquet:"f32"`
	F64      []float64          `parquet:"f64,list"`
	Price    int64              `parquet:"price,decimal(2:18)"`
	Day      int32              `parquet:"day,date"`
	Text     []byte             `parquet:"text"`
	Nested   [][]int64          `parquet:"nested,list"`
	Groups   []kindsGroup       `parquet:"groups"`
	Optional *kindsGroup        `parquet:"optional,optional"`
	Numbers  map[int32]*float64 `parquet:"numbers"`
}

type kindsGroup struct {
	A []string `parquet:"a,list"`
	B *int64   `parquet:"b,optional"`
}

func TestEveryKindOfColumnBecomesJSON(t *testing.T) {
	b, half := int64(5), 0.5
	rows := []kindsRow{
		{
			Bool: true, I32: -3, F32: 0.1, F64: []float64{1, 1e-9, math.NaN()}, Price: -5, Day: 19_000, Text: []byte("a\"\\\n\x01é"),
			Groups:   []kindsGroup{{A: []string{"x", "y"}, B: &b}, {}, {A: []string{"z"}}},
			Optional: &kindsGroup{}, Numbers: map[int32]*float64{4: &half},
		},
		{},
	}
	file, err := openParquet(bytes.NewReader(table(t, rows, 2)), int64(len(table(t, rows, 2))))
	if err != nil {
		t.Fatal(err)
	}
	w := newRowWriter(file)
	read := make([]parquet.Row, 2)
	if n, _ := file.RowGroups()[0].Rows().ReadRows(read); n != 2 {
		t.Fatalf("read %d rows", n)
	}
	want := []string{
		`{"bool":true,"i32":-3,"f32":0.1,"f64":[1,1e-09,null],"price":-0.05,"day":"2022-01-08","text":"a\"\\\n\u0001é","nested":[],` +
			`"groups":[{"a":["x","y"],"b":5},{"a":[],"b":null},{"a":["z"],"b":null}],"optional":{"a":[],"b":null},"numbers":{"4":0.5}}`,
		`{"bool":false,"i32":0,"f32":0,"f64":[],"price":0.00,"day":"1970-01-01","text":"","nested":[],"groups":[],"optional":null,"numbers":{}}`,
	}
	for i, row := range read {
		got, err := w.append(nil, row)
		if diff := cmp.Diff(want[i], string(got)); diff != "" || err != nil {
			t.Errorf("row %d: %v %s", i, err, diff)
		}
	}
}

func TestMoreLostRowsThanAChunkHoldsAreAllCounted(t *testing.T) {
	rows := make([]qaRow, 2*lostAtOnce+5)
	for i := range rows {
		rows[i].ID = fmt.Sprint(i)
	}
	file := table(t, rows, len(rows))
	for i := 4; i < 100; i++ {
		file[i] ^= 0x5a
	}
	_, res := readAll(t, Options{Inputs: []Input{{Path: write(t, t.TempDir(), "docs.parquet", file), Format: "jsonl"}}})
	if n := int64(len(rows)); res.Counts != (Counts{Records: n, In: n}) || res.Rejects[n-1].Line != n || res.Sums[0].Lines != n {
		t.Errorf("counts %+v, sum %+v", res.Counts, res.Sums[0])
	}
}

func TestAColumnOfPicturesDoesNotSpoilItsRows(t *testing.T) {
	type row struct {
		Context  []byte  `parquet:"context"` // text, though the schema does not say so
		Question string  `parquet:"question"`
		Answer   string  `parquet:"answer"`
		Image    []byte  `parquet:"image"`
		Thumb    [3]byte `parquet:"thumb"`
	}
	rows := []row{
		{[]byte("é"), "q", "x", []byte("\x89PNG"), [3]byte{0xff}},
		{[]byte("c\xff"), "q", "x", nil, [3]byte{}},
		{[]byte("c"), "q\xff", "x", nil, [3]byte{}},
	}
	_, res := readAll(t, Options{Inputs: []Input{{Path: write(t, t.TempDir(), "docs.parquet", table(t, rows, 3))}}})
	if len(res.Samples) != 1 || res.Samples[0].Context != "é" {
		t.Errorf("samples %+v", res.Samples)
	}
	if r := res.Rejects; len(r) != 2 || r[0].Reason != dataset.ReasonMissingField || r[1].Reason != dataset.ReasonInvalidUTF8 {
		t.Errorf("rejects %+v", r)
	}
}

// testdata/kinds.parquet is pyarrow's: parquet-go cannot write numbers of half precision.
func TestKindsThatOnlyALogicalTypeTells(t *testing.T) {
	content, err := os.ReadFile("testdata/kinds.parquet")
	if err != nil {
		t.Fatal(err)
	}
	file, err := openParquet(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	w := newRowWriter(file)
	read := make([]parquet.Row, 3)
	if n, _ := file.RowGroups()[0].Rows().ReadRows(read); n != 3 {
		t.Fatalf("read %d rows", n)
	}
	for i, want := range []string{
		`{"half":1.5,"group":{"half":[-0.33325195,null]},"u8":255,"u32":4294967295,"u64":18446744073709551615,"ms":"2020-01-02T03:04:05.006Z",` +
			`"us":"1969-12-31T23:59:59.999999Z","ns":"2020-01-02T03:04:05.000000007Z","uuid":"00112233-4455-6677-8899-aabbccddeeff","bytes":"text"}`,
		`{"half":5.9604645e-08,"group":{"half":[65504]},"u8":0,"u32":0,"u64":0,"ms":"1970-01-01T00:00:00Z",` +
			`"us":"1970-01-01T00:00:00Z","ns":"1970-01-01T00:00:00Z","uuid":"00000000-0000-0000-0000-000000000000","bytes":null}`,
		`{"half":null,"group":null,"u8":null,"u32":null,"u64":null,"ms":null,"us":null,"ns":null,"uuid":null,"bytes":null}`,
	} {
		got, err := w.append(nil, read[i])
		if diff := cmp.Diff(want, string(got)); diff != "" || err != nil {
			t.Errorf("row %d: %v %s", i, err, diff)
		}
	}
}

func TestTablesOfOtherWritersAreReadTheSame(t *testing.T) {
	plan, res := readAll(t, Options{Inputs: []Input{{Path: "testdata/hotpotqa.parquet"}}, SplitBytes: 1})
	if plan.Inputs[0].Format != "hotpotqa" || len(plan.Splits) != 2 {
		t.Errorf("planned %+v, splits %+v", plan.Inputs[0], plan.Splits)
	}
	want := dataset.Sample{
		SourceID: "q5", Source: "hotpotqa.parquet", DataSource: "hotpotqa", Question: "Where is 5?",
		Context: "First\nOne. Two.\n\nSecond\nThree 5.", Answers: []string{"at 5"}, Meta: `{"level":"hard"}`,
	}
	if len(res.Samples) != 6 {
		t.Fatalf("%d samples, rejects %+v", len(res.Samples), res.Rejects)
	}
	if diff := cmp.Diff(want, res.Samples[5], cmpopts.IgnoreFields(dataset.Sample{}, "ID")); diff != "" {
		t.Error(diff)
	}

	r, err := OpenSplit(t.Context(), plan, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	const row = `{"id":"q4","question":"Where is 4?","answer":"at 4","level":"hard",` +
		`"context":{"title":["First","Second"],"sentences":[["One."," Two."],["Three 4."]]},` +
		`"nested":[[1,2],[],null,[3]],"when":"2020-01-02T00:00:00Z","price":-12.50,"maps":{"k":1,"l":null}}`
	if diff := cmp.Diff(row, string(c.bytes(c.records[0]))); diff != "" {
		t.Error(diff)
	}
}
