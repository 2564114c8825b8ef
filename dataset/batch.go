package dataset

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// Columns of an Arrow batch. A stage adds columns and shares the others:
//
//	ingest    sample columns, place columns
//	tokenize  + prompt_tokens, prompt_length, response_tokens, question_context_length
//	bucket    + phase (null: overlong)
var (
	sampleFields = []arrow.Field{
		{Name: "sample_id", Type: arrow.BinaryTypes.String},
		{Name: "source_id", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "source", Type: arrow.BinaryTypes.String},
		{Name: "data_source", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "question", Type: arrow.BinaryTypes.String},
		{Name: "context", Type: arrow.BinaryTypes.String},
		{Name: "answers", Type: arrow.ListOfNonNullable(arrow.BinaryTypes.String)},
		{Name: "response", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "messages", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "meta", Type: arrow.BinaryTypes.String, Nullable: true},
	}
	placeFields = []arrow.Field{
		{Name: "line", Type: arrow.PrimitiveTypes.Int64},
		{Name: "byte_offset", Type: arrow.PrimitiveTypes.Int64},
		{Name: "notes", Type: arrow.PrimitiveTypes.Int32},
	}
	tokenFields = []arrow.Field{
		{Name: "prompt_tokens", Type: arrow.ListOfNonNullable(arrow.PrimitiveTypes.Int32)},
		{Name: "prompt_length", Type: arrow.PrimitiveTypes.Int32},
		{Name: "response_tokens", Type: arrow.ListOfNonNullable(arrow.PrimitiveTypes.Int32), Nullable: true},
		{Name: "question_context_length", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
	}
	phaseFields = []arrow.Field{
		{Name: "phase", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
	}
)

// Where each column stands in a batch.
const (
	colSampleID = iota
	colSourceID
	colSource
	colDataSource
	colQuestion
	colContext
	colAnswers
	colResponse
	colMessages
	colMeta
	colLine
	colOffset
	colNotes
	colPromptTokens
	colPromptLength
	colResponseTokens
	colQuestionContextLength
	colPhase
)

// Schemas of the batches that leave each stage.
var (
	IngestSchema   = arrow.NewSchema(concat(sampleFields, placeFields), nil)
	TokenizeSchema = arrow.NewSchema(concat(sampleFields, placeFields, tokenFields), nil)
	BucketSchema   = arrow.NewSchema(concat(sampleFields, placeFields, tokenFields, phaseFields), nil)
)

func concat(groups ...[]arrow.Field) []arrow.Field {
	var all []arrow.Field
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}

// A BatchBuilder collects samples into batches of IngestSchema.
type BatchBuilder struct {
	b     *array.RecordBuilder
	text  [colAnswers]*array.StringBuilder // sample_id .. context
	opt   [3]*array.StringBuilder          // response, messages, meta
	ans   *array.ListBuilder
	ansV  *array.StringBuilder
	line  *array.Int64Builder
	off   *array.Int64Builder
	notes *array.Int32Builder
	rows  int
	bytes int
}

// NewBatchBuilder returns an empty builder.
func NewBatchBuilder() *BatchBuilder {
	b := array.NewRecordBuilder(memory.DefaultAllocator, IngestSchema)
	bb := &BatchBuilder{b: b}
	for i := range bb.text {
		bb.text[i] = b.Field(i).(*array.StringBuilder)
	}
	for i := range bb.opt {
		bb.opt[i] = b.Field(colResponse + i).(*array.StringBuilder)
	}
	bb.ans = b.Field(colAnswers).(*array.ListBuilder)
	bb.ansV = bb.ans.ValueBuilder().(*array.StringBuilder)
	bb.line = b.Field(colLine).(*array.Int64Builder)
	bb.off = b.Field(colOffset).(*array.Int64Builder)
	bb.notes = b.Field(colNotes).(*array.Int32Builder)
	return bb
}

// Append adds one sample; its strings are copied.
func (bb *BatchBuilder) Append(s *Sample, p Place) {
	for i, v := range [...]string{s.ID, s.SourceID, s.Source, s.DataSource, s.Question, s.Context} {
		appendText(bb.text[i], v, i == colSourceID || i == colDataSource)
	}
	bb.ans.Append(true)
	for _, a := range s.Answers {
		bb.ansV.Append(a)
		bb.bytes += len(a)
	}
	for i, v := range [...]string{s.Response, s.Messages, s.Meta} {
		appendText(bb.opt[i], v, true)
		bb.bytes += len(v)
	}
	bb.line.Append(p.Line)
	bb.off.Append(p.Offset)
	bb.notes.Append(int32(p.Notes))
	bb.rows++
	bb.bytes += len(s.Question) + len(s.Context)
}

// largeText is from where on a builder makes room for just one text instead of doubling.
const largeText = 512 << 10

func appendText(b *array.StringBuilder, v string, nullable bool) {
	if len(v) >= largeText {
		b.ReserveData(len(v))
	}
	if nullable && v == "" {
		b.AppendNull()
		return
	}
	b.Append(v)
}

// Rows returns the number of samples collected since the last batch.
func (bb *BatchBuilder) Rows() int { return bb.rows }

// Bytes returns the bytes of text collected since the last batch.
func (bb *BatchBuilder) Bytes() int { return bb.bytes }

// Batch returns what was collected and starts anew.
func (bb *BatchBuilder) Batch() arrow.Record {
	bb.rows, bb.bytes = 0, 0
	return bb.b.NewRecord()
}

// Release frees the builder's memory.
func (bb *BatchBuilder) Release() { bb.b.Release() }

// A Batch gives typed access to the rows of an Arrow batch of any stage. What it returns
// is valid until the batch is released.
type Batch struct {
	Rec  arrow.Record
	text [colMeta + 1]*array.String // answers' slot is nil
	ans  *array.List
	ansV *array.String
}

// ViewBatch wraps a batch whose schema is one of the three above.
func ViewBatch(rec arrow.Record) Batch {
	v := Batch{Rec: rec}
	for i := colSampleID; i <= colMeta; i++ {
		if i != colAnswers {
			v.text[i] = rec.Column(i).(*array.String)
		}
	}
	v.ans = rec.Column(colAnswers).(*array.List)
	v.ansV = v.ans.ListValues().(*array.String)
	return v
}

// Rows returns the number of samples in the batch.
func (v Batch) Rows() int { return int(v.Rec.NumRows()) }

// Question returns the question of row i.
func (v Batch) Question(i int) string { return v.text[colQuestion].Value(i) }

// Context returns the document of row i.
func (v Batch) Context(i int) string { return v.text[colContext].Value(i) }

// Response returns the response of row i, empty where there is none.
func (v Batch) Response(i int) string { return v.text[colResponse].Value(i) }

// Messages returns the JSON chat of row i, empty where there is none.
func (v Batch) Messages(i int) string { return v.text[colMessages].Value(i) }

// Sample returns row i; its strings point into the batch.
func (v Batch) Sample(i int) Sample {
	return Sample{
		ID: v.text[colSampleID].Value(i), SourceID: v.text[colSourceID].Value(i),
		Source: v.text[colSource].Value(i), DataSource: v.text[colDataSource].Value(i),
		Question: v.Question(i), Context: v.Context(i), Answers: v.Answers(i),
		Response: v.Response(i), Messages: v.Messages(i), Meta: v.text[colMeta].Value(i),
	}
}

// Answers returns the reference answers of row i.
func (v Batch) Answers(i int) []string {
	from, to := v.ans.ValueOffsets(i)
	answers := make([]string, 0, to-from)
	for j := from; j < to; j++ {
		answers = append(answers, v.ansV.Value(int(j)))
	}
	return answers
}

// Place returns where the record of row i began.
func (v Batch) Place(i int) Place {
	return Place{
		Line:   v.Rec.Column(colLine).(*array.Int64).Value(i),
		Offset: v.Rec.Column(colOffset).(*array.Int64).Value(i),
		Notes:  Notes(v.Rec.Column(colNotes).(*array.Int32).Value(i)),
	}
}

// Tokens are what tokenize knows of one sample.
type Tokens struct {
	Prompt                []int32 // ids of the whole rendered prompt
	Response              []int32 // nil but for SFT samples
	QuestionContextLength int32   // tokens of question and context alone; 0 where not asked for
}

// Tokens returns the ids of row i of a batch that tokenize made; they point into the batch.
func (v Batch) Tokens(i int) Tokens {
	t := Tokens{Prompt: ids(v.Rec.Column(colPromptTokens), i), Response: ids(v.Rec.Column(colResponseTokens), i)}
	if c := v.Rec.Column(colQuestionContextLength).(*array.Int32); c.IsValid(i) {
		t.QuestionContextLength = c.Value(i)
	}
	return t
}

func ids(col arrow.Array, i int) []int32 {
	l := col.(*array.List)
	if l.IsNull(i) {
		return nil
	}
	from, to := l.ValueOffsets(i)
	return l.ListValues().(*array.Int32).Int32Values()[from:to]
}

// Phase returns the phase of row i of a batch that bucket made; ok is false where the
// sample is overlong.
func (v Batch) Phase(i int) (phase int32, ok bool) {
	c := v.Rec.Column(colPhase).(*array.Int32)
	return c.Value(i), c.IsValid(i)
}

// Extend returns a batch of the next stage's schema: the columns of rec and more behind them.
// It takes over the references of the new columns.
func Extend(rec arrow.Record, schema *arrow.Schema, more ...arrow.Array) arrow.Record {
	if int(rec.NumCols())+len(more) != schema.NumFields() {
		panic(fmt.Sprintf("dataset: extend %d columns by %d to a schema of %d", rec.NumCols(), len(more), schema.NumFields()))
	}
	cols := append(append([]arrow.Array{}, rec.Columns()...), more...)
	out := array.NewRecord(schema, cols, rec.NumRows())
	for _, c := range more {
		c.Release()
	}
	return out
}

// A TokenBuilder collects what tokenize adds to a batch. Ids are written straight into the
// memory of the batch: a long prompt is never copied.
type TokenBuilder struct {
	prompt, response idList
	qc               *array.Int32Builder
}

// NewTokenBuilder returns an empty builder.
func NewTokenBuilder() *TokenBuilder {
	return &TokenBuilder{qc: array.NewInt32Builder(memory.DefaultAllocator)}
}

// AppendPrompt adds the prompt ids of the next sample: encode appends them to its argument,
// which has room for about as many as are expected.
func (b *TokenBuilder) AppendPrompt(expected int, encode func(dst []int32) []int32) {
	b.prompt.ids = encode(slices.Grow(b.prompt.ids, expected))
	b.prompt.end(true)
}

// AppendRest completes the sample: response ids, nil for none, and the tokens of question
// and context alone, 0 for unknown.
func (b *TokenBuilder) AppendRest(response []int32, questionContextLength int32) {
	b.response.ids = append(b.response.ids, response...)
	b.response.end(response != nil)
	if questionContextLength == 0 {
		b.qc.AppendNull()
	} else {
		b.qc.Append(questionContextLength)
	}
}

// Append adds the tokens of one sample; they are copied.
func (b *TokenBuilder) Append(t Tokens) {
	b.AppendPrompt(len(t.Prompt), func(dst []int32) []int32 { return append(dst, t.Prompt...) })
	b.AppendRest(t.Response, t.QuestionContextLength)
}

// Columns returns the columns of tokenFields and starts anew.
func (b *TokenBuilder) Columns() []arrow.Array {
	lengths := b.prompt.lengths()
	return []arrow.Array{b.prompt.array(), lengths, b.response.array(), b.qc.NewArray()}
}

// Release frees the builder's memory.
func (b *TokenBuilder) Release() { b.qc.Release() }

// An idList is a list column of ids in the making.
type idList struct {
	ids   []int32
	ends  []int32 // ends[i] is where row i ends in ids
	valid []byte  // bitmap
	nulls int
}

func (l *idList) end(valid bool) {
	i := len(l.ends)
	if i%8 == 0 {
		l.valid = append(l.valid, 0)
	}
	if valid {
		l.valid[i/8] |= 1 << (i % 8)
	} else {
		l.nulls++
	}
	l.ends = append(l.ends, int32(len(l.ids)))
}

func (l *idList) lengths() arrow.Array {
	n := make([]int32, len(l.ends))
	from := int32(0)
	for i, to := range l.ends {
		n[i], from = to-from, to
	}
	return int32Array(n)
}

// array wraps the collected memory as an Arrow list and starts anew.
func (l *idList) array() arrow.Array {
	n := len(l.ends)
	values := int32Array(l.ids)
	defer values.Release()
	offsets := append(make([]int32, 1, n+1), l.ends...)
	data := array.NewData(tokenFields[0].Type, n,
		[]*memory.Buffer{memory.NewBufferBytes(l.valid), memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets))},
		[]arrow.ArrayData{values.Data()}, l.nulls, 0)
	defer data.Release()
	*l = idList{}
	return array.NewListData(data)
}

func int32Array(v []int32) *array.Int32 {
	data := array.NewData(arrow.PrimitiveTypes.Int32, len(v), []*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(v))}, nil, 0, 0)
	defer data.Release()
	return array.NewInt32Data(data)
}

// WithNotes returns the batch with other notes. The caller releases both batches.
func WithNotes(rec arrow.Record, notes []Notes) arrow.Record {
	b := array.NewInt32Builder(memory.DefaultAllocator)
	defer b.Release()
	b.Reserve(len(notes))
	for _, n := range notes {
		b.UnsafeAppend(int32(n))
	}
	cols := append([]arrow.Array{}, rec.Columns()...)
	cols[colNotes] = b.NewArray()
	defer cols[colNotes].Release()
	return array.NewRecord(rec.Schema(), cols, rec.NumRows())
}
