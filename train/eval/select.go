package eval

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/curriculum"
)

// A Selection says which samples are asked. Its zero value: all RL samples of the dataset.
type Selection struct {
	Phase int32  `json:"phase"` // 0: of every phase
	Plan  string `json:"plan"`  // id of a plan: its samples, each once; empty: not by a plan
	Limit int64  `json:"limit"` // so many at most, chosen by Seed; 0: all
	Seed  uint64 `json:"seed"`
}

// A Sample is one that was chosen.
type Sample struct {
	ID           string
	DataSource   string
	PromptLength int32
}

// Samples are the chosen samples of a dataset, in its order.
type Samples struct {
	fsys   fs.FS
	m      *dataset.Manifest
	phase  int32
	List   []Sample
	chosen map[string]bool
}

// Select chooses samples. A limit takes those with the smallest hashes of seed and id, so that
// a larger limit has all samples of a smaller one. plan may be nil.
func Select(ctx context.Context, fsys fs.FS, m *dataset.Manifest, sel Selection, plan *curriculum.Plan) (*Samples, error) {
	if m.Stage != dataset.StageBucket {
		return nil, fmt.Errorf("the dataset is through %s only: it has no phases", m.Stage)
	}
	if sel.Phase < 0 || int(sel.Phase) > len(m.Phases) {
		return nil, fmt.Errorf("phase %d: the dataset has %d", sel.Phase, len(m.Phases))
	}
	s := &Samples{fsys: fsys, m: m, phase: sel.Phase, chosen: map[string]bool{}}
	var planned map[string]bool
	if plan != nil {
		var err error
		if planned, err = ofPlan(plan, m); err != nil {
			return nil, err
		}
	}
	type row struct {
		SampleID     string `parquet:"sample_id"`
		DataSource   string `parquet:"data_source,optional"`
		PromptLength int32  `parquet:"prompt_length"`
	}
	for r, err := range rowsOf[row](ctx, s) {
		if err != nil {
			return nil, err
		}
		if planned == nil || planned[r.SampleID] {
			s.List = append(s.List, Sample{strings.Clone(r.SampleID), strings.Clone(r.DataSource), r.PromptLength})
		}
	}
	s.cut(sel)
	for i := range s.List {
		s.chosen[s.List[i].ID] = true
	}
	return s, nil
}

func ofPlan(plan *curriculum.Plan, m *dataset.Manifest) (map[string]bool, error) {
	if err := plan.Check(m); err != nil {
		return nil, err
	}
	planned := map[string]bool{}
	for entries, err := range plan.Entries(0) {
		if err != nil {
			return nil, err
		}
		for i := range entries {
			planned[strings.Clone(entries[i].SampleID)] = true
		}
	}
	return planned, nil
}

// cut keeps as many samples as the selection allows.
func (s *Samples) cut(sel Selection) {
	if sel.Limit <= 0 || sel.Limit >= int64(len(s.List)) {
		return
	}
	hashes := make(map[string]uint64, len(s.List))
	for i := range s.List {
		hashes[s.List[i].ID] = hashOf(sel.Seed, s.List[i].ID, -1)
	}
	limit := slices.Sorted(maps.Values(hashes))[sel.Limit-1]
	s.List = slices.DeleteFunc(s.List, func(x Sample) bool { return hashes[x.ID] > limit })
}

// hashOf is a random number that belongs to a response.
func hashOf(seed uint64, sampleID string, index int) uint64 {
	h := sha256.New()
	var n [16]byte
	binary.LittleEndian.PutUint64(n[:], seed)
	binary.LittleEndian.PutUint64(n[8:], uint64(index))
	h.Write(n[:])
	h.Write([]byte(sampleID))
	return binary.LittleEndian.Uint64(h.Sum(nil))
}

// SeedOf is the seed of a response: servers take 31 bits everywhere.
func SeedOf(seed uint64, sampleID string, index int) int64 {
	return int64(hashOf(seed, sampleID, index) & (1<<31 - 1))
}

// rowsOf reads columns of the RL shards.
func rowsOf[R any](ctx context.Context, s *Samples) iter.Seq2[*R, error] {
	return func(yield func(*R, error) bool) {
		for _, shard := range s.m.Shards {
			if shard.Kind != dataset.KindRL || s.phase > 0 && shard.Phase != s.phase {
				continue
			}
			for rows, err := range dataset.ReadRows[R](s.fsys, shard.Path) {
				if err == nil {
					err = ctx.Err()
				}
				if err != nil {
					yield(nil, err)
					return
				}
				for i := range rows {
					if !yield(&rows[i], nil) {
						return
					}
				}
			}
		}
	}
}

// A Question is a sample with what is needed to ask it, or to score responses to it. Columns
// that were not asked for are empty. It is valid until the next step.
type Question struct {
	SampleID   string   `parquet:"sample_id"`
	SourceID   string   `parquet:"source_id,optional"`
	DataSource string   `parquet:"data_source,optional"`
	Answers    []string `parquet:"answers,list"`

	PromptLength int32 `parquet:"prompt_length"`
}

type textQuestion struct {
	Question
	Text string `parquet:"question"`
}

type fullQuestion struct {
	textQuestion
	Context  string `parquet:"context"`
	Messages string `parquet:"messages,optional"`
}

type idQuestion struct {
	Question
	PromptTokens []int32 `parquet:"prompt_tokens,list"`
}

// each reads the chosen samples with the columns of R.
func each[R any](ctx context.Context, s *Samples, id func(*R) string) iter.Seq2[*R, error] {
	return func(yield func(*R, error) bool) {
		for r, err := range rowsOf[R](ctx, s) {
			if err == nil && !s.chosen[id(r)] {
				continue
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}
