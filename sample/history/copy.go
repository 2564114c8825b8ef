package history

import "github.com/parquet-go/parquet-go"

// copyBytes is the size from which a row group is copied as it is, compressed.
const copyBytes = rowGroupBytes / 4

// copyGroup copies the rows of a block from another segment. size is the row group's.
func (w *segmentWriter) copyGroup(from string, group parquet.RowGroup, size int64, b *block) error {
	whole := len(b.visits) == int(group.NumRows()) && size >= copyBytes
	if w.group > 0 && (whole || w.group+size > rowGroupBytes) {
		if err := w.flush(); err != nil {
			return w.wrap(err)
		}
	}
	var err error
	if whole {
		err = guard(from, func() error {
			_, err := w.pq.WriteRowGroup(group)
			return err
		})
	} else {
		err = w.copyRows(from, group, b)
		w.group += size
	}
	if err != nil {
		return err
	}
	for i := range b.visits {
		v := &b.visits[i]
		w.count(v.Setting.Run, v.Setting.TrainStage, v.Step, v.Sequence)
	}
	w.total += size
	return nil
}

// copyRows copies rows column by column.
func (w *segmentWriter) copyRows(from string, group parquet.RowGroup, b *block) error {
	keep := make([]bool, group.NumRows())
	for _, r := range b.rows {
		keep[r] = true
	}
	for column := range columns {
		w.values = w.values[:0]
		var failed error
		write := func() {
			if failed == nil {
				_, failed = w.columns[column].WriteRowValues(w.values)
			}
			w.values = w.values[:0]
		}
		err := guard(from, func() error {
			return eachRow(group, column, func(n int, values []parquet.Value) {
				if keep[n] {
					w.values = append(w.values, values...)
				}
				if len(w.values) >= chunkRows {
					write()
				}
			}, write)
		})
		if err != nil {
			return err
		}
		if failed != nil {
			return w.wrap(failed)
		}
	}
	return nil
}
