package export

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
)

// Run writes one file: the positions of a plan, or the samples of a phase. ErrNoText,
// ErrOtherDataset, ErrGrowing, ErrExists, dataset.ErrCorrupt.
func Run(ctx context.Context, o Options) (Report, error) {
	if err := o.check(); err != nil {
		return Report{}, err
	}
	r := Report{Phase: o.Phase}
	if o.Plan != nil {
		r.Phase, r.PlanID = o.Plan.Config().Phase, o.Plan.ID()
	}
	var err error
	r.File, r.Same, err = Save(o.Output, o.Name, o.Force, func(w io.Writer) error {
		return o.Format.encode(w, o.counted(ctx, &r))
	})
	if err != nil {
		return Report{}, fmt.Errorf("%s: %w", o.Name, err)
	}
	return r, nil
}

// counted counts the rows that pass.
func (o *Options) counted(ctx context.Context, r *Report) iter.Seq2[*Row, error] {
	return func(yield func(*Row, error) bool) {
		for row, err := range o.rows(ctx) {
			if err == nil {
				r.Rows++
				r.Tokens += int64(row.PromptLength)
				r.MaxPrompt = max(r.MaxPrompt, row.PromptLength)
				if o.Format.Mark != "" && row.holds(o.Format.Mark) {
					r.Ambiguous++
				}
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

func (r *Row) holds(mark string) bool {
	for _, m := range r.Prompt {
		if strings.Contains(m.Content, mark) {
			return true
		}
	}
	return false
}
