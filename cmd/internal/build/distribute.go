package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/longctx/pipeline/dataset"
)

// Work is what is left of a plan, for a scheduler that runs tasks on other machines. Each task
// is one call of Attempt; when all have succeeded, Commit does the rest.
type Work struct {
	Plan  string // hash of the plan. Example: "5f0c1d…", 32 hex digits
	Tasks []Task
}

// A Task is some splits that one process does, one after the other.
type Task struct {
	Splits []int `json:"splits"`
	Bytes  int64 `json:"bytes"` // of input
}

// A Cut says how splits are grouped into tasks. It changes no byte of the dataset.
type Cut struct {
	TaskBytes int64 // input of a task, at least one split
	MaxTasks  int   // 0: any number; otherwise tasks grow until there are no more than this
}

// Outline plans, and returns what is left to do. A report with a manifest says that the
// dataset is there already.
func Outline(ctx context.Context, o Options, cut Cut) (w Work, r Report, err error) {
	r, err = locked(ctx, o, lockAlone, true, func(b *build) (Report, error) {
		w, err = b.outline(cut)
		return Report{}, err
	})
	return w, r, err
}

// Distribute is Run, with the splits done elsewhere: run gets what is left to do, and returns
// when all of it is done. The lock of the output is held all the time; tasks take none.
func Distribute(ctx context.Context, o Options, cut Cut, run func(context.Context, Work) error) (Report, error) {
	o.Trust = true
	return locked(ctx, o, lockAlone, true, func(b *build) (Report, error) {
		w, err := b.outline(cut)
		if err != nil {
			return Report{}, err
		}
		if len(w.Tasks) > 0 {
			if err := run(ctx, w); err != nil {
				return Report{}, err
			}
		}
		if err := b.await(ctx); err != nil {
			return Report{}, err
		}
		return b.commitAll(ctx)
	})
}

// ErrNotThere means that tasks have succeeded, and what they have done is not in the output.
var ErrNotThere = errors.New("its task has succeeded, and it is not in the output folder")

// await looks until every split is there: a network file system may show it late.
func (b *build) await(ctx context.Context) error {
	const every = time.Second
	for waited := time.Duration(0); ; waited += every {
		b.look()
		missing := b.missing()
		if len(missing) == 0 {
			return nil
		}
		if waited >= b.Patience {
			return fmt.Errorf("split %d: %w", missing[0], ErrNotThere)
		}
		select {
		case <-time.After(every):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (b *build) outline(cut Cut) (Work, error) {
	b.Trust = true
	b.look()
	id, err := b.plan.id()
	return Work{Plan: id, Tasks: tasksOf(b.missing(), b.plan.sizes, cut)}, err
}

// tasksOf groups splits, in their order, into tasks of about equal input.
func tasksOf(splits []int, sizes []int64, cut Cut) []Task {
	var total int64
	for _, i := range splits {
		total += sizes[i]
	}
	limit := max(cut.TaskBytes, 1)
	most := len(splits)
	if cut.MaxTasks > 0 {
		limit = max(limit, (total+int64(cut.MaxTasks)-1)/int64(cut.MaxTasks))
		most = cut.MaxTasks
	}
	var tasks []Task
	for _, i := range splits {
		n := len(tasks)
		if n == 0 || tasks[n-1].Bytes > 0 && tasks[n-1].Bytes+sizes[i]/2 > limit && n < most {
			tasks = append(tasks, Task{})
			n++
		}
		tasks[n-1].Splits = append(tasks[n-1].Splits, i)
		tasks[n-1].Bytes += sizes[i]
	}
	return tasks
}

// Attempt does the given splits of the plan, and may run at the same time as another attempt
// at the same splits, or long after one that has succeeded, on another machine. It takes no
// locks: it writes aside under its own name, the first attempt that renames a split into its
// place has done it, and one that comes after the commit finds no plan and leaves nothing.
func Attempt(ctx context.Context, o Options, name string, splits []int) error {
	if err := checkAttempt(name); err != nil {
		return err
	}
	o.attempt = name
	b, err := newBuild(ctx, o)
	if err != nil {
		return err
	}
	if err := b.adopt(false); err != nil {
		return err
	}
	var todo []int
	for _, i := range splits {
		if i < 0 || i >= len(b.plan.Splits) {
			return fmt.Errorf("split %d: the plan has splits 0 to %d", i, len(b.plan.Splits)-1)
		}
		if b.isDone(i) {
			b.Progress.Resumed.Add(1)
			continue
		}
		if err := b.clear(i); err != nil {
			return err
		}
		todo = append(todo, i)
		b.Progress.BytesTotal.Add(b.plan.sizes[i])
	}
	b.Progress.SplitsTotal.Store(int64(len(todo)))
	return b.splits(ctx, todo)
}

// checkAttempt keeps names of attempts fit for names of folders.
func checkAttempt(name string) error {
	ok := len(name) > 0 && len(name) <= 100 && !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
	if !ok {
		return fmt.Errorf("attempt %q: a name has 1 to 100 letters, digits, - and _", name)
	}
	return nil
}

// id is the hash of a plan: splits carry it, so that none is ever taken for another plan's.
func (p *Plan) id() (string, error) {
	if p.hash != "" {
		return p.hash, nil
	}
	data, err := p.encode()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	p.hash = hex.EncodeToString(sum[:16])
	return p.hash, nil
}

// stillPlanned is ErrNoPlan once the build has been committed, or begun anew.
func (b *build) stillPlanned() error {
	want, err := b.plan.encode()
	if err != nil {
		return err
	}
	info, err := fs.Stat(b.Output, planFile)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() != int64(len(want)) {
		return fmt.Errorf("%w any more: the build was finished or begun anew by another process", ErrNoPlan)
	}
	return err
}

// clear removes a split that stands in its place and is damaged, or of another plan.
func (b *build) clear(split int) error {
	_, err := fs.Stat(b.Output, splitDir(split))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || b.isDone(split) { // another attempt may have finished it just now
		return err
	}
	return b.Output.Remove(splitDir(split))
}

// place renames a finished split into its place. One that is there already, of another attempt,
// stays: it has the same bytes, and a commit may have begun to read it.
func (b *build) place(aside string, split int) error {
	if b.attempt != "" {
		if err := b.stillPlanned(); err != nil {
			return errors.Join(err, b.Output.Remove(aside), b.removeEmpty(workDir))
		}
	}
	final := splitDir(split)
	err := b.Output.Rename(aside, final)
	if err == nil {
		return b.Output.SyncDir(workDir)
	}
	if _, statErr := fs.Stat(b.Output, final); statErr != nil {
		return err
	}
	if b.isDone(split) {
		return b.Output.Remove(aside)
	}
	return fmt.Errorf("%s stands in the way, and is damaged: %w", final, err)
}

// isThere reports whether a split is finished, by its account and the sizes of its files. It
// reads no shard: that would be the whole dataset, on one machine.
func (b *build) isThere(split int) bool {
	r, err := b.readResult(split)
	if err != nil {
		return false
	}
	for _, f := range r.Files {
		info, err := fs.Stat(b.Output, path.Join(splitDir(split), f.Path))
		if err != nil || info.Size() != f.Bytes {
			return false
		}
	}
	return true
}

// each calls do for 0 to n-1, as many at a time as there are workers.
func (b *build) each(ctx context.Context, n int, do func(i int) error) error {
	g, failed := errgroup.WithContext(ctx)
	g.SetLimit(max(b.Workers, 1))
	for i := range n {
		if failed.Err() != nil {
			break
		}
		g.Go(func() error { return do(i) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// ParseSplits reads a list of splits. Example: "0..7,12,15..16"
func ParseSplits(text string) ([]int, error) {
	var splits []int
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "..")
		if !isRange {
			last = first
		}
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err1 != nil || err2 != nil || from < 0 || to < from || to-from > maxListed {
			return nil, fmt.Errorf("%q is not a split or a range such as 0..7", part)
		}
		for i := from; i <= to; i++ {
			splits = append(splits, i)
		}
	}
	return splits, nil
}

// maxListed bounds the memory that a mistyped range takes.
const maxListed = 1 << 24

// FormatSplits is the inverse of ParseSplits.
func FormatSplits(splits []int) string {
	var b strings.Builder
	for i := 0; i < len(splits); {
		j := i
		for j+1 < len(splits) && splits[j+1] == splits[j]+1 {
			j++
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(splits[i]))
		if j > i {
			b.WriteString(".." + strconv.Itoa(splits[j]))
		}
		i = j + 1
	}
	return b.String()
}

// Done counts the splits of an unfinished build that stand in their places, by name alone. It
// is what a follower may ask every few seconds.
func Done(output dataset.FS) (int, error) {
	entries, err := fs.ReadDir(output, workDir)
	n := 0
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "split-") && !strings.Contains(e.Name(), ".") {
			n++
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return n, err
}

// Committed reports whether the output holds a dataset and no unfinished build of another.
func Committed(output dataset.FS) bool {
	_, manifest := fs.Stat(output, dataset.ManifestName)
	_, plan := fs.Stat(output, planFile)
	return manifest == nil && errors.Is(plan, fs.ErrNotExist)
}
