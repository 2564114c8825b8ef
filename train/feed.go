package train

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/longctx/pipeline/sample/history"
	"github.com/longctx/pipeline/sample/stream"
	"github.com/longctx/pipeline/train/rollout"
)

// A feed hands out the prompts of a stage's plan, a generation batch at a time, and grows the plan
// when it has been read.
type feed struct {
	src      *stream.Source
	order    *order
	batch    int
	snapshot func() (*history.Snapshot, error)
	cursor   stream.Cursor // after what was handed out
	reader   *stream.Reader
}

// next returns the next prompts; io.EOF when the plan is spent.
func (f *feed) next(ctx context.Context) ([]rollout.Prompt, error) {
	for {
		if f.reader == nil {
			r, err := f.src.NewReader(ctx, stream.Options{Plans: f.order.plans(), Cursor: f.cursor, Batch: f.batch})
			if err != nil {
				return nil, err
			}
			f.reader = r
		}
		b, err := f.reader.Next()
		if err == nil {
			defer b.Release()
			f.cursor = b.Cursor
			return prompts(b)
		}
		if !errors.Is(err, io.EOF) || f.order.plan.Done() {
			return nil, err
		}
		f.close()
		snap, err := f.snapshot()
		if err != nil {
			return nil, err
		}
		if err := f.order.grow(ctx, snap); err != nil {
			return nil, fmt.Errorf("plan %s: %w", f.order.name, err)
		}
	}
}

func (f *feed) close() {
	if f.reader != nil {
		f.reader.Close()
		f.reader = nil
	}
}

// prompts copies the rows of a batch.
func prompts(b *stream.Batch) ([]rollout.Prompt, error) {
	rec := b.Record
	col := func(name string) int { return rec.Schema().FieldIndices(name)[0] }
	position, epoch := rec.Column(col("position")).(*array.Int64), rec.Column(col("epoch")).(*array.Int32)
	ids, question := rec.Column(col("sample_id")).(*array.String), rec.Column(col("question")).(*array.String)
	phase, origin := rec.Column(col("phase")).(*array.Int32), rec.Column(col("origin_phase")).(*array.Int32)
	source := rec.Column(col("data_source")).(*array.String)
	tokens, answers := rec.Column(col("prompt_tokens")).(*array.List), rec.Column(col("answers")).(*array.List)
	out := make([]rollout.Prompt, rec.NumRows())
	for i := range out {
		id, err := history.ParseSampleID(ids.Value(i))
		if err != nil {
			return nil, err
		}
		p := &out[i]
		*p = rollout.Prompt{
			SampleID: id, Position: position.Value(i), Epoch: epoch.Value(i), Phase: phase.Value(i), OriginPhase: origin.Value(i),
			Question: clone(question.Value(i)), DataSource: clone(source.Value(i)),
		}
		from, to := tokens.ValueOffsets(i)
		p.Tokens = append(p.Tokens, tokens.ListValues().(*array.Int32).Int32Values()[from:to]...)
		from, to = answers.ValueOffsets(i)
		for j := from; j < to; j++ {
			p.References = append(p.References, clone(answers.ListValues().(*array.String).Value(int(j))))
		}
	}
	return out, nil
}

// clone copies a text out of a batch's memory.
func clone(s string) string { return string([]byte(s)) }
