package history

import (
	"context"
	"fmt"
	"iter"

	"github.com/parquet-go/parquet-go"
)

// Outcomes returns the outcomes that a filter takes, with all their rollouts, in the order
// they were recorded. Each is the caller's to keep.
func (s *Snapshot) Outcomes(ctx context.Context, f Filter) iter.Seq2[*Outcome, error] {
	return func(yield func(*Outcome, error) bool) {
		shared := new(settings)
		for _, seg := range s.m.Segments {
			if seg.First > s.view.sequence || !f.takesSpans(seg.Spans) {
				continue
			}
			more, err := s.eachOutcome(ctx, seg, &f, shared, func(o *Outcome) bool { return yield(o, nil) })
			if err != nil {
				yield(nil, err)
			}
			if err != nil || !more {
				return
			}
		}
	}
}

func (s *Snapshot) eachOutcome(ctx context.Context, seg segment, f *Filter, shared *settings, yield func(*Outcome) bool) (more bool, err error) {
	file, closer, err := openSegment(s.fsys, seg.Path)
	if err != nil {
		return false, err
	}
	defer closer.Close()
	for _, group := range file.RowGroups() {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		var rows []stored
		err := guard(seg.Path, func() (err error) {
			b, err := readBlock(group, &s.view, f, shared, want{rows: true})
			if err == nil {
				rows, err = readRollouts(group, b)
			}
			return err
		})
		if err != nil {
			return false, err
		}
		for i := range rows {
			if !yield(rows[i].Outcome) {
				return false, nil
			}
		}
	}
	return true, nil
}

// readRollouts reads the columns of the rows of a block that visits do not have.
func readRollouts(group parquet.RowGroup, b *block) ([]stored, error) {
	rows := make([]stored, len(b.visits))
	at := make([]int32, group.NumRows()) // index in rows + 1
	for i, v := range b.visits {
		rows[i] = stored{Outcome: v.outcome(), visit: v}
		at[b.rows[i]] = int32(i) + 1
	}
	for column, c := range columns {
		if c.get == nil {
			continue
		}
		err := eachRow(group, column, func(n int, values []parquet.Value) {
			if i := at[n]; i > 0 {
				c.get(&rows[i-1], values)
			}
		}, func() {})
		if err != nil {
			return nil, err
		}
	}
	for i := range rows {
		if v := &rows[i].visit; len(rows[i].Rollouts) != int(v.Known+v.Unknown) {
			return nil, fmt.Errorf("%v: %d rollouts, its counts say %d", rows[i].Identity, len(rows[i].Rollouts), v.Known+v.Unknown)
		}
	}
	return rows, nil
}

// outcome returns what a visit says of its outcome: everything but the rollouts.
func (v *Visit) outcome() *Outcome {
	s := v.Setting
	return &Outcome{
		Identity: Identity{s.Run, s.TrainStage, v.Step, v.Position, v.SampleID},
		Phase:    v.Phase, Policy: s.Policy, Limits: s.Limits, Judge: s.Judge,
	}
}

// eachRow hands out the values of one column row by row. They are valid until endPage has
// been called.
func eachRow(group parquet.RowGroup, column int, yield func(row int, values []parquet.Value), endPage func()) error {
	buf := make([]parquet.Value, 1024)
	var row []parquet.Value
	n := 0
	err := eachPage(group, column, func(p parquet.Page) error {
		// A row does not go on in the next page.
		row = row[:0]
		err := eachValue(p, buf, func(v parquet.Value) {
			if v.RepetitionLevel() == 0 && len(row) > 0 {
				yield(n, row)
				n++
				row = row[:0]
			}
			row = append(row, v)
		})
		if err == nil && len(row) > 0 {
			yield(n, row)
			n++
		}
		endPage()
		return err
	})
	if err == nil && int64(n) != group.NumRows() {
		err = fmt.Errorf("column %d has %d rows of %d", column, n, group.NumRows())
	}
	return err
}
