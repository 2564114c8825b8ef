package ingest

import (
	"context"
	"errors"
	"io"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/ingest/source"
)

// recognizeRecords is how many records of a file decide its format. They must all agree.
const recognizeRecords = 4

// recognizeChunk is the size of the chunk read for that: small, as a plan may have many files.
const recognizeChunk = 64 << 10

// recognizeFormat names the family of a file's first records.
func recognizeFormat(ctx context.Context, in Planned, split dataset.Split, o Options) (string, error) {
	r, err := openSplit(ctx, in, split, o, recognizeChunk)
	if err != nil {
		return "", err
	}
	defer r.Close()
	var records [][]byte
	for len(records) < recognizeRecords {
		c, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		for _, rec := range c.records {
			if rec.bad == nil && len(records) < recognizeRecords {
				records = append(records, c.bytes(rec))
			}
		}
	}
	return source.Recognize(records).Name, nil
}
