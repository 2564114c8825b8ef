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
	if in.Container == ContainerLines {
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

// checkLines returns an error if a text is one JSON value over many lines, or one list of
// records: read as lines, it would give nothing but rejects. A first line that is damaged, or
// the only one and cut off, is no such sign.
func (h *head) checkLines() error {
	if len(h.lines) == 0 {
		return nil
	}
	first := h.lines[0]
	text := bytes.TrimLeft(first.text, " \t\r")
	begun := !first.partial && source.IsBegun(text)
	objects := slices.ContainsFunc(h.lines, func(l headLine) bool { return !l.partial && source.IsObject(l.text) })
	switch {
	case len(text) == 0:
		return nil
	case text[0] == '[' && (begun || !objects):
		return errors.New("it begins with \"[\": the file is one JSON text, not JSON Lines; " +
			"`jq -c '.[]' FILE > FILE.jsonl` makes lines of it")
	case text[0] == '{' && begun && !objects && len(h.lines) > 1:
		return errors.New("the JSON value of its first line goes on in the second: the file is one JSON text, not JSON Lines; " +
			"`jq -c '.[]' FILE > FILE.jsonl` makes lines of it, `jq -c . FILE > FILE.jsonl` a line of each whole object")
	}
	return nil
}
