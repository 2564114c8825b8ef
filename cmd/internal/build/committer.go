package build

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"sync"

	"github.com/longctx/pipeline/dataset"
)

// A committer gathers what the splits left into one manifest and a list of renames.
type committer struct {
	*build
	m       *dataset.Manifest
	results []splitResult
	ledger  map[dataset.Stage]*dataset.Ledger
	drop    map[int]map[string]bool // [split][sample id]: duplicates of an earlier split's sample
	near    *near                   // nil without near-deduplication
	moves   []move
	dirs    []string // folders below commitDir
	stale   []string // files of the dataset before
}

// load reads the account of every split.
func (c *committer) load(ctx context.Context) error {
	c.ledger = map[dataset.Stage]*dataset.Ledger{}
	for _, stage := range c.Stages {
		l := dataset.NewLedger(stage)
		c.ledger[stage] = &l
	}
	c.results = make([]splitResult, len(c.plan.Splits))
	var mu sync.Mutex
	return c.each(ctx, len(c.results), func(i int) error {
		r, err := c.readResult(i)
		if err != nil {
			return fmt.Errorf("split %d: %w", i, err)
		}
		mu.Lock()
		defer mu.Unlock()
		for stage, l := range r.Ledger {
			c.ledger[stage].Add(l)
		}
		r.Ledger, r.Files = nil, nil // of a hundred thousand splits, most of the memory
		c.results[i] = r
		return nil
	})
}

// number gives splits their first line by prefix sum, and splits and inputs their hashes.
func (c *committer) number(context.Context) error {
	if c.first() != dataset.StageIngest {
		return nil
	}
	sums := make([][]byte, len(c.m.Inputs))
	line := make([]int64, len(c.m.Inputs))
	for i, r := range c.results {
		s := &c.m.Splits[i]
		s.SHA256, s.FirstLine = r.SHA256, line[s.Input]+1
		line[s.Input] += r.Lines
		sum, err := hex.DecodeString(r.SHA256)
		if err != nil {
			return fmt.Errorf("split %d: hash %q: %w", i, r.SHA256, err)
		}
		sums[s.Input] = append(sums[s.Input], sum...)
	}
	for i := range c.m.Inputs {
		sum := sha256.Sum256(sums[i])
		c.m.Inputs[i].SHA256 = hex.EncodeToString(sum[:])
	}
	return nil
}

// settle finds the samples that an earlier split has too: the lowest (split, row) stays.
// The ledgers come out as if the later ones had been dropped at ingest.
func (c *committer) settle(ctx context.Context) error {
	if c.first() != dataset.StageIngest {
		return nil
	}
	c.drop = map[int]map[string]bool{}
	twice, err := c.repeated(ctx)
	if err != nil || len(twice) == 0 {
		return err
	}
	// Only what may be there twice is kept, and put in order.
	suspects := make([][]idRow, len(c.results))
	err = c.eachID(ctx, func(split int, row idRow) {
		if _, may := slices.BinarySearch(twice, prefix(row.ID)); may {
			suspects[split] = append(suspects[split], row)
		}
	})
	if err != nil {
		return err
	}
	seen := map[[16]byte]bool{}
	for i, rows := range suspects {
		for _, row := range rows {
			if seen[row.ID] {
				c.dropRow(i, row, dataset.ReasonDuplicate)
			}
			seen[row.ID] = true
		}
	}
	return nil
}

// repeated returns the prefixes, sorted, that more than one sample has: 8 bytes a sample of
// memory, a sixth of a map of whole ids.
func (c *committer) repeated(ctx context.Context) ([]uint64, error) {
	var mu sync.Mutex
	var all []uint64
	err := c.eachIDs(ctx, func(_ int, rows []idRow) {
		mu.Lock()
		defer mu.Unlock()
		for i := range rows {
			all = append(all, prefix(rows[i].ID))
		}
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(all)
	n := 0
	for i := 1; i < len(all); i++ {
		if all[i] == all[i-1] && (n == 0 || all[n-1] != all[i]) {
			all[n] = all[i]
			n++
		}
	}
	return all[:n], nil
}

// prefix is a part of an id that few others have: ids are hashes.
func prefix(id [16]byte) uint64 { return binary.BigEndian.Uint64(id[:]) }

// eachID calls do for every sample: splits side by side, the samples of one in their order.
func (c *committer) eachID(ctx context.Context, do func(split int, row idRow)) error {
	return c.eachIDs(ctx, func(split int, rows []idRow) {
		for _, row := range rows {
			do(split, row)
		}
	})
}

func (c *committer) eachIDs(ctx context.Context, do func(split int, rows []idRow)) error {
	return c.each(ctx, len(c.results), func(i int) error {
		for rows, err := range dataset.ReadRows[idRow](c.Output, path.Join(splitDir(i), idsFile)) {
			if err != nil {
				return err
			}
			do(i, rows)
		}
		return nil
	})
}

func (c *committer) dropRow(split int, row idRow, reason dataset.Reason) {
	if c.drop[split] == nil {
		c.drop[split] = map[string]bool{}
	}
	c.drop[split][hex.EncodeToString(row.ID[:])] = true
	notes := dataset.Notes(row.Notes)
	c.ledger[dataset.StageIngest].Redeem(reason, notes&dataset.IngestNotes)
	if l := c.ledger[dataset.StageTokenize]; l != nil {
		l.Forget(dataset.Reason(row.Refused), notes&dataset.TokenizeNotes)
	}
	if l := c.ledger[dataset.StageBucket]; l != nil && row.Refused == "" {
		reason := dataset.Reason("")
		if row.Phase == 0 {
			reason = dataset.ReasonOverlong
		}
		l.Forget(reason, 0)
	}
}

// placeShards names every shard, and rewrites those that hold duplicates.
func (c *committer) placeShards(ctx context.Context) error {
	next := map[shardKey]int{}
	for i, r := range c.results {
		for _, s := range r.Shards {
			from := path.Join(splitDir(i), s.Path)
			if len(c.drop[i]) > 0 {
				to := path.Join(commitDir, fmt.Sprintf("split-%05d-%s", i, s.Path))
				f, err := dataset.FilterShard(ctx, c.Output, from, to, c.layout(), c.drop[i])
				if err != nil {
					return err
				}
				f.Kind, f.Phase = s.Kind, s.Phase
				s, from = f, to
				c.addDir(commitDir)
			}
			if s.Rows == 0 {
				continue
			}
			key := shardKey{s.Kind, s.Phase}
			s.Split, s.Path = i, shardPath(key, next[key])
			next[key]++
			c.m.Shards = append(c.m.Shards, s)
			c.moves = append(c.moves, move{from, s.Path, s.Bytes})
		}
	}
	slices.SortStableFunc(c.m.Shards, func(a, b dataset.Shard) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Phase, b.Phase), cmp.Compare(a.Split, b.Split))
	})
	return nil
}

func shardPath(k shardKey, n int) string {
	switch k.kind {
	case dataset.KindMixed:
		return fmt.Sprintf("samples/shard-%05d.parquet", n)
	case dataset.KindSFT:
		return fmt.Sprintf("sft/phase-%d/shard-%05d.parquet", k.phase, n)
	}
	return fmt.Sprintf("phases/phase-%d/shard-%05d.parquet", k.phase, n)
}

// quarantine joins the splits' bad records into one file a stage, with line numbers of the
// whole input.
func (c *committer) quarantine(ctx context.Context) error {
	for _, stage := range c.Stages {
		var out *rejectFile
		to := path.Join("quarantine", string(stage)+".jsonl")
		aside := path.Join(commitDir, to)
		for i, r := range c.results {
			filed := slices.Contains(r.Quarantine, stage)
			var near []dataset.Reject
			if stage == dataset.StageIngest {
				var err error
				if near, err = c.near.rejects(i); err != nil {
					return err
				}
			}
			if !filed && len(near) == 0 {
				continue
			}
			if out == nil {
				f, err := dataset.CreateHashed(c.Output, aside)
				if err != nil {
					return err
				}
				buf := bufio.NewWriter(f)
				out = &rejectFile{file: f, buf: buf, enc: newRejectEncoder(buf)}
			}
			if filed {
				if err := c.copyRejects(i, stage, out.enc); err != nil {
					return err
				}
			}
			for _, r := range near {
				if err := out.enc.Encode(r); err != nil {
					return err
				}
			}
		}
		if out == nil {
			continue
		}
		if err := out.buf.Flush(); err != nil {
			return err
		}
		f, err := out.file.Finish()
		if err != nil {
			return err
		}
		if f.Bytes > 0 {
			c.addFile(aside, to, f)
		}
	}
	return nil
}

func (c *committer) copyRejects(split int, stage dataset.Stage, enc *json.Encoder) error {
	f, err := c.Output.Open(path.Join(splitDir(split), quarantineFile(stage)))
	if err != nil {
		return err
	}
	defer f.Close()
	dec := json.NewDecoder(bufio.NewReader(f))
	for {
		var r dataset.Reject
		if err := dec.Decode(&r); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if r.SampleID != "" && c.drop[split][r.SampleID] {
			continue
		}
		r.Line += c.m.Splits[split].FirstLine
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
}

// files carries over what the dataset before had, and writes the tokenizer's own files.
func (c *committer) files(context.Context) error {
	carried, err := c.job.carry()
	if err != nil {
		return err
	}
	for _, to := range sorted(carried) {
		aside := path.Join(commitDir, to)
		f, err := dataset.CreateHashed(c.Output, aside)
		if err != nil {
			return err
		}
		if _, err := f.Write(carried[to]); err != nil {
			f.Abort()
			return err
		}
		entry, err := f.Finish()
		if err != nil {
			return err
		}
		c.addFile(aside, to, entry)
	}
	slices.SortFunc(c.m.Files, func(a, b dataset.File) int { return cmp.Compare(a.Path, b.Path) })
	return nil
}

func (c *committer) addFile(aside, to string, f dataset.File) {
	c.addDir(path.Dir(aside))
	f.Path = to
	c.m.Files = append(c.m.Files, f)
	c.moves = append(c.moves, move{aside, to, f.Bytes})
}

func (c *committer) addDir(dir string) {
	if !slices.Contains(c.dirs, dir) {
		c.dirs = append(c.dirs, dir)
	}
}

// describe counts the phases and closes the books.
func (c *committer) describe(context.Context) error {
	if c.last() == dataset.StageBucket {
		c.m.Phases = c.Bucket.Ranges()
	}
	for _, s := range c.m.Shards {
		switch s.Kind {
		case dataset.KindRL:
			c.m.Phases[s.Phase-1].Samples += s.Rows
			c.m.Phases[s.Phase-1].Tokens += s.Tokens
		case dataset.KindSFT:
			c.m.Phases[s.Phase-1].SFTSamples += s.Rows
			c.m.Phases[s.Phase-1].SFTTokens += s.Tokens
		}
	}
	c.m.Ledger = c.plan.before
	for _, stage := range c.Stages {
		if err := c.ledger[stage].Balance(); err != nil {
			return err
		}
		c.m.Ledger = append(c.m.Ledger, *c.ledger[stage])
	}
	return nil
}

// replace finds what the dataset that stands in the folder has and the new one has not, to be
// removed. A file that no dataset of this folder has named is somebody's own: it is never
// replaced.
func (c *committer) replace(context.Context) error {
	old := map[string]bool{}
	switch m, err := dataset.ReadManifest(c.Output); {
	case err == nil:
		for _, s := range m.Shards {
			old[s.Path] = true
		}
		for _, f := range m.Files {
			old[f.Path] = true
		}
	case !errors.Is(err, dataset.ErrNoManifest) && !errors.Is(err, dataset.ErrCorrupt):
		return err
	}
	for _, mv := range c.moves {
		if _, err := fs.Stat(c.Output, mv.To); err == nil && !old[mv.To] {
			return fmt.Errorf("%w: %s", ErrForeign, mv.To)
		}
		delete(old, mv.To)
	}
	c.stale = sorted(old)
	return nil
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
