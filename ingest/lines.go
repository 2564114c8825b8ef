package ingest

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/ingest/source"
)

// lineSource cuts text into lines. A split owns the lines that start in its range, so the
// last one may end beyond it, and a split that begins inside a line skips to the next:
//
//	bytes   0        start                 end
//	        |  line a  |  line b  |  line c  |  line d
//	        |-- before --|------- owned -------|-- after --
//
// account is told of exactly the owned bytes; the splits of a file own each byte once.
type lineSource struct {
	in        io.Reader
	account   func([]byte) // nil where other bytes than those of the lines are hashed
	maxRecord int
	chunk     int

	offset  int64 // in the input, of buf[0]
	end     int64 // lines that start here or later are not owned; -1: no end
	buf     []byte
	count   int64
	done    bool
	long    *longLine     // the line that is being skipped
	corrupt *corruptError // why nothing more can be read
}

// A longLine is what is kept of a line over the limit.
type longLine struct {
	head   []byte
	line   int64
	offset int64
	bytes  int64
}

const longHead = 1024 // enough for an excerpt

const bom = "\xef\xbb\xbf"

func openLines(r *Reader, o Options, chunk int) (*lineSource, error) {
	l := &lineSource{
		account: r.account, maxRecord: int(o.MaxRecord), chunk: chunk,
		offset: r.split.Start, end: r.split.End,
	}
	section := io.NewSectionReader(r.file, 0, r.in.Bytes)
	l.in = section
	if r.split.Start > 0 {
		start, err := firstLine(section, r.split.Start, r.split.End)
		if err != nil {
			return nil, err
		}
		l.offset = start
	}
	if l.offset >= l.end && l.end > 0 {
		l.done = true
	}
	_, err := section.Seek(l.offset, io.SeekStart)
	return l, err
}

// firstLine returns where the first line that starts in [start, end) does, or end if none does.
func firstLine(r io.ReaderAt, start, end int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for at := start - 1; at < end-1; {
		n, err := r.ReadAt(buf[:min(int64(len(buf)), end-1-at)], at)
		if i := bytes.IndexByte(buf[:n], '\n'); i >= 0 {
			return at + int64(i) + 1, nil
		}
		at += int64(n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
	}
	return end, nil
}

func (l *lineSource) lines() int64 { return l.count }
func (l *lineSource) close() error { return nil }

// next fills a buffer and cuts the whole lines in it; what is left over begins the next one.
func (l *lineSource) next() ([]byte, []record, error) {
	for !l.done {
		buf, eof, err := l.fill()
		if err != nil {
			return nil, nil, err
		}
		var records []record
		used := 0
		if l.long != nil {
			used, records = l.skip(buf, eof)
		}
		var rest int
		records, rest = l.cut(records, buf, used, eof)
		if l.account != nil {
			l.account(buf[:rest])
		}
		if l.corrupt != nil && !l.done {
			records = l.broken(records, buf, rest)
		}
		l.offset += int64(rest)
		l.done = l.done || eof
		l.keep(buf, rest)
		if len(records) > 0 {
			return buf, records, nil
		}
	}
	return nil, nil, io.EOF
}

// fill returns the bytes left over from the last buffer and as many as fit behind them.
// The buffer grows where a line is longer than it.
func (l *lineSource) fill() (buf []byte, eof bool, err error) {
	buf, l.buf = l.buf, nil
	if buf == nil {
		buf = newBuffer(l.chunk)
	}
	for len(buf) < cap(buf) {
		n, err := l.in.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, true, nil
		}
		if corrupt, ok := errors.AsType[*corruptError](err); ok {
			l.corrupt = corrupt
			return buf, false, nil
		}
		if err != nil {
			return nil, false, err
		}
	}
	return buf, false, nil
}

// keep carries buf[rest:], the beginning of a line, over to the next buffer.
func (l *lineSource) keep(buf []byte, rest int) {
	tail := buf[rest:]
	if l.done || len(tail) == 0 {
		return
	}
	size := l.chunk
	if len(tail) >= size { // grow up to a record of the largest size and its newline
		size = max(size, min(2*len(tail), l.maxRecord+2))
	}
	l.buf = append(newBuffer(size), tail...)
}

// cut appends the lines of buf[from:] and returns how many bytes are settled.
func (l *lineSource) cut(records []record, buf []byte, from int, eof bool) ([]record, int) {
	for from < len(buf) && !l.done {
		if l.end >= 0 && l.offset+int64(from) >= l.end {
			l.done = true
			break
		}
		n := bytes.IndexByte(buf[from:], '\n')
		next := from + n + 1
		if n < 0 {
			n, next = len(buf)-from, len(buf)
			if !eof && n <= l.maxRecord {
				break
			}
		}
		switch {
		case n > l.maxRecord:
			records = l.tooLong(records, buf, from, n, next, eof)
		default:
			records = l.line(records, buf, from, from+n, eof && next == len(buf) && buf[next-1] != '\n')
		}
		from = next
	}
	return records, from
}

// line appends one line of at most maxRecord bytes, unless it is blank.
func (l *lineSource) line(records []record, buf []byte, start, end int, cutOff bool) []record {
	rec := record{start: start, end: end, line: l.count, offset: l.offset + int64(start), cutOff: cutOff}
	l.count++
	if rec.offset == 0 && bytes.HasPrefix(buf[start:end], []byte(bom)) {
		rec.start += len(bom)
		rec.offset += int64(len(bom))
	}
	if rec.end > rec.start && buf[rec.end-1] == '\r' {
		rec.end--
	}
	if len(bytes.TrimSpace(buf[rec.start:rec.end])) == 0 {
		return records
	}
	return append(records, rec)
}

// tooLong rejects a line over the limit; if its end is not in sight, skip goes on.
func (l *lineSource) tooLong(records []record, buf []byte, from, n, next int, eof bool) []record {
	long := &longLine{line: l.count, offset: l.offset + int64(from), bytes: int64(n)}
	l.count++
	if eof || buf[next-1] == '\n' {
		return append(records, long.record(l.maxRecord, from, from+min(n, longHead)))
	}
	long.head = slices.Clone(buf[from : from+min(n, longHead)])
	l.long = long
	return records
}

// skip goes on over a long line, and rejects it where it ends. Its head is put in the
// place of bytes that were skipped.
func (l *lineSource) skip(buf []byte, eof bool) (used int, records []record) {
	n := bytes.IndexByte(buf, '\n')
	if n < 0 && !eof {
		l.long.bytes += int64(len(buf))
		return len(buf), nil
	}
	used = n + 1
	if n < 0 {
		n, used = len(buf), len(buf)
	}
	l.long.bytes += int64(n)
	rec := l.long.record(l.maxRecord, 0, 0)
	rec.excerpt = l.long.head
	l.long = nil
	return used, []record{rec}
}

// broken rejects all that follows buf[:rest] in one.
func (l *lineSource) broken(records []record, buf []byte, rest int) []record {
	rec := record{start: rest, end: min(len(buf), rest+longHead), line: l.count, offset: l.offset + int64(rest)}
	if l.long != nil {
		rec = record{line: l.long.line, offset: l.long.offset, excerpt: l.long.head}
	}
	rec.bad = source.NewProblem(dataset.ReasonCorruptInput, "%v; the rest of the file cannot be read", l.corrupt)
	l.done = true
	return append(records, rec)
}

func (g *longLine) record(limit, start, end int) record {
	return record{
		start: start, end: end, line: g.line, offset: g.offset,
		bad: tooLarge(g.bytes, int64(limit)),
	}
}

func tooLarge(bytes, limit int64) *source.Problem {
	return source.NewProblem(dataset.ReasonTooLarge, "the record has %d bytes; %d is the limit", bytes, limit)
}
