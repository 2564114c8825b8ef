package curriculum

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"

	"github.com/parquet-go/parquet-go"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
)

// A Plan is the order of a phase on disk: one file, or segments that are still growing.
type Plan struct {
	fsys    fs.FS
	name    string
	headers []*Header // [segments]
}

// Open reads the headers of a plan and of the segments that follow it, and checks that they
// belong together. fs.ErrNotExist where there is no plan; dataset.ErrCorrupt.
func Open(fsys fs.FS, name string) (*Plan, error) {
	p := &Plan{fsys: fsys, name: name}
	return p, p.Refresh()
}

// Refresh looks for segments that were written since.
func (p *Plan) Refresh() error {
	for len(p.headers) == 0 || !p.last().Done {
		file := SegmentName(p.name, int32(len(p.headers)))
		h, err := readHeader(p.fsys, file)
		if errors.Is(err, fs.ErrNotExist) && len(p.headers) > 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("plan %s: %w", file, err)
		}
		if err := p.follows(h); err != nil {
			return fmt.Errorf("plan %s: %w: %w", file, dataset.ErrCorrupt, err)
		}
		p.headers = append(p.headers, h)
	}
	return nil
}

// follows returns why a header is not that of the next segment.
func (p *Plan) follows(h *Header) error {
	if h.Segment != int32(len(p.headers)) {
		return fmt.Errorf("it is segment %d, not %d", h.Segment, len(p.headers))
	}
	if h.Segment == 0 {
		if id := planID(h.DatasetID, h.Snapshot, &h.Config); id != h.PlanID {
			return fmt.Errorf("its plan id is %s, its config gives %s", h.PlanID, id)
		}
		return nil
	}
	switch last := p.last(); {
	case h.PlanID != last.PlanID:
		return fmt.Errorf("it is of plan %s, the segments before it of %s", h.PlanID, last.PlanID)
	case h.Previous != last.RowsSHA256:
		return fmt.Errorf("it follows other rows than those of the segment before it")
	case h.First != last.First+last.Rows:
		return fmt.Errorf("it begins at position %d, not %d", h.First, last.First+last.Rows)
	}
	return nil
}

func (p *Plan) last() *Header { return p.headers[len(p.headers)-1] }

// ID names the plan. A cursor of a stream carries it.
func (p *Plan) ID() string { return p.headers[0].PlanID }

// DatasetID names the dataset that the plan was made for.
func (p *Plan) DatasetID() string { return p.headers[0].DatasetID }

// Config returns what the plan was made with.
func (p *Plan) Config() Config { return p.headers[0].Config }

// Segments returns the headers of the segments so far.
func (p *Plan) Segments() []*Header { return p.headers }

// Len returns the number of positions so far.
func (p *Plan) Len() int64 { return p.last().First + p.last().Rows }

// Done reports whether no segment will follow.
func (p *Plan) Done() bool { return p.last().Done }

// Check returns an error unless the plan was made for a dataset.
func (p *Plan) Check(m *dataset.Manifest) error {
	if m.ID != p.DatasetID() {
		return fmt.Errorf("plan %s was made for dataset %.12s, and this is %.12s", p.name, p.DatasetID(), m.ID)
	}
	return nil
}

// Entries returns the positions from one on, in their order. They are valid until the next
// step. It skips row groups, so that a resume costs at most one. Rows that are not those that
// the planner wrote are dataset.ErrCorrupt, found at the end of each segment that is read from
// its first row.
func (p *Plan) Entries(from int64) iter.Seq2[[]Entry, error] {
	return func(yield func([]Entry, error) bool) {
		for _, h := range p.headers {
			if h.First+h.Rows <= from {
				continue
			}
			more, err := p.entries(h, max(from-h.First, 0), yield)
			if err != nil {
				yield(nil, fmt.Errorf("plan %s: %w", SegmentName(p.name, h.Segment), err))
				return
			}
			if !more {
				return
			}
		}
	}
}

// entries hands out the rows of one segment from one on.
func (p *Plan) entries(h *Header, from int64, yield func([]Entry, error) bool) (more bool, err error) {
	hash := newRowsHash(h.Previous)
	n := from
	for rows, err := range readFrom[Entry](p.fsys, SegmentName(p.name, h.Segment), from) {
		if err != nil {
			return false, err
		}
		for i := range rows {
			id, err := history.ParseSampleID(rows[i].SampleID)
			if err != nil {
				return false, fmt.Errorf("row %d: %w: %w", n, dataset.ErrCorrupt, err)
			}
			if rows[i].Position != h.First+n {
				return false, fmt.Errorf("row %d: %w: it is position %d", n, dataset.ErrCorrupt, rows[i].Position)
			}
			if from == 0 {
				hash.add(rows[i].Epoch, id)
			}
			n++
		}
		if !yield(rows, nil) {
			return false, nil
		}
	}
	if n != h.Rows {
		return false, fmt.Errorf("%w: it has %d rows, its header says %d", dataset.ErrCorrupt, n, h.Rows)
	}
	if from == 0 && hash.sum() != h.RowsSHA256 {
		return false, fmt.Errorf("%w: its rows are not those of its header", dataset.ErrCorrupt)
	}
	return true, nil
}

// Refusals returns what was refused, segment by segment. They are valid until the next step.
func (p *Plan) Refusals() iter.Seq2[[]Refusal, error] {
	return func(yield func([]Refusal, error) bool) {
		for _, h := range p.headers {
			for rows, err := range readFrom[Refusal](p.fsys, RefusedName(SegmentName(p.name, h.Segment)), 0) {
				if !yield(rows, err) || err != nil {
					return
				}
			}
		}
	}
}

// Resume returns the planner that goes on after the plan's last segment, as if it had never
// stopped.
func Resume(t *Table, plan *Plan) (*Planner, error) {
	if t.DatasetID != plan.DatasetID() {
		return nil, fmt.Errorf("plan %s was made for dataset %.12s, and this is %.12s", plan.name, plan.DatasetID(), t.DatasetID)
	}
	p, err := New(t, plan.Config())
	if err != nil {
		return nil, err
	}
	last := plan.last()
	if err := p.restore(last.State); err != nil {
		return nil, fmt.Errorf("plan %s: state: %w: %w", plan.name, dataset.ErrCorrupt, err)
	}
	p.planID, p.previous = last.PlanID, last.RowsSHA256
	p.segment, p.position = last.Segment+1, last.First+last.Rows
	index := make(map[history.SampleID]int32, len(t.Samples))
	for i := range t.Samples {
		index[t.Samples[i].ID] = int32(i)
	}
	// The last positions are those of the present epoch: as many as the cursor has counted.
	for rows, err := range plan.Entries(p.position - p.cursor.Own - p.cursor.Earlier) {
		if err != nil {
			return nil, err
		}
		for i := range rows {
			id, _ := history.ParseSampleID(rows[i].SampleID)
			at, ok := index[id]
			if !ok {
				return nil, fmt.Errorf("plan %s: %w: the dataset has no sample %s", plan.name, dataset.ErrCorrupt, id)
			}
			p.drawn[at] = true
		}
	}
	return p, nil
}

// readHeader reads a file's metadata.
func readHeader(fsys fs.FS, name string) (h *Header, err error) {
	var inside bool
	err = withFile(fsys, name, &inside, func(f *parquet.File) error {
		h, err = parseHeader(f.Lookup)
		return err
	})
	return h, err
}

// withFile opens a Parquet file. A decoder that panics over damage is an error; a panic while
// *inside is the consumer's own.
func withFile(fsys fs.FS, name string, inside *bool, use func(*parquet.File) error) (err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	defer func() {
		if r := recover(); r != nil {
			if *inside {
				panic(r)
			}
			err = fmt.Errorf("%w: decoder: %v", dataset.ErrCorrupt, r)
		}
	}()
	file, err := parquet.OpenFile(f.(io.ReaderAt), info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return fmt.Errorf("%w: %w", dataset.ErrCorrupt, err)
	}
	return use(file)
}

// errStopped ends a reading that its consumer has had enough of.
var errStopped = errors.New("stopped")

// readFrom reads the rows of a file from one on.
func readFrom[R any](fsys fs.FS, name string, from int64) iter.Seq2[[]R, error] {
	return func(yield func([]R, error) bool) {
		var inside bool
		hand := func(rows []R, err error) bool {
			inside = true
			more := yield(rows, err)
			inside = false
			return more
		}
		err := withFile(fsys, name, &inside, func(file *parquet.File) error {
			skip := from
			for _, group := range file.RowGroups() {
				if skip >= group.NumRows() {
					skip -= group.NumRows()
					continue
				}
				if err := readGroup(group, skip, hand); err != nil {
					return err
				}
				skip = 0
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, err)
		}
	}
}

func readGroup[R any](group parquet.RowGroup, skip int64, yield func([]R, error) bool) error {
	r := parquet.NewGenericRowGroupReader[R](group)
	defer r.Close()
	if err := r.SeekToRow(skip); err != nil {
		return fmt.Errorf("%w: %w", dataset.ErrCorrupt, err)
	}
	rows := make([]R, min(1024, group.NumRows()-skip))
	for {
		clear(rows)
		n, err := r.Read(rows)
		if n > 0 && !yield(rows[:n], nil) {
			return errStopped
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", dataset.ErrCorrupt, err)
		}
		if n == 0 {
			return fmt.Errorf("%w: %w", dataset.ErrCorrupt, io.ErrUnexpectedEOF)
		}
	}
}
