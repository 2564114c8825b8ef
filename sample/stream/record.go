package stream

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/longctx/pipeline/sample/curriculum"
)

// FormatVersion is the version of the batches, their schema and its metadata.
//
//	1: columns of Fields, cursor in the last row, a batch without rows at the end
const FormatVersion = 1

// Fields are the columns of a batch; FORMAT.md says what each means.
var Fields = []arrow.Field{
	{Name: "position", Type: arrow.PrimitiveTypes.Int64},
	{Name: "epoch", Type: arrow.PrimitiveTypes.Int32},
	{Name: "sample_id", Type: arrow.BinaryTypes.String},
	{Name: "phase", Type: arrow.PrimitiveTypes.Int32},
	{Name: "origin_phase", Type: arrow.PrimitiveTypes.Int32},
	{Name: "prompt_tokens", Type: arrow.ListOfNonNullable(arrow.PrimitiveTypes.Int32)},
	{Name: "prompt_length", Type: arrow.PrimitiveTypes.Int32},
	{Name: "question", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "answers", Type: arrow.ListOfNonNullable(arrow.BinaryTypes.String)},
	{Name: "data_source", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "cursor", Type: arrow.BinaryTypes.String, Nullable: true},
}

// MetadataPrefix begins the keys of a schema's metadata.
const MetadataPrefix = "pipeline."

// A planInfo is what the metadata say of a plan.
type planInfo struct {
	PlanID    string `json:"plan_id"`
	Phase     int32  `json:"phase"`
	Seed      uint64 `json:"seed"`
	Positions int64  `json:"positions"`
	Done      bool   `json:"done"`
}

// schema returns the schema of a reader's batches, which says what will come.
func (r *Reader) makeSchema(begin Cursor, positions int64, known bool) *arrow.Schema {
	infos := make([]planInfo, len(r.o.Plans))
	for i, p := range r.o.Plans {
		infos[i] = infoOf(p)
	}
	plans, err := json.Marshal(infos)
	if err != nil {
		panic(err) // plain data
	}
	keys := []string{"format_version", "dataset_id", "plans", "cursor", "rank", "ranks", "worker", "workers"}
	values := []string{
		strconv.Itoa(FormatVersion), r.src.manifest.ID, string(plans), begin.String(),
		strconv.Itoa(r.o.Rank), strconv.Itoa(r.o.Ranks), strconv.Itoa(r.o.Worker), strconv.Itoa(r.o.Workers),
	}
	if t := r.src.manifest.Tokenizer; t != nil {
		keys, values = append(keys, "tokenizer_sha256"), append(values, t.SHA256)
	}
	if known {
		keys, values = append(keys, "positions"), append(values, strconv.FormatInt(positions, 10))
	}
	for i := range keys {
		keys[i] = MetadataPrefix + keys[i]
	}
	m := arrow.NewMetadata(keys, values)
	return arrow.NewSchema(Fields, &m)
}

func infoOf(p *curriculum.Plan) planInfo {
	return planInfo{p.ID(), p.Config().Phase, p.Config().Seed, p.Len(), p.Done()}
}

// record makes the batch of some slots from their ids, one after the other, and the rest.
func (r *Reader) record(slots []slot, ids *memory.Buffer, samples []sample, next Cursor) arrow.Record {
	mem := memory.DefaultAllocator
	position, epoch := array.NewInt64Builder(mem), array.NewInt32Builder(mem)
	id, phase, origin := array.NewStringBuilder(mem), array.NewInt32Builder(mem), array.NewInt32Builder(mem)
	length, question := array.NewInt32Builder(mem), array.NewStringBuilder(mem)
	answers := array.NewListBuilderWithField(mem, Fields[8].Type.(*arrow.ListType).ElemField())
	answer := answers.ValueBuilder().(*array.StringBuilder)
	source, cursor := array.NewStringBuilder(mem), array.NewStringBuilder(mem)
	offsets := make([]int32, 1, len(slots)+1)
	for i := range slots {
		s, t := &slots[i], &samples[i]
		position.Append(s.position)
		epoch.Append(s.epoch)
		id.Append(t.id.String())
		phase.Append(next.Phase)
		origin.Append(s.origin)
		length.Append(s.length)
		appendOptional(question, t.question)
		appendOptional(source, t.dataSource)
		answers.Append(true)
		for _, a := range t.answers {
			answer.Append(a)
		}
		offsets = append(offsets, offsets[i]+s.length)
		appendOptional(cursor, optional{next.String(), i == len(slots)-1})
	}
	columns := []arrow.Array{
		position.NewArray(), epoch.NewArray(), id.NewArray(), phase.NewArray(), origin.NewArray(),
		idLists(offsets, ids), length.NewArray(), question.NewArray(), answers.NewArray(), source.NewArray(), cursor.NewArray(),
	}
	rec := array.NewRecord(r.schema, columns, int64(len(slots)))
	for _, c := range columns {
		c.Release()
	}
	return rec
}

func appendOptional(b *array.StringBuilder, o optional) {
	if o.known {
		b.Append(o.text)
	} else {
		b.AppendNull()
	}
}

// idLists wraps ids as a list column.
func idLists(offsets []int32, ids *memory.Buffer) arrow.Array {
	values := array.NewData(arrow.PrimitiveTypes.Int32, int(offsets[len(offsets)-1]), []*memory.Buffer{nil, ids}, nil, 0, 0)
	defer values.Release()
	data := array.NewData(Fields[5].Type, len(offsets)-1,
		[]*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets))}, []arrow.ArrayData{values}, 0, 0)
	defer data.Release()
	return array.NewListData(data)
}

// fill reads the samples of a batch. Its ids go straight into the memory of the batch.
func (r *Reader) fill(slots []slot, next Cursor) (arrow.Record, error) {
	total := int64(0)
	for i := range slots {
		total += int64(slots[i].length)
	}
	if total > math.MaxInt32 {
		return nil, fmt.Errorf("stream: a batch of %d tokens is over %d", total, math.MaxInt32)
	}
	ids := memory.NewResizableBuffer(idMemory)
	defer ids.Release()
	ids.Resize(int(4 * total))
	samples := make([]sample, len(slots))
	if err := r.readAll(slots, arrow.Int32Traits.CastFromBytes(ids.Bytes()), samples); err != nil {
		return nil, err
	}
	return r.record(slots, ids, samples, next), nil
}
