// Package bucket is stage 3: it gives every sample its phase, from its length.
//
// Its rule: phase k holds the samples whose length is in the half-open range
// (max of phase k-1, max of phase k], so the phases partition the samples
// (QwenLong-L1, arXiv 2505.17667 eq. 9). What is longer than the last phase is overlong
// and gets none.
package bucket

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/longctx/pipeline/dataset"
)

// What a phase's range is measured on.
const (
	LengthPrompt          = "prompt"           // the whole rendered prompt
	LengthQuestionContext = "question+context" // the paper's |x| + |c|, without template
)

// Options decide the phases.
type Options struct {
	Phases []int32 `json:"phases"`  // the longest length of each phase, in tokens, ascending
	Length string  `json:"length"`  // LengthPrompt or LengthQuestionContext
	NoText bool    `json:"no_text"` // shards without question, context, response, messages, meta
}

// Validate returns an error that names the first option that cannot be used.
func (o Options) Validate() error {
	if len(o.Phases) == 0 {
		return fmt.Errorf("phases: none given")
	}
	for i, m := range o.Phases {
		if m <= 0 {
			return fmt.Errorf("phases: %d is not a length in tokens", m)
		}
		if i > 0 && m <= o.Phases[i-1] {
			return fmt.Errorf("phases: %d does not ascend after %d", m, o.Phases[i-1])
		}
	}
	if o.Length != LengthPrompt && o.Length != LengthQuestionContext {
		return fmt.Errorf("length: %q is neither %q nor %q", o.Length, LengthPrompt, LengthQuestionContext)
	}
	return nil
}

// Ranges returns the phases without their counts.
func (o Options) Ranges() []dataset.Phase {
	phases := make([]dataset.Phase, len(o.Phases))
	minimum := int32(0)
	for i, m := range o.Phases {
		phases[i] = dataset.Phase{Phase: int32(i + 1), Min: minimum, Max: m}
		minimum = m
	}
	return phases
}

// Phase returns the phase, from 1, of a length in tokens; ok is false where it is overlong.
func (o Options) Phase(length int32) (phase int32, ok bool) {
	i, _ := slices.BinarySearch(o.Phases, length)
	return int32(i + 1), i < len(o.Phases)
}

// Assign adds the column phase to a batch of dataset.TokenizeSchema; it is null where the
// sample is overlong. The caller releases both batches.
func (o Options) Assign(rec arrow.Record) arrow.Record {
	v := dataset.ViewBatch(rec)
	b := array.NewInt32Builder(memory.DefaultAllocator)
	defer b.Release()
	b.Reserve(v.Rows())
	for i := range v.Rows() {
		t := v.Tokens(i)
		length := int32(len(t.Prompt))
		if o.Length == LengthQuestionContext {
			length = t.QuestionContextLength
		}
		if p, ok := o.Phase(length); ok {
			b.Append(p)
		} else {
			b.AppendNull()
		}
	}
	return dataset.Extend(rec, dataset.BucketSchema, b.NewArray())
}
