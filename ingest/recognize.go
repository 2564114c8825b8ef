package ingest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/ingest/source"
)

// recognizeRecords is how many records of a file decide its format. They must all agree.
const recognizeRecords = 4

// recognizeChunk is the size of the chunk read for that: small, as a plan may have many files.
const recognizeChunk = 64 << 10

// A head is the beginning of a file: what decides how it is read.
type head struct {
	lines   []headLine // the first ones that are not blank, also those that cannot be read; at most recognizeRecords
	records [][]byte   // the first that can be
}

type headLine struct {
	text    []byte
	partial bool // the line is over the limit, and this its beginning
}

// readHead reads the first records of a file; of lines always the same ones, however small
// its splits are.
func readHead(ctx context.Context, in Planned, split dataset.Split, o Options) (h head, err error) {
	if in.inLines() {
		split.End = in.Bytes
	}
	r, err := openSplit(ctx, in, split, o, recognizeChunk)
	if err != nil {
		return h, err
	}
	defer r.Close()
	for len(h.records) < recognizeRecords {
		c, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return h, err
		}
		for _, rec := range c.records {
			h.add(&c, rec)
		}
	}
	return h, nil
}

func (h *head) add(c *Chunk, rec record) {
	text := c.bytes(rec)
	if rec.bad == nil && len(h.records) < recognizeRecords {
		h.records = append(h.records, text)
	}
	if rec.excerpt != nil {
		text = rec.excerpt
	}
	if len(h.lines) < recognizeRecords {
		h.lines = append(h.lines, headLine{text, rec.bad != nil})
	}
}

// layout tells lines from one JSON text over the whole file, or returns an error where the text
// is neither: it would give nothing but rejects. A first line that is damaged, or the only one
// and cut off, is still a line.
func (h *head) layout() (Layout, error) {
	if len(h.lines) == 0 {
		return LayoutLines, nil
	}
	first := h.lines[0]
	text := bytes.TrimLeft(first.text, " \t\r")
	begun := first.partial || source.IsBegun(text)
	objects := slices.ContainsFunc(h.lines, func(l headLine) bool { return !l.partial && source.IsObject(l.text) })
	whole := begun || len(h.lines) == 1
	switch {
	case len(text) == 0:
	case text[0] == '[' && (begun || whole && !objects):
		return LayoutElements, nil
	case text[0] == '[' && !objects:
		return "", errors.New("it begins with \"[\", and its lines are no JSON objects")
	case text[0] == '{' && whole && h.named():
		return LayoutElements, nil
	case text[0] == '{' && begun && !first.partial && !objects && len(h.lines) > 1:
		return "", errors.New("the JSON value of its first line goes on in the second, and the file is no list of records: " +
			"`jq -c . FILE > FILE.jsonl` makes a line of each whole object")
	}
	return LayoutLines, nil
}

// named reports whether the text is one object whose values are all objects, as far as the head
// goes: no record is such.
func (h *head) named() bool {
	var text []byte
	for _, l := range h.lines {
		text = append(append(text, l.text...), '\n')
	}
	fields := 0
	for _, v := range source.Value(bytes.TrimSpace(text)).Fields() {
		if v.Kind() != source.KindObject {
			return false
		}
		fields++
	}
	return fields > 0
}
