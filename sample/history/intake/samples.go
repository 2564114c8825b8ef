package intake

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"strings"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
)

// Samples finds the samples of a dataset by what reward files call them.
type Samples struct {
	ids         map[history.SampleID]struct{}
	bySource    map[string]match
	byPrompt    map[promptHash]match // nil: not loaded yet
	loadPrompts func() error         // nil: prompts cannot be decoded
}

// A match is the sample that has a name, and whether others have it too.
type match struct {
	id      history.SampleID
	several bool
}

type promptHash [16]byte

// hashPrompt hashes a prompt without the space around it, which trainers treat differently.
func hashPrompt(text string) promptHash {
	sum := sha256.Sum256([]byte(strings.TrimSpace(text)))
	return promptHash(sum[:16])
}

// LoadSamples reads the ids of a dataset's samples. decode, where it is not nil, returns the
// text of a prompt's tokens as a trainer's dump has it (special tokens skipped): then samples
// can be found by their prompts too. That decodes the whole dataset, when it is first needed;
// prompts are kept as hashes of 16 bytes.
func LoadSamples(ctx context.Context, fsys fs.FS, m *dataset.Manifest, decode func(tokens []int32) (string, error)) (*Samples, error) {
	s := &Samples{ids: map[history.SampleID]struct{}{}, bySource: map[string]match{}}
	for _, shard := range m.Shards {
		if err := s.loadIDs(ctx, fsys, shard); err != nil {
			return nil, fmt.Errorf("join: %w", err)
		}
	}
	if decode != nil {
		s.loadPrompts = func() error {
			s.byPrompt = map[promptHash]match{}
			for _, shard := range m.Shards {
				if err := s.loadShard(ctx, fsys, shard, decode); err != nil {
					return fmt.Errorf("join: %w", err)
				}
			}
			return nil
		}
	}
	return s, nil
}

func (s *Samples) loadIDs(ctx context.Context, fsys fs.FS, shard dataset.Shard) error {
	type row struct {
		SampleID string `parquet:"sample_id"`
		SourceID string `parquet:"source_id,optional"`
	}
	for rows, err := range dataset.ReadRows[row](fsys, shard.Path) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		for _, r := range rows {
			id, err := history.ParseSampleID(r.SampleID)
			if err != nil {
				return fmt.Errorf("%s: %w: %w", shard.Path, dataset.ErrCorrupt, err)
			}
			s.ids[id] = struct{}{}
			if r.SourceID != "" {
				other, there := s.bySource[r.SourceID]
				s.bySource[strings.Clone(r.SourceID)] = match{id, there && (other.several || other.id != id)}
			}
		}
	}
	return nil
}

func (s *Samples) loadShard(ctx context.Context, fsys fs.FS, shard dataset.Shard, decode func([]int32) (string, error)) error {
	type row struct {
		SampleID     string  `parquet:"sample_id"`
		PromptTokens []int32 `parquet:"prompt_tokens,list"`
	}
	for rows, err := range dataset.ReadRows[row](fsys, shard.Path) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		for _, r := range rows {
			id, err := history.ParseSampleID(r.SampleID)
			if err != nil {
				return fmt.Errorf("%s: %w: %w", shard.Path, dataset.ErrCorrupt, err)
			}
			text, err := decode(r.PromptTokens)
			if err != nil {
				return fmt.Errorf("%s: sample %v: %w", shard.Path, id, err)
			}
			h := hashPrompt(text)
			other, there := s.byPrompt[h]
			s.byPrompt[h] = match{id, there && (other.several || other.id != id)}
		}
	}
	return nil
}

// Len returns the number of samples.
func (s *Samples) Len() int { return len(s.ids) }

// byID finds a sample by its sample_id.
func (s *Samples) byID(text []byte) (history.SampleID, *problem) {
	id, err := history.ParseSampleID(text)
	if err != nil {
		return id, bad(ReasonUnknownSample, "%v", err)
	}
	if _, ok := s.ids[id]; !ok {
		return id, bad(ReasonUnknownSample, "the dataset has no sample %v", id)
	}
	return id, nil
}

// bySourceID finds a sample by the input's own id, which must be unique.
func (s *Samples) bySourceID(text string) (history.SampleID, *problem) {
	m, ok := s.bySource[text]
	switch {
	case !ok:
		return m.id, bad(ReasonUnknownSample, "the dataset has no sample with source_id %.80q", text)
	case m.several:
		return m.id, bad(ReasonAmbiguousSource, "several samples of the dataset have source_id %.80q; join on sample_id", text)
	}
	return m.id, nil
}

// byPromptText finds a sample by its decoded prompt, which must be unique.
func (s *Samples) byPromptText(text string) (history.SampleID, *problem) {
	if s.byPrompt == nil && s.loadPrompts != nil {
		if err := s.loadPrompts(); err != nil {
			return history.SampleID{}, &problem{fatal: err}
		}
	}
	m, ok := s.byPrompt[hashPrompt(text)]
	switch {
	case s.byPrompt == nil:
		return m.id, bad(ReasonUnknownSample, "the record has no sample_id, and the dataset no tokenizer to decode its prompts with")
	case !ok:
		return m.id, bad(ReasonUnknownSample, "no sample of the dataset has this prompt")
	case m.several:
		return m.id, bad(ReasonAmbiguousPrompt, "several samples of the dataset have this prompt; have the dump carry sample_id")
	}
	return m.id, nil
}
