package ingest

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/ingest/source"
)

// csvEndings are the endings of the names of tables in text; nothing else tells them from lines.
var csvEndings = []string{".csv", ".tsv"}

// isCSV reports whether a file's name, without the ending of a compressed file, is that of a table.
func isCSV(name string) bool { return slices.Contains(csvEndings, csvEnding(name)) }

func csvEnding(name string) string {
	ext := strings.ToLower(filepath.Ext(name))
	if ext == ".gz" || ext == ".zst" {
		return strings.ToLower(filepath.Ext(strings.TrimSuffix(name, filepath.Ext(name))))
	}
	return ext
}

// comma returns what separates the fields of a table; 0 where its first row must tell.
func comma(name string) rune {
	if csvEnding(name) == ".tsv" {
		return '\t'
	}
	return 0
}

// A csvSource reads the rows of a table as JSON objects of texts, after RFC 4180 with two
// liberties: a quote inside a field that does not begin with one is a quote, and a table
// without commas in its first row may have semicolons. A column without a name is column_N.
type csvSource struct {
	csv       *csv.Reader
	in        *meteredReader
	maxRecord int
	names     []string // quoted, with a colon
	at        int64    // lines before the next row
	err       error    // of the first row
	done      bool
}

// A meteredReader gives out a bounded number of bytes: an open quote must not take all memory.
type meteredReader struct {
	in   *bufio.Reader
	left int
	max  int
}

var errMeter = errors.New("the row goes on over the longest record that is read, as after a quote that never ends")

func (m *meteredReader) Read(b []byte) (int, error) {
	if m.left <= 0 {
		return 0, errMeter
	}
	n, err := m.in.Read(b[:min(len(b), m.left)])
	m.left -= n
	return n, err
}

func newCSVSource(in io.Reader, separator rune, maxRecord int) *csvSource {
	m := &meteredReader{in: bufio.NewReaderSize(in, 64<<10), max: maxRecord + 4096}
	m.left = m.max
	if head, _ := m.in.Peek(len(bom)); string(head) == bom {
		m.in.Discard(len(bom))
	}
	s := &csvSource{in: m, maxRecord: maxRecord}
	if separator == 0 {
		separator = separatorOf(m.in)
	}
	s.csv = csv.NewReader(m)
	s.csv.Comma, s.csv.LazyQuotes, s.csv.ReuseRecord = separator, true, true
	names, err := s.csv.Read()
	switch {
	case err == io.EOF:
		s.done = true
		return s
	case err != nil:
		s.err = fmt.Errorf("first row: %w", err)
		return s
	}
	s.setNames(names)
	s.count(names)
	return s
}

func (s *csvSource) setNames(names []string) {
	seen := map[string]bool{}
	for i, name := range names {
		if name = strings.TrimSpace(name); name == "" {
			name = fmt.Sprintf("column_%d", i+1)
		}
		switch {
		case !utf8.ValidString(name):
			s.err = fmt.Errorf("first row: the name of column %d is not valid UTF-8", i+1)
		case seen[name]:
			s.err = fmt.Errorf("first row: two columns have the name %q", name)
		}
		seen[name] = true
		s.names = append(s.names, string(appendString(nil, []byte(name)))+":")
	}
}

// separatorOf looks at the first row.
func separatorOf(in *bufio.Reader) rune {
	head, _ := in.Peek(4096)
	first, _, _ := bytes.Cut(head, []byte("\n"))
	if bytes.IndexByte(first, ',') < 0 && bytes.IndexByte(first, ';') >= 0 {
		return ';'
	}
	return ','
}

func (s *csvSource) lines() int64 { return s.at }

func (s *csvSource) next() ([]byte, []record, error) {
	if s.err != nil {
		return nil, nil, s.err
	}
	buf := newBuffer(chunkBytes)
	var records []record
	for !s.done && len(buf) < chunkBytes/2 && len(records) < lostAtOnce {
		var err error
		if buf, records, err = s.row(buf, records); err != nil {
			return nil, nil, err
		}
	}
	if len(records) == 0 {
		return nil, nil, io.EOF
	}
	return buf, records, nil
}

func (s *csvSource) row(buf []byte, records []record) ([]byte, []record, error) {
	s.in.left = s.in.max
	rec := record{start: len(buf), line: s.at, offset: -1}
	fields, err := s.csv.Read()
	parse, malformed := errors.AsType[*csv.ParseError](err)
	corrupt, damaged := errors.AsType[*corruptError](err)
	switch {
	case err == io.EOF:
		s.done = true
		return buf, records, nil
	case damaged:
		s.done = true
		rec.bad = source.NewProblem(dataset.ReasonCorruptInput, "%v; the rest of the file cannot be read", corrupt)
	case errors.Is(err, errMeter):
		s.done = true
		rec.bad = source.NewProblem(dataset.ReasonTooLarge, "%v; the rest of the file cannot be read", errMeter)
	case malformed && errors.Is(err, csv.ErrFieldCount):
		rec.bad = source.NewProblem(dataset.ReasonInvalidCSV, "the row has %d fields, and the first row %d", len(fields), len(s.names))
	case malformed:
		rec.bad = source.NewProblem(dataset.ReasonInvalidCSV, "%v in column %d", parse.Err, parse.Column)
	case err != nil:
		return buf, records, err
	}
	if len(fields) > 0 {
		rec.line = s.count(fields)
	}
	buf = s.object(buf, fields)
	rec.end = len(buf)
	if n := int64(rec.end - rec.start); n > int64(s.maxRecord) && rec.bad == nil {
		rec.bad = tooLarge(n, int64(s.maxRecord))
	}
	return buf, append(records, rec), nil
}

// count returns the number of lines before the row that was read last, and counts its own:
// a field may hold newlines.
func (s *csvSource) count(fields []string) int64 {
	row, _ := s.csv.FieldPos(0)
	s.at = int64(row)
	for _, f := range fields {
		s.at += int64(strings.Count(f, "\n"))
	}
	return int64(row) - 1
}

// object appends a row as a JSON object.
func (s *csvSource) object(buf []byte, fields []string) []byte {
	buf = append(buf, '{')
	for i, f := range fields[:min(len(fields), len(s.names))] {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(buf, s.names[i]...)
		buf = appendString(buf, []byte(f))
	}
	return append(buf, '}')
}
