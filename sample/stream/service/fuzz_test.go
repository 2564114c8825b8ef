package service

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
)

// FuzzTicket: any bytes are a ticket or refused, and no name in one leaves the folder of plans.
func FuzzTicket(f *testing.F) {
	for _, text := range []string{
		`{"plans":["plan.parquet"],"batch":8,"ranks":2,"rank":1,"wait_seconds":1.5}`, `{"plans":["../secret.parquet","/etc/x.parquet",".parquet","a/b.parquet"]}`,
		`{"plans":[],"cursor":"{\"version\":1}"}`, `{"cursor":{"version":1,"position":-3}}`, `{"cursor":7}`, `{"wait_seconds":1e300}`, `null`, `{"x":1}`,
	} {
		f.Add([]byte(text))
	}
	s := &Server{o: Options{FS: faultfs.New()}}
	f.Fuzz(func(t *testing.T, data []byte) {
		var ticket Ticket
		if json.Unmarshal(data, &ticket) != nil {
			return
		}
		for _, name := range ticket.Plans {
			if bytes.ContainsAny([]byte(name), `/\`) && checkName(name) == nil {
				t.Errorf("%q is taken for a name", name)
			}
			if _, err := s.openPlan(name); err == nil {
				t.Errorf("there is no plan %q", name)
			}
		}
	})
}

// FuzzBatches: any bytes of Arrow are outcomes or rollouts, or refused.
func FuzzBatches(f *testing.F) {
	for columns, line := range map[*map[string]bool]string{
		&outcomeColumns: `{"run":"r","step":1,"sample_id":"0123456789abcdef0123456789abcdef","rewards":[1,null,0.5]}`,
		&rolloutColumns: `{"run":"r","step":1,"sample_id":"0123456789abcdef0123456789abcdef","group_size":2,"rollout":1,"reward":0.5}`,
	} {
		var fields []arrow.Field
		for name, must := range *columns {
			if must {
				fields = append(fields, arrow.Field{Name: name, Type: typeOf(name), Nullable: true})
			}
		}
		schema := arrow.NewSchema(fields, nil)
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		if err := b.UnmarshalJSON([]byte(line)); err != nil {
			f.Fatal(err)
		}
		var out bytes.Buffer
		w := ipc.NewWriter(&out, ipc.WithSchema(schema))
		if err := w.Write(b.NewRecord()); err != nil {
			f.Fatal(err)
		}
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		f.Add(out.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var rec arrow.Record
		read := func() { // Arrow's own reader panics over damage; the server guards it too
			defer func() { _ = recover() }()
			if n := int(binary.LittleEndian.Uint32(data[4:])); dataset.CheckSchemaMessage(data[8:8+n]) != nil {
				return // as checkedStream does
			}
			r, err := ipc.NewReader(bytes.NewReader(data), ipc.WithAllocator(dataset.BoundedAllocator{Max: 1 << 20}))
			if err == nil && r.Next() {
				rec = r.Record()
			}
		}
		if read(); rec == nil {
			return
		}
		if outcomes, err := decodeOutcomes(rec); err == nil && int64(len(outcomes)) != rec.NumRows() {
			t.Errorf("%d outcomes of %d rows", len(outcomes), rec.NumRows())
		}
		if rows, err := decodeRollouts(rec); err == nil && int64(len(rows)) != rec.NumRows() {
			t.Errorf("%d rollouts of %d rows", len(rows), rec.NumRows())
		}
	})
}

func typeOf(column string) arrow.DataType {
	switch column {
	case "run", "sample_id":
		return arrow.BinaryTypes.String
	case "rewards":
		return arrow.ListOf(arrow.PrimitiveTypes.Float64)
	case "reward":
		return arrow.PrimitiveTypes.Float64
	}
	return arrow.PrimitiveTypes.Int64
}
