package metrics

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/longctx/pipeline/dataset"
)

const (
	linesName    = "steps.jsonl"
	eventsPrefix = "events.out.tfevents."
)

// A Log is the metrics of one run, open for appending.
type Log struct {
	lines, events dataset.Output
	writer        events
	next          int64 // the least step that may be added
}

// Open opens the metrics in folder dir of fsys, "." for its root, and cuts the records of the
// steps from next on: the step that the checkpoint resumes at, 0 for a new run. The records that
// stay are returned, in order.
func Open(fsys dataset.FS, dir string, next int64, now time.Time) (*Log, []Record, error) {
	kept, err := Read(fsys, dir)
	if err != nil {
		return nil, nil, err
	}
	for i := range kept {
		if kept[i].Step >= next {
			kept = kept[:i]
			break
		}
	}
	l := &Log{next: next}
	if l.lines, err = rewrite(fsys, path.Join(dir, linesName), func(w io.Writer) error {
		for i := range kept {
			if err := writeLine(w, &kept[i]); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return nil, nil, err
	}
	if err := l.openEvents(fsys, dir, kept, now); err != nil {
		l.lines.Close()
		return nil, nil, err
	}
	return l, kept, nil
}

// openEvents makes the event file anew: TensorBoard has no way to take a step back.
func (l *Log) openEvents(fsys dataset.FS, dir string, kept []Record, now time.Time) error {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return fmt.Errorf("list metrics: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), eventsPrefix) {
			if err := fsys.Remove(path.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("remove %s: %w", e.Name(), err)
			}
		}
	}
	name := path.Join(dir, fmt.Sprintf("%s%010d.pipeline", eventsPrefix, now.Unix()))
	l.events, err = rewrite(fsys, name, func(w io.Writer) error {
		if err := (events{w}).begin(now); err != nil {
			return err
		}
		for i := range kept {
			if err := (events{w}).add(&kept[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	l.writer = events{l.events}
	return nil
}

// rewrite replaces a file by what fill writes, aside, synced and renamed, and returns it open:
// what is written next is appended.
func rewrite(fsys dataset.FS, name string, fill func(io.Writer) error) (dataset.Output, error) {
	aside := name + ".tmp"
	out, err := fsys.Create(aside)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", aside, err)
	}
	buffered := bufio.NewWriter(out)
	err = errors.Join(fill(buffered), buffered.Flush())
	if err == nil {
		err = out.Sync()
	}
	if err == nil {
		err = fsys.Rename(aside, name)
	}
	if err == nil {
		err = fsys.SyncDir(path.Dir(name))
	}
	if err != nil {
		out.Close()
		return nil, errors.Join(fmt.Errorf("rewrite %s: %w", name, err), fsys.Remove(aside))
	}
	return out, nil
}

// Add appends the record of one step. Steps come in order.
func (l *Log) Add(r Record) error {
	if r.Step < l.next {
		return fmt.Errorf("metrics: step %d comes after step %d", r.Step, l.next-1)
	}
	l.next = r.Step + 1
	if err := writeLine(l.lines, &r); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	if err := l.writer.add(&r); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	return nil
}

// Sync makes what was added durable. A checkpoint calls it first: the records of the steps
// before it must outlive the machine.
func (l *Log) Sync() error { return errors.Join(l.lines.Sync(), l.events.Sync()) }

// Close closes the files.
func (l *Log) Close() error { return errors.Join(l.lines.Close(), l.events.Close()) }

// Read returns the records in folder dir, none if there are none. A torn last line is left out:
// its step is done again.
func Read(fsys fs.FS, dir string) ([]Record, error) {
	name := path.Join(dir, linesName)
	data, err := fs.ReadFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var records []Record
	for n := 1; len(data) > 0; n++ {
		line, rest, whole := bytes.Cut(data, []byte("\n"))
		data = rest
		var r Record
		if err := json.Unmarshal(line, &r); err != nil {
			if !whole || len(rest) == 0 {
				break
			}
			return nil, fmt.Errorf("read %s: line %d: %w", name, n, err)
		}
		if !whole {
			break // without its end nobody knows whether it is all there
		}
		if len(records) > 0 && r.Step <= records[len(records)-1].Step {
			return nil, fmt.Errorf("read %s: line %d: step %d comes after step %d", name, n, r.Step, records[len(records)-1].Step)
		}
		records = append(records, r)
	}
	return records, nil
}

// writeLine writes a record as one line, in one write.
func writeLine(w io.Writer, r *Record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}
