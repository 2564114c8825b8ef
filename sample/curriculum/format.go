package curriculum

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"runtime"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	parquetzstd "github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
)

const (
	rowGroupRows = 1 << 17
	chunkRows    = 1 << 12
	pageBytes    = 128 << 10
)

// keys of the header in the Parquet key-value metadata, in their order.
const keyPrefix = "pipeline."

func (h *Header) pairs() [][2]string {
	return [][2]string{
		{"format_version", strconv.Itoa(h.FormatVersion)},
		{"plan_id", h.PlanID},
		{"dataset_id", h.DatasetID},
		{"snapshot", h.Snapshot},
		{"config", string(h.Config.encode())},
		{"seed", strconv.FormatUint(h.Config.Seed, 10)},
		{"segment", strconv.Itoa(int(h.Segment))},
		{"first", strconv.FormatInt(h.First, 10)},
		{"rows", strconv.FormatInt(h.Rows, 10)},
		{"done", strconv.FormatBool(h.Done)},
		{"rows_sha256", h.RowsSHA256},
		{"previous", h.Previous},
		{"state", string(h.State)},
	}
}

// SegmentName returns the file of a segment of a plan: the plan's own name for the first.
// Example: "plan.parquet", "plan.00001.parquet"
func SegmentName(plan string, segment int32) string {
	if segment == 0 {
		return plan
	}
	ext := path.Ext(plan)
	return fmt.Sprintf("%s.%05d%s", strings.TrimSuffix(plan, ext), segment, ext)
}

// RefusedName returns the file of the refusals next to a file of a plan. Example:
// "plan.refused.parquet"
func RefusedName(plan string) string {
	ext := path.Ext(plan)
	return strings.TrimSuffix(plan, ext) + ".refused" + ext
}

// Write puts a segment on disk, refusals first, each file aside, synced and renamed: when it
// returns, the segment may be served. name is the plan's.
func (s *Segment) Write(fsys dataset.FS, name string) error {
	name = SegmentName(name, s.Header.Segment)
	if err := writeRows[Refusal](fsys, RefusedName(name), &s.Header, s.refused, refusalColumns, s.planner, s.refusedRow); err != nil {
		return err
	}
	return writeRows[Entry](fsys, name, &s.Header, s.rows, entryColumns, s.planner, s.row)
}

// placed is a sample in its place.
type placed struct {
	pooled
	sample   *Sample
	epoch    int32
	position int64
}

// A put makes the value of one column of a row. Text goes to the end of buf, which does not
// move.
type put func(buf []byte, p *Planner, r *placed) (parquet.Value, []byte)

// writeRows writes a file a column at a time: by reflection it takes several times as long.
func writeRows[R any](fsys dataset.FS, name string, h *Header, n int, columns []put, p *Planner, row func(int) (*pooled, int32)) error {
	out, err := dataset.CreateHashed(fsys, name+".tmp")
	if err != nil {
		return err
	}
	options := []parquet.WriterOption{
		parquet.Compression(&parquetzstd.Codec{Level: zstd.SpeedFastest, Concurrency: 1}),
		parquet.CreatedBy("pipeline", fmt.Sprint(FormatVersion), ""), parquet.PageBufferSize(pageBytes), parquet.SkipPageBounds("sample_id"),
	}
	for _, kv := range h.pairs() {
		options = append(options, parquet.KeyValueMetadata(keyPrefix+kv[0], kv[1]))
	}
	w := parquet.NewGenericWriter[R](out, options...)
	if err := writeColumns(w, n, columns, p, h.First, row); err != nil {
		out.Abort()
		return fmt.Errorf("write %s: %w", name, err)
	}
	if _, err := out.Finish(); err != nil {
		return err
	}
	if err := fsys.Rename(name+".tmp", name); err != nil {
		fsys.Remove(name + ".tmp")
		return fmt.Errorf("write %s: %w", name, err)
	}
	return fsys.SyncDir(path.Dir(name))
}

// writeColumns writes row groups side by side, and puts them into the file in their order.
func writeColumns[R any](w *parquet.GenericWriter[R], n int, columns []put, p *Planner, first int64, row func(int) (*pooled, int32)) error {
	type filled struct {
		group *parquet.ConcurrentRowGroupWriter
		err   chan error
	}
	workers := runtime.GOMAXPROCS(0)
	free := make(chan *parquet.ConcurrentRowGroupWriter, workers)
	for range min(workers, n/rowGroupRows+1) {
		free <- w.BeginRowGroup()
	}
	order := make(chan filled, workers)
	go func() {
		defer close(order)
		for from := 0; from < n; from += rowGroupRows {
			f := filled{<-free, make(chan error, 1)}
			if f.group == nil {
				return // a group before it failed
			}
			go func() {
				f.err <- fillGroup(f.group.ColumnWriters(), from, min(from+rowGroupRows, n), columns, p, first, row)
			}()
			order <- f
		}
	}()
	var failed error
	for f := range order {
		if err := <-f.err; failed == nil {
			failed = err
		}
		if failed == nil {
			_, failed = f.group.Commit()
		}
		if failed != nil {
			f.group = nil
		}
		free <- f.group
	}
	if failed != nil {
		return failed
	}
	return w.Close()
}

// fillGroup writes the rows [from, to) to the columns of one row group.
func fillGroup(writers []*parquet.ColumnWriter, from, to int, columns []put, p *Planner, first int64, row func(int) (*pooled, int32)) error {
	values := make([]parquet.Value, chunkRows)
	rows := make([]placed, chunkRows)
	text := make([]byte, 0, chunkRows*2*len(history.SampleID{}))
	for ; from < to; from += chunkRows {
		rows, values := rows[:min(chunkRows, to-from)], values[:min(chunkRows, to-from)]
		for i := range rows {
			r, epoch := row(from + i)
			rows[i] = placed{*r, &p.table.Samples[r.sample], epoch, first + int64(from+i)}
		}
		for c, value := range columns {
			text = text[:0]
			for i := range rows {
				values[i], text = value(text, p, &rows[i])
			}
			if _, err := writers[c].WriteRowValues(values); err != nil {
				return err
			}
		}
	}
	return nil
}

// plain makes a put of a value that needs no text.
func plain(value func(p *Planner, r *placed) parquet.Value) put {
	return func(buf []byte, p *Planner, r *placed) (parquet.Value, []byte) { return value(p, r), buf }
}

// known makes a put of a number that is null without a known reward.
func known(value func(r *placed) float64) put {
	return plain(func(_ *Planner, r *placed) parquet.Value {
		if !r.known {
			return parquet.NullValue()
		}
		return parquet.DoubleValue(value(r)).Level(0, 1, 0)
	})
}

func putID(buf []byte, _ *Planner, r *placed) (parquet.Value, []byte) {
	begin := len(buf)
	buf = hex.AppendEncode(buf, r.sample.ID[:])
	return parquet.ByteArrayValue(buf[begin:]), buf
}

var (
	putEpoch = plain(func(_ *Planner, r *placed) parquet.Value { return parquet.Int32Value(r.epoch) })
	putShard = plain(func(p *Planner, r *placed) parquet.Value {
		return parquet.ByteArrayValue(p.shards[r.sample.Shard])
	})
	putRow      = plain(func(p *Planner, r *placed) parquet.Value { return parquet.Int32Value(r.sample.Row) })
	putPhase    = plain(func(p *Planner, r *placed) parquet.Value { return parquet.Int32Value(r.sample.Phase) })
	putEstimate = known(func(r *placed) float64 { return r.estimate })
	putLower    = known(func(r *placed) float64 { return r.lower })
	putUpper    = known(func(r *placed) float64 { return r.upper })
	putRollouts = plain(func(_ *Planner, r *placed) parquet.Value { return parquet.Int32Value(r.rollouts) })
	putWeight   = plain(func(_ *Planner, r *placed) parquet.Value { return parquet.DoubleValue(r.weight) })
	putReason   = plain(func(_ *Planner, r *placed) parquet.Value { return parquet.ByteArrayValue(reasonBytes[r.reason]) })
	putGate     = plain(func(p *Planner, r *placed) parquet.Value {
		return parquet.ByteArrayValue(p.refusers[r.refuser])
	})
)

var reasonBytes = func() (b [reasons][]byte) {
	for r := range reasons {
		b[r] = []byte(r.String())
	}
	return b
}()

var putPosition = plain(func(_ *Planner, r *placed) parquet.Value { return parquet.Int64Value(r.position) })

// The columns in the order of Entry and of Refusal.
var (
	entryColumns = []put{
		putPosition, putEpoch, putID, putShard, putRow, putPhase, putEstimate, putLower, putUpper, putRollouts, putWeight, putReason,
	}
	refusalColumns = []put{
		putEpoch, putID, putShard, putRow, putPhase, putEstimate, putLower, putUpper, putRollouts, putGate, putReason,
	}
)

// parseHeader reads what pairs wrote.
func parseHeader(lookup func(key string) (string, bool)) (*Header, error) {
	h := new(Header)
	number := func(text string, bits int) (n int64, err error) { return strconv.ParseInt(text, 10, bits) }
	for _, field := range []struct {
		key string
		set func(text string) error
	}{
		{"format_version", func(text string) error { n, err := number(text, 32); h.FormatVersion = int(n); return err }},
		{"plan_id", func(text string) error { h.PlanID = text; return nil }},
		{"dataset_id", func(text string) error { h.DatasetID = text; return nil }},
		{"snapshot", func(text string) error { h.Snapshot = text; return nil }},
		{"config", func(text string) error { return json.Unmarshal([]byte(text), &h.Config) }},
		{"segment", func(text string) error { n, err := number(text, 32); h.Segment = int32(n); return err }},
		{"first", func(text string) (err error) { h.First, err = number(text, 64); return err }},
		{"rows", func(text string) (err error) { h.Rows, err = number(text, 64); return err }},
		{"done", func(text string) (err error) { h.Done, err = strconv.ParseBool(text); return err }},
		{"rows_sha256", func(text string) error { h.RowsSHA256 = text; return nil }},
		{"previous", func(text string) error { h.Previous = text; return nil }},
		{"state", func(text string) error { h.State = json.RawMessage(text); return nil }},
	} {
		text, ok := lookup(keyPrefix + field.key)
		if !ok {
			return nil, fmt.Errorf("%w: its metadata lack %s%s", dataset.ErrCorrupt, keyPrefix, field.key)
		}
		if field.key == "format_version" {
			if n, err := number(text, 32); err == nil && (n < 1 || n > FormatVersion) {
				return nil, fmt.Errorf("format version %d, this program knows 1 to %d", n, FormatVersion)
			}
		}
		if err := field.set(text); err != nil {
			return nil, fmt.Errorf("%w: metadata %s%s: %w", dataset.ErrCorrupt, keyPrefix, field.key, err)
		}
	}
	return h, nil
}
