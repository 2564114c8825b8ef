// Package clean looks at samples before they are tokenized: which tell too little to train on,
// which a benchmark holds, and by which signatures near duplicates will be found.
//
// Its rule: what is said of a sample depends on the sample and the options alone, so it does
// not matter where or how often it is looked at. What takes two samples to see, near
// duplicates, is settled by whoever has all of them, from the Near of each.
//
//	sample ─Look─▶ Verdict: a reason to drop it, notes, its Near
//
// A sample is a question on a document. For a chat, the text of its turns is the document.
//
//   - Near duplicates, by "sample": two samples whose questions, answers and responses are the
//     same words, on documents that are near each other or the same. Two different questions on
//     one document are two samples, and so is one question whose answer differs: the documents
//     then differ in what is asked. A sample without a document has its question for one.
//   - Near duplicates, by "document": every sample on a document that is near an earlier one. Samples on
//     one and the same document are never that.
//   - Contaminated: a run of 13 words of a benchmark's question or answer stands in the sample,
//     anywhere. A benchmark's question of fewer words counts where the sample has the same
//     question and one of its answers, as short questions ("Summarize the meeting.") are shared by strangers.
//
// The cost: one pass over a document's words for all of it, once for the many questions of a
// document, and 8 bytes a word while it is looked at.
package clean

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/ingest"
	"github.com/longctx/pipeline/ingest/dedup"
)

// What a near duplicate is one of.
const (
	BySample   = "sample"
	ByDocument = "document"
)

// Fields of a benchmark whose n-grams are looked for.
const (
	FieldQuestion = "question"
	FieldAnswer   = "answer"
	FieldContext  = "context"
)

// Defaults of Options.
const (
	DefaultNGram = 13 // as the first large decontaminations had it (GPT-3, arXiv 2005.14165, appendix C)
	LeastNGram   = 5
)

// NearEmptyWords is the number of words below which a document is near-empty.
const NearEmptyWords = 50

// Options say what to look for. The zero value looks for nothing.
type Options struct {
	NearDedup     float64        // Jaccard similarity of documents, in [0.5, 1]; 0: no near-deduplication
	NearDedupBy   string         // BySample (the default) or ByDocument
	Decontaminate []ingest.Input // benchmarks, in any format that ingest reads
	Fields        []string       // of the benchmarks; none: question and answer
	NGram         int            // words; 0: DefaultNGram
	Check         []string       // names of Checks to note
	Drop          []string       // names of Checks whose samples are dropped
}

// A check is a fact about one sample: a note on those that are kept, or a reason to drop them.
type check struct {
	note   dataset.Notes
	reason dataset.Reason
	detail string
}

var checks = []check{
	{dataset.NoteControl, dataset.ReasonControl, "a control character stands in its text"},
	{dataset.NoteNearEmpty, dataset.ReasonNearEmpty, fmt.Sprintf("the document has fewer than %d words", NearEmptyWords)},
	{dataset.NoteAnswerAbsent, dataset.ReasonAnswerAbsent, "no reference answer stands in the document"},
}

// Checks returns the names of all checks.
func Checks() []string {
	var names []string
	for _, c := range checks {
		names = append(names, string(c.reason))
	}
	return names
}

// Enabled reports whether there is anything to look for.
func (o *Options) Enabled() bool {
	return o.NearDedup > 0 || len(o.Decontaminate) > 0 || len(o.Check) > 0 || len(o.Drop) > 0
}

// Validate returns an error that names every option that cannot be.
func (o Options) Validate() error { return o.defaults() }

func (o *Options) defaults() error {
	if o.NearDedupBy == "" {
		o.NearDedupBy = BySample
	}
	if len(o.Fields) == 0 {
		o.Fields = []string{FieldQuestion, FieldAnswer}
	}
	if o.NGram == 0 {
		o.NGram = DefaultNGram
	}
	var errs []error
	if o.NearDedup != 0 {
		_, err := dedup.NewIndex(o.NearDedup, 0)
		errs = append(errs, err)
	}
	if o.NearDedupBy != BySample && o.NearDedupBy != ByDocument {
		errs = append(errs, fmt.Errorf("near duplicates by %q; they are by %s or by %s", o.NearDedupBy, BySample, ByDocument))
	}
	if o.NGram < LeastNGram {
		errs = append(errs, fmt.Errorf("n-grams of %d words; %d is the least that is evidence", o.NGram, LeastNGram))
	}
	errs = append(errs, known("field", o.Fields, []string{FieldQuestion, FieldAnswer, FieldContext}),
		known("check", o.Check, Checks()), known("check", o.Drop, Checks()))
	return errors.Join(errs...)
}

func known(what string, names, all []string) error {
	for _, n := range names {
		if !slices.Contains(all, n) {
			return fmt.Errorf("unknown %s %q; there are %s", what, n, strings.Join(all, ", "))
		}
	}
	return nil
}

// notesOf returns the notes of some checks.
func notesOf(names []string) dataset.Notes {
	var n dataset.Notes
	for _, c := range checks {
		if slices.Contains(names, string(c.reason)) {
			n |= c.note
		}
	}
	return n
}
