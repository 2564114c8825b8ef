package dataset

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"slices"
)

// A Diff says what changed from dataset A to dataset B.
type Diff struct {
	A       string        `json:"a"` // ids of the manifests
	B       string        `json:"b"`
	Made    []Change      `json:"made"`   // stage, config, tokenizer, template, phases
	Inputs  []Change      `json:"inputs"` // by name: format, size or content
	Samples SampleDiff    `json:"samples"`
	Phases  []PhaseDiff   `json:"phases"`
	Account []AccountDiff `json:"account"` // of the ledgers, where it differs
}

// SampleDiff counts samples by their content hash.
type SampleDiff struct {
	A           int64  `json:"a"`
	B           int64  `json:"b"`
	Added       int64  `json:"added"`   // in B alone
	Removed     int64  `json:"removed"` // in A alone
	Same        int64  `json:"same"`
	Moved       []Move `json:"moved"`        // in both, in another phase
	OtherLength int64  `json:"other_length"` // in both, with another prompt length
}

// A Move counts the samples that went from one phase to another.
type Move struct {
	From    int32 `json:"from"`
	To      int32 `json:"to"`
	Samples int64 `json:"samples"`
}

// PhaseDiff compares the samples of one kind in one phase. Before bucket there is phase 0 alone.
type PhaseDiff struct {
	Kind     Kind  `json:"kind"`
	Phase    int32 `json:"phase"`
	SamplesA int64 `json:"samples_a"`
	SamplesB int64 `json:"samples_b"`
	TokensA  int64 `json:"tokens_a"`
	TokensB  int64 `json:"tokens_b"`
}

// AccountDiff is one figure of a stage's ledger. Example: {"ingest", "drop", "duplicate", 3, 7}
type AccountDiff struct {
	Stage Stage  `json:"stage"`
	What  string `json:"what"` // in, kept, drop, note
	Name  string `json:"name,omitempty"`
	A     int64  `json:"a"`
	B     int64  `json:"b"`
}

// A SampleChange is one sample that was added, removed or moved; phase 0 stands for none.
type SampleChange struct {
	Change   string `json:"change"` // added, removed, moved
	SampleID string `json:"sample_id"`
	From     int32  `json:"from,omitzero"`
	To       int32  `json:"to,omitzero"`
}

// Same reports whether nothing differs.
func (d *Diff) Same() bool { return d.A == d.B }

// Compare compares two datasets. Each, which may be nil, gets every changed sample in the order of
// the ids. It holds 28 bytes for each sample of both, and reads ids and lengths alone.
func Compare(ctx context.Context, fsA, fsB fs.FS, a, b *Manifest, each func(SampleChange) error) (Diff, error) {
	d := Diff{A: a.ID, B: b.ID, Made: []Change{}, Inputs: []Change{}, Account: []AccountDiff{}, Samples: SampleDiff{Moved: []Move{}}}
	d.Phases = diffPhases(a, b)
	type made struct {
		Stage     Stage      `json:"stage"`
		Config    Config     `json:"config"`
		Tokenizer *Tokenizer `json:"tokenizer"`
		Template  *Template  `json:"template"`
	}
	changes, err := Changes(made{a.Stage, a.Config, a.Tokenizer, a.Template}, made{b.Stage, b.Config, b.Tokenizer, b.Template})
	if err != nil {
		return d, err
	}
	d.Made = append(d.Made, changes...)
	if changes, err = Changes(inputsByName(a), inputsByName(b)); err != nil {
		return d, err
	}
	d.Inputs = append(d.Inputs, changes...)
	d.Account = append(d.Account, diffAccounts(a, b)...)
	before, err := places(ctx, fsA, a)
	if err != nil {
		return d, fmt.Errorf("dataset A: %w", err)
	}
	after, err := places(ctx, fsB, b)
	if err != nil {
		return d, fmt.Errorf("dataset B: %w", err)
	}
	return d, d.samples(before, after, each)
}

func inputsByName(m *Manifest) map[string]Input {
	byName := map[string]Input{}
	for _, in := range m.Inputs {
		byName[in.Name] = in
	}
	return byName
}

// A where is what is compared of one sample.
type where struct {
	id     [16]byte
	phase  int32
	length int32
}

// places reads where every sample of a dataset is, sorted by id.
func places(ctx context.Context, fsys fs.FS, m *Manifest) ([]where, error) {
	var n int64
	for _, s := range m.Shards {
		n += s.Rows
	}
	all := make([]where, 0, n)
	for _, s := range m.Shards {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		add := func(id string, length int32) error {
			w := where{phase: s.Phase, length: length}
			if k, err := hex.Decode(w.id[:], []byte(id)); err != nil || k != len(w.id) {
				return fmt.Errorf("read shard %s: %w: sample id %q", s.Path, ErrCorrupt, id)
			}
			all = append(all, w)
			return nil
		}
		if err := eachID(fsys, s, m.Stage != StageIngest, add); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(x, y where) int { return bytes.Compare(x.id[:], y.id[:]) })
	return all, nil
}

func eachID(fsys fs.FS, s Shard, tokenized bool, add func(id string, length int32) error) error {
	type idRow struct {
		SampleID string `parquet:"sample_id"`
	}
	type lengthRow struct {
		SampleID     string `parquet:"sample_id"`
		PromptLength int32  `parquet:"prompt_length"`
	}
	if tokenized {
		return eachRow(fsys, s.Path, func(r lengthRow) error { return add(r.SampleID, r.PromptLength) })
	}
	return eachRow(fsys, s.Path, func(r idRow) error { return add(r.SampleID, 0) })
}

func eachRow[R any](fsys fs.FS, name string, yield func(R) error) error {
	for rows, err := range ReadRows[R](fsys, name) {
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := yield(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// samples walks through both lists side by side.
func (d *Diff) samples(a, b []where, each func(SampleChange) error) error {
	s := &d.Samples
	s.A, s.B = int64(len(a)), int64(len(b))
	moved := map[Move]int64{}
	tell := func(c SampleChange, id [16]byte) error {
		if each == nil {
			return nil
		}
		c.SampleID = hex.EncodeToString(id[:])
		return each(c)
	}
	for len(a) > 0 || len(b) > 0 {
		order := 0
		switch {
		case len(a) == 0:
			order = 1
		case len(b) == 0:
			order = -1
		default:
			order = bytes.Compare(a[0].id[:], b[0].id[:])
		}
		var err error
		switch {
		case order < 0:
			s.Removed++
			err = tell(SampleChange{Change: "removed", From: a[0].phase}, a[0].id)
			a = a[1:]
		case order > 0:
			s.Added++
			err = tell(SampleChange{Change: "added", To: b[0].phase}, b[0].id)
			b = b[1:]
		default:
			s.Same++
			if a[0].length != b[0].length {
				s.OtherLength++
			}
			if a[0].phase != b[0].phase {
				moved[Move{From: a[0].phase, To: b[0].phase}]++
				err = tell(SampleChange{Change: "moved", From: a[0].phase, To: b[0].phase}, a[0].id)
			}
			a, b = a[1:], b[1:]
		}
		if err != nil {
			return err
		}
	}
	for m, n := range moved {
		m.Samples = n
		s.Moved = append(s.Moved, m)
	}
	slices.SortFunc(s.Moved, func(x, y Move) int { return cmp.Or(cmp.Compare(x.From, y.From), cmp.Compare(x.To, y.To)) })
	return nil
}

func diffPhases(a, b *Manifest) []PhaseDiff {
	type key struct {
		kind  Kind
		phase int32
	}
	all := map[key]*PhaseDiff{}
	at := func(s Shard) *PhaseDiff {
		k := key{s.Kind, s.Phase}
		if all[k] == nil {
			all[k] = &PhaseDiff{Kind: s.Kind, Phase: s.Phase}
		}
		return all[k]
	}
	for _, s := range a.Shards {
		p := at(s)
		p.SamplesA += s.Rows
		p.TokensA += s.Tokens
	}
	for _, s := range b.Shards {
		p := at(s)
		p.SamplesB += s.Rows
		p.TokensB += s.Tokens
	}
	out := []PhaseDiff{}
	for _, p := range all {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(x, y PhaseDiff) int { return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Phase, y.Phase)) })
	return out
}

func diffAccounts(a, b *Manifest) []AccountDiff {
	var out []AccountDiff
	for _, stage := range []Stage{StageIngest, StageTokenize, StageBucket} {
		x, y := a.LedgerOf(stage), b.LedgerOf(stage)
		add := func(what, name string, a, b int64) {
			if a != b {
				out = append(out, AccountDiff{stage, what, name, a, b})
			}
		}
		add("in", "", x.In, y.In)
		add("kept", "", x.Kept, y.Kept)
		drops := copyOf(x.Drops)
		maps.Copy(drops, y.Drops)
		for _, r := range slices.Sorted(maps.Keys(drops)) {
			add("drop", string(r), x.Drops[r], y.Drops[r])
		}
		notes := copyOf(x.Notes)
		maps.Copy(notes, y.Notes)
		for _, n := range slices.Sorted(maps.Keys(notes)) {
			add("note", n, x.Notes[n], y.Notes[n])
		}
	}
	return out
}

// copyOf copies a map that may be nil.
func copyOf[K comparable](m map[K]int64) map[K]int64 {
	c := map[K]int64{}
	maps.Copy(c, m)
	return c
}
