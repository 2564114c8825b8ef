package rehearsal

import (
	"fmt"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/longctx/pipeline/dataset"
)

// Dataset writes the samples as a finished dataset. Documents are a few words: the lengths are
// those of the samples, not of what is written.
func Dataset(fsys dataset.FS, samples []Sample) (*dataset.Manifest, error) {
	m := &dataset.Manifest{
		Stage: dataset.StageBucket, Config: dataset.Config{}, Template: &dataset.Template{Prompt: "none", Chat: "none"},
		Inputs: []dataset.Input{{Name: "rehearsal.jsonl", Format: "jsonl"}},
	}
	l := dataset.NewLedger(dataset.StageBucket)
	low := int32(0)
	for n, high := range Phases {
		phase := dataset.Phase{Phase: int32(n + 1), Min: low, Max: high}
		low = high
		s, err := shard(fsys, samples, &phase)
		if err != nil {
			return nil, err
		}
		l.In, l.Kept = l.In+phase.Samples, l.Kept+phase.Samples
		m.Shards, m.Phases = append(m.Shards, s), append(m.Phases, phase)
	}
	m.Ledger = []dataset.Ledger{l}
	data, err := m.Seal()
	if err != nil {
		return nil, err
	}
	_, err = dataset.WriteFile(fsys, dataset.ManifestName, data)
	return m, err
}

// batchRows bounds the rows of a batch.
const batchRows = 512

func shard(fsys dataset.FS, samples []Sample, phase *dataset.Phase) (dataset.Shard, error) {
	w, err := dataset.NewShardWriter(fsys, fmt.Sprintf("phases/phase-%d/shard-00000.parquet", phase.Phase), dataset.LayoutFull)
	if err != nil {
		return dataset.Shard{}, err
	}
	b, tokens := dataset.NewBatchBuilder(), dataset.NewTokenBuilder()
	defer b.Release()
	defer tokens.Release()
	rows := 0
	flush := func() error {
		defer func() { rows = 0 }()
		if rows == 0 {
			return nil
		}
		phases := array.NewInt32Builder(memory.DefaultAllocator)
		order := make([]int, rows)
		for i := range rows {
			phases.Append(phase.Phase)
			order[i] = i
		}
		rec := dataset.Extend(b.Batch(), dataset.BucketSchema, append(tokens.Columns(), arrow.Array(phases.NewArray()))...)
		defer rec.Release()
		return w.Append(dataset.ViewBatch(rec), order)
	}
	ids := make([]int32, Phases[len(Phases)-1])
	for i := range samples {
		s := &samples[i]
		if s.Phase != phase.Phase {
			continue
		}
		row := s.row(i)
		b.Append(&row, dataset.Place{})
		tokens.Append(dataset.Tokens{Prompt: ids[:s.Length], QuestionContextLength: s.Length})
		phase.Samples++
		phase.Tokens += int64(s.Length)
		if rows++; rows == batchRows {
			if err := flush(); err != nil {
				return dataset.Shard{}, err
			}
		}
	}
	if err := flush(); err != nil {
		return dataset.Shard{}, err
	}
	out, err := w.Finish()
	out.Kind, out.Phase = dataset.KindRL, phase.Phase
	return out, err
}

func (s *Sample) row(n int) dataset.Sample {
	return dataset.Sample{
		ID: s.ID.String(), SourceID: fmt.Sprintf("%s-%05d", s.Task, n), Source: []string{"reports.jsonl", "minutes.jsonl"}[n%2], DataSource: s.Task,
		Question: "Who keeps number " + fmt.Sprint(n) + ", and since when?", Answers: []string{s.Answer},
		Context: strings.Repeat("The minutes of the meeting were read and approved. ", 8),
	}
}
