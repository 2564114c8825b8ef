package train

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"slices"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/history"
	"github.com/longctx/pipeline/train/rollout"
)

// heldOut returns up to n samples of a phase that no plan draws, the same in every run: those
// with the smallest ids. Of another dataset, kept for evaluation alone, the share is 1.
func heldOut(ctx context.Context, fsys fs.FS, m *dataset.Manifest, phase int32, share float64, n int) ([]rollout.Prompt, error) {
	type row struct {
		SampleID     string   `parquet:"sample_id"`
		DataSource   string   `parquet:"data_source,optional"`
		Answers      []string `parquet:"answers,list"`
		PromptTokens []int32  `parquet:"prompt_tokens,list"`
	}
	var out []rollout.Prompt
	for _, s := range m.Shards {
		if s.Kind != dataset.KindRL || s.Phase != phase {
			continue
		}
		for rows, err := range dataset.ReadRows[row](fsys, s.Path) {
			if err = cmp.Or(err, ctx.Err()); err != nil {
				return nil, fmt.Errorf("held-out samples: %w", err)
			}
			for i := range rows {
				id, err := history.ParseSampleID(rows[i].SampleID)
				if err != nil {
					return nil, fmt.Errorf("held-out samples: shard %s: %w: %w", s.Path, dataset.ErrCorrupt, err)
				}
				if !curriculum.HeldOut(id, share) {
					continue
				}
				out = append(out, rollout.Prompt{
					SampleID: id, DataSource: rows[i].DataSource, References: slices.Clone(rows[i].Answers), Tokens: slices.Clone(rows[i].PromptTokens),
					Phase: phase, OriginPhase: phase, Position: history.UnknownPosition,
				})
			}
			if len(out) > 4*n { // keep memory bounded
				out = smallest(out, n)
			}
		}
	}
	return smallest(out, n), nil
}

// smallest keeps the n prompts with the smallest ids, in their order.
func smallest(prompts []rollout.Prompt, n int) []rollout.Prompt {
	slices.SortFunc(prompts, func(a, b rollout.Prompt) int { return bytes.Compare(a.SampleID[:], b.SampleID[:]) })
	return prompts[:min(n, len(prompts))]
}
