// Package build runs the stages ingest, tokenize and bucket over the splits of a build:
// all three fused (the verb build), or one at a time over the dataset of the one before.
//
// Its rule: plan, one, commit. The plan is a pure function of inputs and options; one does
// a split alone, in any order, anywhere, as often as one likes; commit settles what is
// global and writes the manifest last. So workers, kills and machines change nothing in
// the bytes.
//
//	plan ─▶ .work/plan.json
//	one  ─▶ .work/split-00003/{rl-phase-1.parquet, ids.parquet, quarantine-ingest.jsonl, result.json}
//	                           and, to settle near duplicates, near.parquet and signatures.parquet
//	commit ▶ .work/commit.json ─▶ renames ─▶ manifest.json ─▶ .work removed
//
// Inside a split, a reader cuts chunks of records, workers parse, tokenize and bucket them
// side by side, and one writer takes the results in order. Memory is bounded by bytes in
// flight, never by rows.
package build

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/longctx/pipeline/bucket"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/ingest"
	"github.com/longctx/pipeline/ingest/clean"
	"github.com/longctx/pipeline/tokenize"
)

// Options say what to build. Which stages run follows from Stages: the first reads Inputs
// (ingest) or the dataset From (tokenize, bucket).
type Options struct {
	Stages   []dataset.Stage // consecutive: all three, or one
	Ingest   ingest.Options
	Clean    clean.Options // used where the stage ingest runs
	Tokenize tokenize.Options
	Bucket   bucket.Options

	From   dataset.FS // the dataset that tokenize or bucket reads
	Output dataset.FS
	Locker Locker // nil: no locks
	Force  bool   // replace a dataset made of other inputs or options

	// Trust takes splits of other processes by their account and the sizes of their files. Without
	// it their bytes are read and hashed again.
	Trust bool

	Patience time.Duration // how long Distribute waits to see splits of tasks that have succeeded

	attempt string // name of this attempt at some splits; empty where locks keep others away

	// These change speed and memory, never the bytes.
	Workers   int   // 0: one per CPU
	MaxMemory int64 // bytes; 0: DefaultMaxMemory

	Progress *Progress // may be nil
}

// DefaultMaxMemory is the memory that a build plans with.
const DefaultMaxMemory = 384 << 20

// Progress counts what a running build has done; it may be read at any time.
type Progress struct {
	BytesTotal, BytesDone   atomic.Int64 // of the splits that this run has to do
	SplitsTotal, SplitsDone atomic.Int64
	Samples, Tokens, Drops  atomic.Int64
	Resumed                 atomic.Int64 // splits that an earlier run had finished
}

// A Report says how a build ended.
type Report struct {
	Manifest *dataset.Manifest
	UpToDate bool // nothing was done: the dataset was there already
}

// BadShare returns the share of records that were quarantined because they are bad, in [0, 1].
// What the options ask to drop is not: duplicates, contaminated samples and the like.
func BadShare(m *dataset.Manifest) float64 {
	l := m.LedgerOf(dataset.StageIngest)
	if l.In == 0 {
		return 0
	}
	bad := l.Dropped() + m.LedgerOf(dataset.StageTokenize).Dropped()
	for reason, n := range l.Drops {
		if reason.Asked() {
			bad -= n
		}
	}
	return float64(bad) / float64(l.In)
}

// ErrDiffers means that the output holds a dataset, or an unfinished build, of other inputs
// or options.
var ErrDiffers = errors.New("was built differently")

// Run plans, does every split that is not done, and commits.
func Run(ctx context.Context, o Options) (Report, error) {
	return locked(ctx, o, lockAlone, true, func(b *build) (Report, error) {
		b.look()
		missing := b.missing()
		for _, i := range missing {
			if err := b.clear(i); err != nil {
				return Report{}, err
			}
		}
		if err := b.splits(ctx, missing); err != nil {
			return Report{}, err
		}
		m, err := b.commit(ctx)
		return Report{Manifest: m}, err
	})
}

// PlanOnly writes the plan and returns the number of splits; none if the dataset is there.
func PlanOnly(ctx context.Context, o Options) (splits int, r Report, err error) {
	r, err = locked(ctx, o, lockAlone, true, func(b *build) (Report, error) {
		splits = len(b.plan.Splits)
		return Report{}, nil
	})
	return splits, r, err
}

// One does one split. It may run in several processes at once.
func One(ctx context.Context, o Options, split int) (Report, error) {
	return locked(ctx, o, lockShared, false, func(b *build) (Report, error) {
		if split < 0 || split >= len(b.plan.Splits) {
			return Report{}, fmt.Errorf("split %d: the plan has splits 0 to %d", split, len(b.plan.Splits)-1)
		}
		release, err := lockSplit(b.Options, split)
		if err != nil {
			return Report{}, err
		}
		defer release()
		if b.isDone(split) {
			return Report{}, nil
		}
		if err := b.clear(split); err != nil {
			return Report{}, err
		}
		b.Progress.SplitsTotal.Store(1)
		b.Progress.BytesTotal.Store(b.plan.sizes[split])
		return Report{}, b.splits(ctx, []int{split})
	})
}

// Commit finishes a build whose splits are all done.
func Commit(ctx context.Context, o Options) (Report, error) {
	return locked(ctx, o, lockAlone, false, func(b *build) (Report, error) {
		return b.commitAll(ctx)
	})
}

// commitAll commits if every split is done.
func (b *build) commitAll(ctx context.Context) (Report, error) {
	b.look()
	if missing := b.missing(); len(missing) > 0 {
		return Report{}, fmt.Errorf("commit: %d of %d splits are not done, the first is split %d", len(missing), len(b.plan.Splits), missing[0])
	}
	m, err := b.commit(ctx)
	return Report{Manifest: m}, err
}

// locked plans, takes the output's lock and does a part of the build, unless the dataset is
// there already. The plan comes first, so that a mistake in the options leaves no folder.
func locked(ctx context.Context, o Options, shared, create bool, do func(*build) (Report, error)) (Report, error) {
	b, err := newBuild(ctx, o)
	if err != nil {
		return Report{}, err
	}
	release, err := lock(o, shared)
	if err != nil {
		return Report{}, err
	}
	defer release()
	if m, err := b.finished(ctx); m != nil || err != nil {
		return Report{Manifest: m, UpToDate: m != nil}, err
	}
	if err := b.adopt(create); err != nil {
		return Report{}, err
	}
	return do(b)
}

// build is one build in progress.
type build struct {
	Options
	job  job
	plan *Plan
	done []bool // [splits], by an earlier run
}

func (b *build) missing() []int {
	var missing []int
	for i, done := range b.done {
		if !done {
			missing = append(missing, i)
		}
	}
	return missing
}

func (o *Options) setDefaults() {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.MaxMemory <= 0 {
		o.MaxMemory = DefaultMaxMemory
	}
	if o.Progress == nil {
		o.Progress = new(Progress)
	}
}

func (o *Options) first() dataset.Stage { return o.Stages[0] }
func (o *Options) last() dataset.Stage  { return o.Stages[len(o.Stages)-1] }
