package intake

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
)

// A place is where a record stands.
type place struct {
	file   int // index in Options.Files
	line   int64
	offset int64
}

// A PlaceError says which record of which file an import was refused for.
type PlaceError struct {
	File string
	Line int64
	Err  error
}

func (e *PlaceError) Error() string { return fmt.Sprintf("%s, line %d: %v", e.File, e.Line, e.Err) }
func (e *PlaceError) Unwrap() error { return e.Err }

// ErrNothing means that not one record of the files is of a known format.
var ErrNothing = errors.New("no reward records")

const (
	batchOutcomes = 1 << 13
	batchBytes    = 8 << 20
)

// A batch is what the parser hands to the transaction.
type batch struct {
	outcomes []history.Outcome
	places   []place
	bytes    int
	rollouts []history.Rollout // where the parser takes them from
}

// Run imports reward files into a history. It is all or nothing: on an error the history is as
// it was. Bad records do not end it. history.ErrConflict (in a PlaceError) where an outcome is
// in the history with other rewards: two runs under one name.
func Run(ctx context.Context, s *history.Store, o Options) (Report, error) {
	if err := o.setDefaults(); err != nil {
		return Report{}, fmt.Errorf("import: %w", err)
	}
	t, err := s.Begin()
	if err != nil {
		return Report{}, err
	}
	i := &importer{o: &o, t: t, bad: quarantine{fsys: o.Dataset}, report: Report{Bad: map[dataset.Reason]int64{}}}
	if err := i.run(ctx); err != nil {
		t.Abort()
		i.bad.abort()
		return Report{}, fmt.Errorf("import: %w", err)
	}
	if i.report.Quarantine, err = i.bad.finish(); err == nil {
		i.report.Snapshot, err = t.Commit()
	} else {
		t.Abort()
	}
	if err != nil {
		return Report{}, fmt.Errorf("import: %w", err)
	}
	return i.report, nil
}

// An importer is one import: one goroutine reads and parses, the other records.
type importer struct {
	o      *Options
	t      *history.Transaction
	bad    quarantine
	report Report

	full, free chan *batch
	at         *batch // that the parser fills
}

func (i *importer) run(ctx context.Context) error {
	if c := i.o.Resumed; c != nil {
		n, err := i.t.Resume(ctx, *c)
		if err != nil {
			return err
		}
		i.report.Superseded = n
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	i.full, i.free = make(chan *batch), make(chan *batch, 2)
	i.free <- new(batch)
	i.free <- new(batch)
	parsed := make(chan error, 1)
	go func() {
		defer close(i.full)
		parsed <- i.parse(ctx)
	}()
	var failed error
	for b := range i.full {
		if failed == nil {
			if failed = i.record(ctx, b); failed != nil {
				cancel()
			}
		}
		b.outcomes, b.places, b.rollouts, b.bytes = b.outcomes[:0], b.places[:0], b.rollouts[:0], 0
		i.free <- b
	}
	err := <-parsed
	if failed != nil {
		return failed
	}
	return err
}

// record adds a batch to the transaction.
func (i *importer) record(ctx context.Context, b *batch) error {
	a, err := i.t.Add(ctx, b.outcomes)
	if c, ok := errors.AsType[*history.ConflictError](err); ok {
		at := b.places[c.Index]
		return &PlaceError{i.o.Files[at.file], at.line, c}
	}
	i.report.Added += a.Added
	i.report.Same += a.Same
	return err
}

// parse reads all files and hands out batches.
func (i *importer) parse(ctx context.Context) error {
	i.at = <-i.free
	for n := range i.o.Files {
		if err := i.file(ctx, n); err != nil {
			return err
		}
	}
	i.flush()
	return nil
}

// A format makes outcomes of records.
type format interface {
	record(v value, at place) *problem
	end() // of the file
}

func (i *importer) file(ctx context.Context, n int) error {
	name := i.o.Files[n]
	f, err := i.o.From.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	file := File{Name: name, Format: i.o.Format}
	in, check := newLines(f, i.o.MaxRecord), newChecker()
	var reader format
	for {
		l, err := in.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		file.Records++
		var v value
		var p *problem
		if l.tooLong {
			p = bad(dataset.ReasonTooLarge, "longer than %d bytes", i.o.MaxRecord)
		} else {
			v, p = check.object(l.text, l.cutOff)
		}
		if p == nil && reader == nil {
			if reader, file.Format, err = i.reader(v, name); err != nil {
				return &PlaceError{name, l.number, err}
			}
		}
		if p == nil {
			p = reader.record(v, place{n, l.number, l.offset})
		}
		if p != nil && p.fatal != nil {
			return p.fatal
		}
		if p != nil {
			if err := i.reject(name, l, v, p); err != nil {
				return err
			}
		}
	}
	if reader != nil {
		reader.end()
	}
	i.report.Records += file.Records
	i.report.Files = append(i.report.Files, file)
	return nil
}

// reader returns the format of a file, by its first good record where the options do not say.
func (i *importer) reader(v value, file string) (format, string, error) {
	name := i.o.Format
	if name == FormatAuto {
		switch {
		case v.field("rewards") != nil:
			name = FormatJSONL
		case v.field("input") != nil && v.field(i.o.RewardField) != nil:
			name = FormatVerl
		default:
			return nil, name, fmt.Errorf("%w: it has neither rewards (jsonl) nor input and %s (verl)", ErrNothing, i.o.RewardField)
		}
	}
	if name == FormatVerl {
		return newVerl(i.o, file, i.emit), name, nil
	}
	return &jsonl{o: i.o, emit: i.emit, alloc: i.alloc}, name, nil
}

func (i *importer) reject(file string, l line, v value, p *problem) error {
	r := dataset.Reject{
		Stage: "rewards", Source: file, Line: l.number, Offset: l.offset,
		Reason: p.reason, Detail: p.detail, Excerpt: excerpt(l.text),
	}
	if id, bad := v.field("id").id("id"); bad == nil {
		r.SourceID = id
	}
	if id, bad := v.field("sample_id").text("sample_id"); bad == nil {
		r.SampleID = id
	}
	i.report.Bad[p.reason]++
	if i.report.FirstBad == nil {
		i.report.FirstBad = &r
	}
	return i.bad.add(r)
}

// alloc returns n rollouts of the batch's memory, with whatever they held before.
func (i *importer) alloc(n int) []history.Rollout {
	b := i.at
	if len(b.rollouts)+n > cap(b.rollouts) {
		b.rollouts = make([]history.Rollout, 0, max(n, 2*cap(b.rollouts), 1<<12)) // those given out live on
	}
	b.rollouts = b.rollouts[:len(b.rollouts)+n]
	return b.rollouts[len(b.rollouts)-n : len(b.rollouts) : len(b.rollouts)]
}

// emit takes an outcome into the batch.
func (i *importer) emit(o history.Outcome, at place) {
	b := i.at
	b.outcomes, b.places = append(b.outcomes, o), append(b.places, at)
	i.report.Rollouts += int64(len(o.Rollouts))
	for k := range o.Rollouts {
		b.bytes += len(o.Rollouts[k].Response)
		if !o.Rollouts[k].Reward.Known {
			i.report.Unknown++
		}
	}
	if len(b.outcomes) >= batchOutcomes || b.bytes >= batchBytes {
		i.flush()
	}
}

func (i *importer) flush() {
	if len(i.at.outcomes) > 0 {
		i.full <- i.at
		i.at = <-i.free
	}
}
