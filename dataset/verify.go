package dataset

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Verified counts what Verify has read.
type Verified struct {
	Files, Rows, Tokens, Bytes int64
}

// Verify reads everything that the manifest names and checks hashes, counts, schema and
// ranges. The first damage is ErrCorrupt with its place.
func Verify(ctx context.Context, fsys fs.FS) (Verified, error) {
	var v Verified
	m, err := ReadManifest(fsys)
	if err != nil {
		return v, err
	}
	for _, l := range m.Ledger {
		if err := l.Balance(); err != nil {
			return v, fmt.Errorf("%s: %w: %w", ManifestName, ErrCorrupt, err)
		}
	}
	for _, f := range m.Files {
		if err := f.Check(fsys); err != nil {
			return v, err
		}
		v.Files++
		v.Bytes += f.Bytes
	}
	ids := map[string]bool{}
	for _, s := range m.Shards {
		if err := ctx.Err(); err != nil {
			return v, err
		}
		if err := s.Check(fsys); err != nil {
			return v, err
		}
		if err := verifyShard(fsys, m, s, ids); err != nil {
			return v, fmt.Errorf("%s: %w", s.Path, err)
		}
		v.Files++
		v.Rows += s.Rows
		v.Tokens += s.Tokens
		v.Bytes += s.Bytes
	}
	return v, verifyCounts(m)
}

func verifyShard(fsys fs.FS, m *Manifest, s Shard, ids map[string]bool) error {
	vocab := int32(0)
	if m.Tokenizer != nil {
		vocab = int32(m.Tokenizer.VocabSize)
	}
	switch m.Layout() {
	case LayoutIngest:
		return verifyRows(fsys, s, ids, vocab, func(r ingestRow) (checkedRow, error) {
			return checkedRow{id: r.SampleID, text: []string{r.Question, r.Context, r.Response, r.Messages, r.Meta}}, nil
		})
	case LayoutTokenize:
		return verifyRows(fsys, s, ids, vocab, func(r tokenRow) (checkedRow, error) {
			return checkedRow{r.SampleID, []string{r.Question, r.Context, r.Response, r.Messages, r.Meta}, r.tokenColumns}, nil
		})
	}
	phase := Phase{}
	if i := slices.IndexFunc(m.Phases, func(p Phase) bool { return p.Phase == s.Phase }); i >= 0 {
		phase = m.Phases[i]
	} else {
		return fmt.Errorf("%w: phase %d is not in the manifest", ErrCorrupt, s.Phase)
	}
	byPrompt := lengthIsPrompt(m)
	return verifyRows(fsys, s, ids, vocab, func(r Row) (checkedRow, error) {
		length := r.PromptLength
		if !byPrompt {
			length = r.QuestionContextLength
		}
		if r.Phase != s.Phase || length <= phase.Min || length > phase.Max {
			return checkedRow{}, fmt.Errorf("%w: phase %d and length %d, the shard holds phase %d, lengths (%d, %d]", ErrCorrupt, r.Phase, length, s.Phase, phase.Min, phase.Max)
		}
		if (s.Kind == KindSFT) != (r.ResponseTokens != nil) {
			return checkedRow{}, fmt.Errorf("%w: a shard of %s samples, and response_tokens is null: %v", ErrCorrupt, s.Kind, r.ResponseTokens == nil)
		}
		return checkedRow{r.SampleID, []string{r.Question, r.Context, r.Response, r.Messages, r.Meta}, r.tokenColumns}, nil
	})
}

func lengthIsPrompt(m *Manifest) bool {
	var c struct {
		Length string `json:"length"`
	}
	return json.Unmarshal(m.Config[StageBucket], &c) != nil || c.Length != "question+context"
}

// A checkedRow is what every layout has in common.
type checkedRow struct {
	id   string
	text []string
	tokenColumns
}

func verifyRows[R any](fsys fs.FS, s Shard, ids map[string]bool, vocab int32, view func(R) (checkedRow, error)) error {
	var n, tokens int64
	for rows, err := range ReadRows[R](fsys, s.Path) {
		if err != nil {
			return err
		}
		for _, r := range rows {
			c, err := view(r)
			if err == nil {
				err = c.check(ids, vocab)
			}
			if err != nil {
				return fmt.Errorf("row %d: %w", n, err)
			}
			n++
			tokens += int64(len(c.PromptTokens) + len(c.ResponseTokens))
		}
	}
	if n != s.Rows || tokens != s.Tokens {
		return fmt.Errorf("%w: manifest says %d rows and %d tokens, file has %d and %d", ErrCorrupt, s.Rows, s.Tokens, n, tokens)
	}
	return nil
}

func (c checkedRow) check(ids map[string]bool, vocab int32) error {
	if int(c.PromptLength) != len(c.PromptTokens) {
		return fmt.Errorf("%w: prompt_length is %d, prompt_tokens has %d", ErrCorrupt, c.PromptLength, len(c.PromptTokens))
	}
	for _, list := range [][]int32{c.PromptTokens, c.ResponseTokens} {
		for _, id := range list {
			if id < 0 || id >= vocab {
				return fmt.Errorf("%w: token id %d, the tokenizer has 0 to %d", ErrCorrupt, id, vocab-1)
			}
		}
	}
	if ids[c.id] {
		return fmt.Errorf("%w: sample %s is there twice", ErrCorrupt, c.id)
	}
	ids[c.id] = true
	for _, t := range c.text {
		if strings.ToValidUTF8(t, "") != t {
			return fmt.Errorf("%w: text is not UTF-8", ErrCorrupt)
		}
	}
	return nil
}

// verifyCounts compares the manifest's phases with its shards.
func verifyCounts(m *Manifest) error {
	for _, p := range m.Phases {
		want := p
		want.Samples, want.Tokens, want.SFTSamples, want.SFTTokens = 0, 0, 0, 0
		for _, s := range m.Shards {
			switch {
			case s.Phase != p.Phase:
			case s.Kind == KindSFT:
				want.SFTSamples += s.Rows
				want.SFTTokens += s.Tokens
			default:
				want.Samples += s.Rows
				want.Tokens += s.Tokens
			}
		}
		if p != want {
			return fmt.Errorf("%s: %w: phase %d counts %+v, its shards give %+v", ManifestName, ErrCorrupt, p.Phase, p, want)
		}
	}
	return nil
}
