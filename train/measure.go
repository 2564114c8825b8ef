package train

import (
	"errors"
	"io"
)

// measure records the difficulty of every sample of a phase for the policy as it is. It learns
// nothing; its outcomes are those of phase 0, which the source "start" reads.
func (r *run) measure(s *Stage) (ended string, err error) {
	f, err := r.openFeed(s)
	if err != nil {
		return "", err
	}
	defer f.close()
	for {
		started := r.Now()
		prompts, err := f.next(r.ctx)
		if errors.Is(err, io.EOF) {
			return "all samples are measured", nil
		}
		if err != nil {
			return "", err
		}
		groups, err := r.generate(r.ctx, s, prompts)
		if err != nil {
			return "", err
		}
		if err := r.record(s, groups); err != nil {
			return "", err
		}
		b := &batch{stage: s}
		b.add(groups)
		record := b.record()
		r.state.Segments, r.state.Cursor = f.order.segments(), f.cursor
		if err := r.stepped(s, record, started); err != nil {
			return "", err
		}
	}
}
