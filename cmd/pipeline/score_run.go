package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/go-json-experiment/json"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/longctx/pipeline/train/reward"
	"github.com/longctx/pipeline/train/reward/judge"
)

const (
	maxScoreLine  = 256 << 20 // bytes of one line
	scoreInFlight = 512 << 20 // bytes of all lines that are read and not yet written
	scoreChunk    = 256 << 10 // bytes of lines that a worker scores together
)

// A scoreRun scores lines side by side and keeps their order.
type scoreRun struct {
	grader     judge.Grader
	dataSource string
	source     string // name of the input, for bad lines
	workers    int
	chunk      int // bytes that a worker takes at once; 1: a line

	bytes, lines atomic.Int64 // read so far
}

// scoreResult is what a run found.
type scoreResult struct {
	Lines    int64
	Reasons  map[reward.Reason]int64
	Bad      int64
	FirstBad string
	Judge    error // the first failure of the judge
}

// A badLine is a line of the quarantine.
type badLine struct {
	Source  string `json:"source"`
	Line    int64  `json:"line"`
	Detail  string `json:"detail"`
	Excerpt string `json:"excerpt"`
}

// A scoreJob is some lines, then their answer.
type scoreJob struct {
	data  []byte // whole lines
	first int64  // number of the first line
	done  chan struct{}

	out   []byte
	part  scoreResult
	bad   []badLine
	err   error
	bytes int64
}

// run reads lines from r, writes them scored to out, and bad ones to quarantine.
func (s *scoreRun) run(ctx context.Context, r io.Reader, out io.Writer, quarantine func(badLine) error) (scoreResult, error) {
	g, ctx := errgroup.WithContext(ctx)
	work, order := make(chan *scoreJob), make(chan *scoreJob, 4*s.workers)
	room := semaphore.NewWeighted(scoreInFlight)
	g.Go(func() error {
		defer close(work)
		defer close(order)
		return s.read(ctx, r, func(j *scoreJob) error {
			j.bytes = min(int64(len(j.data))*4, scoreInFlight) // the line, its texts, its output
			if err := room.Acquire(ctx, j.bytes); err != nil {
				return err
			}
			for _, to := range []chan *scoreJob{order, work} {
				select {
				case to <- j:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
	})
	for range s.workers {
		g.Go(func() error {
			for j := range work {
				s.score(ctx, j)
				close(j.done)
			}
			return nil
		})
	}
	total := scoreResult{Reasons: map[reward.Reason]int64{}}
	g.Go(func() error {
		for j := range order {
			select {
			case <-j.done:
			case <-ctx.Done():
				return ctx.Err()
			}
			if err := total.take(j, out, quarantine); err != nil {
				return err
			}
			room.Release(j.bytes)
		}
		return nil
	})
	return total, g.Wait()
}

func (t *scoreResult) take(j *scoreJob, out io.Writer, quarantine func(badLine) error) error {
	if j.err != nil {
		return j.err
	}
	if _, err := out.Write(j.out); err != nil {
		return err
	}
	for _, b := range j.bad {
		if t.FirstBad == "" {
			t.FirstBad = fmt.Sprintf("%s, line %d: %s", b.Source, b.Line, b.Detail)
		}
		if err := quarantine(b); err != nil {
			return err
		}
	}
	t.Lines += j.part.Lines
	t.Bad += int64(len(j.bad))
	for reason, n := range j.part.Reasons {
		t.Reasons[reason] += n
	}
	if t.Judge == nil {
		t.Judge = j.part.Judge
	}
	return nil
}

// read cuts the input into jobs of whole lines.
func (s *scoreRun) read(ctx context.Context, r io.Reader, emit func(*scoreJob) error) error {
	in := bufio.NewReaderSize(r, 1<<20)
	line := int64(1)
	for {
		j := &scoreJob{first: line, done: make(chan struct{})}
		var err error
		for len(j.data) < s.chunk && err == nil {
			var n int
			from := len(j.data)
			if j.data, err = appendLine(j.data, in); err == nil || errors.Is(err, io.EOF) {
				if n = len(j.data) - from; n > 0 {
					line++
				}
			}
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("%s, line %d: %w", s.source, line, err)
		}
		if len(j.data) > 0 {
			s.bytes.Add(int64(len(j.data)))
			s.lines.Add(line - j.first)
			if err := emit(j); err != nil {
				return err
			}
		}
		if err != nil || ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func appendLine(dst []byte, in *bufio.Reader) ([]byte, error) {
	from := len(dst)
	for {
		part, err := in.ReadSlice('\n')
		if len(dst)-from+len(part) > maxScoreLine {
			return dst, fmt.Errorf("longer than %d MiB", maxScoreLine>>20)
		}
		dst = append(dst, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return dst, err
		}
	}
}

// score scores the lines of a job. A judge that fails is a verdict; only a context that ends
// stops the work.
func (s *scoreRun) score(ctx context.Context, j *scoreJob) {
	j.part.Reasons = map[reward.Reason]int64{}
	j.out = make([]byte, 0, len(j.data)+len(j.data)/8)
	number := j.first - 1
	for raw := range bytes.Lines(j.data) {
		number++
		raw = bytes.TrimSpace(raw)
		if number == 1 {
			raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
		}
		if len(raw) == 0 {
			continue
		}
		j.part.Lines++
		l, err := parseLine(raw, s.dataSource)
		if err != nil {
			j.bad = append(j.bad, badLine{s.source, number, err.Error(), excerpt(raw)})
			continue
		}
		v, err := s.grader.Grade(ctx, l.request)
		if ctx.Err() != nil {
			j.err = ctx.Err()
			return
		}
		if err != nil && j.part.Judge == nil {
			j.part.Judge = fmt.Errorf("line %d: %w", number, err)
		}
		j.part.Reasons[v.Reason]++
		if j.out, err = l.append(j.out, v); err != nil {
			j.err = fmt.Errorf("%s, line %d: %w", s.source, number, err)
			return
		}
	}
}

func excerpt(raw []byte) string {
	const longest = 200
	if len(raw) > longest {
		raw = raw[:longest]
	}
	return string(bytes.ToValidUTF8(raw, []byte("\ufffd")))
}

// writeBad returns a function that writes bad lines as JSON.
func writeBad(w io.Writer) func(badLine) error {
	return func(b badLine) error {
		line, err := json.Marshal(b)
		if err != nil {
			return err
		}
		_, err = w.Write(append(line, '\n'))
		return err
	}
}
