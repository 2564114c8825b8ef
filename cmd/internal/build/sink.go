package build

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/longctx/pipeline/dataset"
)

// Files of a finished split, in .work/split-00003.
const (
	resultFile = "result.json"
	idsFile    = "ids.parquet"
)

func splitDir(i int) string { return fmt.Sprintf("%s/split-%05d", workDir, i) }

// asideDir is where a split is written until it is finished.
func asideDir(split int, attempt string) string {
	if attempt != "" {
		return splitDir(split) + "." + attempt + ".tmp"
	}
	return splitDir(split) + ".tmp"
}

// A splitResult is the account of one finished split.
type splitResult struct {
	Plan       string                           `json:"plan"`   // id of the plan that it is a split of
	SHA256     string                           `json:"sha256"` // of the bytes read
	Lines      int64                            `json:"lines"`
	Ledger     map[dataset.Stage]dataset.Ledger `json:"ledger"`
	Shards     []dataset.Shard                  `json:"shards"`     // paths relative to the split's folder
	Quarantine []dataset.Stage                  `json:"quarantine"` // stages that have a file
	Files      []dataset.File                   `json:"files"`      // every file of the folder but this account
}

// An idRow is what commit must know of every sample, written or not, to settle duplicates.
type idRow struct {
	ID      [16]byte `parquet:"id"`
	Kind    string   `parquet:"kind,dict"`
	Phase   int32    `parquet:"phase"` // 0: overlong, or refused, or a stage without phases
	Refused string   `parquet:"refused,dict,optional"`
	Notes   int32    `parquet:"notes"`
}

type shardKey struct {
	kind  dataset.Kind
	phase int32
}

// A sink takes the outputs of one split in order and writes its folder, aside.
type sink struct {
	b       *build
	split   int
	dir     string // aside
	layout  dataset.Layout
	ledger  map[dataset.Stage]*dataset.Ledger
	shards  map[shardKey]dataset.ShardWriter
	bad     map[dataset.Stage]*rejectFile
	seen    map[[16]byte]bool // nil where the input is free of duplicates
	ids     []idRow
	near    *nearRows          // nil without near-deduplication
	pending map[shardKey][]int // rows of the batch in hand
}

func newSink(b *build, split int) (*sink, error) {
	s := &sink{
		b: b, split: split, dir: asideDir(split, b.attempt),
		layout: b.layout(),
		ledger: map[dataset.Stage]*dataset.Ledger{},
		shards: map[shardKey]dataset.ShardWriter{}, bad: map[dataset.Stage]*rejectFile{},
		pending: map[shardKey][]int{},
	}
	for _, stage := range b.Stages {
		l := dataset.NewLedger(stage)
		s.ledger[stage] = &l
	}
	if b.first() == dataset.StageIngest {
		s.seen = map[[16]byte]bool{}
		if b.Clean.NearDedup > 0 {
			s.near = &nearRows{documents: map[xxh3.Uint128]int32{}}
		}
	}
	return s, b.Output.Remove(s.dir)
}

func (b *build) layout() dataset.Layout {
	switch b.last() {
	case dataset.StageIngest:
		return dataset.LayoutIngest
	case dataset.StageTokenize:
		return dataset.LayoutTokenize
	}
	if b.Bucket.NoText {
		return dataset.LayoutLean
	}
	return dataset.LayoutFull
}

// write takes one output. The batch may be released afterwards.
func (s *sink) write(o output) error {
	if l := s.ledger[dataset.StageIngest]; l != nil {
		l.Records += o.records
		for _, r := range o.rejects {
			l.Drop(r.Reason)
			if err := s.reject(dataset.StageIngest, r); err != nil {
				return err
			}
		}
		s.b.Progress.Drops.Add(int64(len(o.rejects)))
	}
	if o.rec == nil {
		return nil
	}
	v := dataset.ViewBatch(o.rec)
	var kept, tokens int64
	for i := range v.Rows() {
		key, ok, err := s.settle(v, i, o)
		if err != nil {
			return err
		}
		if !ok {
			s.b.Progress.Drops.Add(1)
			continue
		}
		s.pending[key] = append(s.pending[key], i)
		kept++
		if s.b.last() != dataset.StageIngest {
			tokens += int64(len(v.Tokens(i).Prompt))
		}
	}
	s.b.Progress.Samples.Add(kept)
	s.b.Progress.Tokens.Add(tokens)
	return s.writePending(v)
}

// settle accounts for one sample in every stage that runs, and says to which shard it goes.
func (s *sink) settle(v dataset.Batch, i int, o output) (shardKey, bool, error) {
	sample, place := v.Sample(i), v.Place(i)
	row := idRow{Kind: string(dataset.KindRL), Notes: int32(place.Notes)}
	if sample.IsSFT() {
		row.Kind = string(dataset.KindSFT)
	}
	if _, err := hex.Decode(row.ID[:], []byte(sample.ID)); err != nil {
		return shardKey{}, false, fmt.Errorf("sample id %q: %w", sample.ID, err)
	}
	if l := s.ledger[dataset.StageIngest]; l != nil {
		// First what is true of every copy of a sample, then that it is a copy.
		if r, bad := o.cleaned.dropped[i]; bad {
			l.Drop(r.Reason)
			return shardKey{}, false, s.reject(dataset.StageIngest, r)
		}
		if s.seen[row.ID] {
			l.Drop(dataset.ReasonDuplicate)
			return shardKey{}, false, nil
		}
		s.seen[row.ID] = true
		l.Keep(place.Notes & dataset.IngestNotes)
		if s.near != nil {
			s.near.add(sample, place, o.cleaned.near[i])
		}
		defer func() { s.ids = append(s.ids, row) }()
	}
	if l := s.ledger[dataset.StageTokenize]; l != nil {
		if r, bad := o.refused[i]; bad {
			row.Refused = string(r.Reason)
			l.Drop(r.Reason)
			return shardKey{}, false, s.reject(dataset.StageTokenize, r)
		}
		l.Keep(place.Notes & dataset.TokenizeNotes)
	}
	if l := s.ledger[dataset.StageBucket]; l != nil {
		phase, ok := v.Phase(i)
		if !ok {
			l.Drop(dataset.ReasonOverlong)
			return shardKey{}, false, nil
		}
		l.Keep(0)
		row.Phase = phase
		return shardKey{dataset.Kind(row.Kind), phase}, true, nil
	}
	return shardKey{dataset.KindMixed, 0}, true, nil
}

func (s *sink) writePending(v dataset.Batch) error {
	for _, key := range sortedKeys(s.pending) {
		rows := s.pending[key]
		if len(rows) == 0 {
			continue
		}
		w := s.shards[key]
		if w == nil {
			var err error
			if w, err = dataset.NewShardWriter(s.b.Output, path.Join(s.dir, key.file()), s.layout); err != nil {
				return err
			}
			s.shards[key] = w
		}
		if err := w.Append(v, rows); err != nil {
			return err
		}
		s.pending[key] = rows[:0]
	}
	return nil
}

func (k shardKey) file() string {
	if k.kind == dataset.KindMixed {
		return "samples.parquet"
	}
	return fmt.Sprintf("%s-phase-%d.parquet", k.kind, k.phase)
}

func sortedKeys[V any](m map[shardKey]V) []shardKey {
	return slices.SortedFunc(maps.Keys(m), func(a, b shardKey) int {
		if a.kind != b.kind {
			return slices.Compare([]byte(a.kind), []byte(b.kind))
		}
		return int(a.phase - b.phase)
	})
}

// A rejectFile is the quarantine of one stage in one split.
type rejectFile struct {
	file *dataset.HashedFile
	buf  *bufio.Writer
	enc  *json.Encoder
}

func quarantineFile(stage dataset.Stage) string { return fmt.Sprintf("quarantine-%s.jsonl", stage) }

func (s *sink) reject(stage dataset.Stage, r dataset.Reject) error {
	q := s.bad[stage]
	if q == nil {
		f, err := dataset.CreateHashed(s.b.Output, path.Join(s.dir, quarantineFile(stage)))
		if err != nil {
			return err
		}
		buf := bufio.NewWriter(f)
		q = &rejectFile{file: f, buf: buf, enc: newRejectEncoder(buf)}
		s.bad[stage] = q
	}
	return q.enc.Encode(r)
}

func newRejectEncoder(w io.Writer) *json.Encoder {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc
}

// finish makes the split durable: files synced, folder synced, renamed into its place.
func (s *sink) finish(sum string, lines int64) error {
	plan, err := s.b.plan.id()
	if err != nil {
		return err
	}
	r := splitResult{Plan: plan, SHA256: sum, Lines: lines, Ledger: map[dataset.Stage]dataset.Ledger{}}
	if err = s.finishFiles(&r); err == nil {
		err = writeResult(s.b.Output, path.Join(s.dir, resultFile), r)
	}
	if err != nil {
		s.abort()
		return err
	}
	if err := s.b.Output.SyncDir(s.dir); err != nil {
		return err
	}
	return s.b.place(s.dir, s.split)
}

// finishFiles closes the books, the shards, the quarantine and the list of ids.
func (s *sink) finishFiles(r *splitResult) error {
	for stage, l := range s.ledger {
		if err := l.Balance(); err != nil {
			return err
		}
		r.Ledger[stage] = *l
	}
	for _, key := range sortedKeys(s.shards) {
		shard, err := s.shards[key].Finish()
		if err != nil {
			return err
		}
		delete(s.shards, key)
		shard.Path, shard.Kind, shard.Phase = key.file(), key.kind, key.phase
		r.Shards = append(r.Shards, shard)
		r.Files = append(r.Files, dataset.File{Path: shard.Path, Bytes: shard.Bytes, SHA256: shard.SHA256})
	}
	for _, stage := range slices.Sorted(maps.Keys(s.bad)) {
		q := s.bad[stage]
		if err := q.buf.Flush(); err != nil {
			return err
		}
		f, err := q.file.Finish()
		if err != nil {
			return err
		}
		delete(s.bad, stage)
		f.Path = quarantineFile(stage)
		r.Quarantine = append(r.Quarantine, stage)
		r.Files = append(r.Files, f)
	}
	return s.writeIDs(r)
}

func (s *sink) writeIDs(r *splitResult) error {
	if s.seen == nil {
		return nil
	}
	file, err := writeRows(s.b.Output, s.dir, idsFile, s.ids)
	if err != nil {
		return err
	}
	r.Files = append(r.Files, file)
	if s.near != nil {
		return s.near.write(s.b.Output, s.dir, r)
	}
	return nil
}

// abort throws away what the split has written.
func (s *sink) abort() {
	for _, w := range s.shards {
		w.Abort()
	}
	for _, q := range s.bad {
		q.file.Abort()
	}
	s.b.Output.Remove(s.dir)
}
